"""Faults of the server itself: one bad answer is one error, and nobody waits for a dead server."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

import pfslib
from pfsfuse import abi
from pfsfuse.inodes import Inode
from pfsfuse.kernel_loop import KernelLoop
from pfsfuse.kernel_mount import Mount, detach, mount
from pfsfuse.operations import Operations
from pfsfuse.server import _Served
from pfsfuse.settings import Settings
from pfsfuse.views import open_view

pytestmark = pytest.mark.mount


class BadLinks(Operations):
    """Answers that the kernel does not take."""

    def readlink(self, link: Inode) -> bytes:
        return bytes(5000)


@contextmanager
def served(operations: Operations, mountpoint: Path) -> Iterator[None]:
    """A mount that a thread of this very process serves: only other processes may look into it."""
    device = mount(Mount(bytes(mountpoint), "faulty", allow_other=False))
    live = Event()

    def serve() -> None:
        try:
            KernelLoop(device, operations, on_live=live.set).serve()
        finally:
            os.close(device)

    thread = Thread(target=serve)
    thread.start()
    try:
        assert live.wait(10)
        yield
    finally:
        detach(bytes(mountpoint))
        thread.join()


def ask(code: str, path: Path) -> int:
    """The errno that another process gets; 0 for none."""
    asking = f"import os, sys\ntry: os.{code}(sys.argv[1])\nexcept OSError as e: print(e.errno)"
    command = [sys.executable, "-c", asking, path]
    return int(subprocess.check_output(command, timeout=10) or 0)


def test_an_answer_that_the_kernel_does_not_take_is_one_error(
    source, mountpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = pfslib.open_trees(source.store)
    with store, served(BadLinks(open_view(store, source.view)), mountpoint):
        for _ in range(2):
            assert ask("readlink", mountpoint / "links/to_file") == errno.EIO
        assert ask("stat", mountpoint / "run.sh") == 0
    assert [record.getMessage() for record in caplog.records] == [
        "readlink '/links/to_file': OSError(22, 'Invalid argument')"
    ]


def test_nobody_waits_for_a_thread_that_died(
    source, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> bytes:
        raise pfslib.MountError("the serving cannot go on")

    with pfslib.open_trees(source.store) as store:
        settings = Settings(str(source.store), source.view, bytes(mountpoint))
        serving = _Served(settings, open_view(store, source.view))
        serving.start()
        try:
            monkeypatch.setattr(serving._operations, "lookup", die)
            assert ask("stat", mountpoint / "run.sh") in {errno.ENOTCONN, errno.ECONNABORTED}
            assert ask("stat", mountpoint / "files") == errno.ENOTCONN
        finally:
            detach(bytes(mountpoint))
            serving.stop()
    assert str(serving._failure) == "the serving cannot go on"


def test_a_server_never_looks_into_its_own_mount(
    source, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before it has answered itself, it would wait for itself, for ever."""
    asked: list[int] = []
    answer = KernelLoop._answer

    def note(loop: KernelLoop, message: bytes) -> None:
        asked.append(abi.IN_HEADER.unpack_from(message)[1])
        answer(loop, message)

    monkeypatch.setattr(KernelLoop, "_answer", note)
    settings = Settings(str(source.store), source.view, bytes(mountpoint))
    with pfslib.open_trees(source.store) as store:
        served = _Served(settings, open_view(store, source.view, label=""))
        try:
            served.start()
        finally:
            assert served.stop()
    assert set(asked) <= {abi.Op.INIT, abi.Op.DESTROY}
