"""A server that is killed while it has the kernel forget a deleted commit: see decision 24."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

import pfslib
from pfslib.mounts import mountinfo
from pfslib.mounts.mountinfo import find_mount, state_of
from pfslib.mounts.unmounting import unmount
from pfslib.testing.runner_workbench import wait_until

pytestmark = [
    pytest.mark.mount,
    pytest.mark.skipif(os.geteuid() != 0, reason="without fusectl only root can free readers"),
]

CAN_PRUNE = tuple(map(int, platform.release().split(".")[:2])) >= (6, 18)

SERVER = """
import sys, time
from pfsfuse.forgetting import _Forgetting
from pfsfuse.kernel_loop import KernelLoop
from pfsfuse.reporting import Reports
from pfsfuse.server import serve
from pfsfuse.settings import Settings
store, mountpoint, kernel = sys.argv[1:]
if kernel == "old":
    _Forgetting._prune = lambda *_: False
forget = _Forgetting._forget
def tell(forgetting):
    if forgetting._store.deleted():
        print("forgetting", flush=True)
    forget(forgetting)
    if forgetting._store.deleted():
        print("told", flush=True)
_Forgetting._forget = tell
look_up = KernelLoop._lookup
def look_up_slowly(loop, node, data):
    if data.startswith(b"slow"):
        time.sleep(60)  # for as long the directory cannot be changed
    return look_up(loop, node, data)
KernelLoop._lookup = look_up_slowly
serve(Settings(store, "store", mountpoint.encode()), Reports(1, 2, name="slow"))
"""


def states(pid: int) -> set[str]:
    """Those of all threads of a process, such as `D`."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {(path / "stat").read_text().rpartition(")")[2].split()[0] for path in threads}


def is_told(said: IO[bytes], word: bytes) -> bool:
    return any(line.startswith(word) for line in iter(said.readline, b""))


@contextmanager
def slow_server(store: Path, mountpoint: Path, kernel: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", SERVER, store, mountpoint, kernel]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            yield server
        finally:
            server.kill()
            if find_mount(mountpoint) is not None:
                unmount(mountpoint, force=True)


@pytest.mark.parametrize("kernel", ["old", "new"])
def test_whoever_waits_is_let_go(
    tmp_path: Path, mountpoint: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    """At once, where the kernel forgets without waiting; else it is seen to hang, and freed."""
    if kernel == "new" and not CAN_PRUNE:
        pytest.skip("before Linux 6.18 the kernel waits for whoever looks up")
    monkeypatch.setattr(mountinfo, "_ANSWER_S", 0.3)
    with (
        pfslib.init(tmp_path / "store") as store,
        slow_server(store.path, mountpoint, kernel) as server,
    ):
        with store.create_repo("r").commit() as making:
            making.put_file("/f", b"f")
        assert server.stdout is not None
        assert is_told(server.stdout, b"ready")
        assert (mountpoint / "r/master/f").read_bytes() == b"f"
        slow = ["cat", mountpoint / "r/slow"]
        waiting = subprocess.Popen(slow, stderr=subprocess.PIPE, env={"LC_ALL": "C"})
        waits_in = Path(f"/proc/{waiting.pid}/wchan")
        assert wait_until(lambda: waits_in.read_text() == "request_wait_answer")
        store.repo("r").drop_commit("master")
        assert is_told(server.stdout, b"told" if kernel == "new" else b"forgetting")
        assert kernel == "new" or wait_until(lambda: "D" in states(server.pid))
        server.kill()
        if kernel == "old":
            assert wait_until(lambda: states(server.pid) == {"Z", "D"})
            assert state_of(mountpoint) == "hung"
            assert waiting.poll() is None
            assert unmount(mountpoint).aborted
        assert b"onnection abort" in waiting.communicate(timeout=5)[1]
        assert server.wait(5) < 0
        assert kernel == "old" or state_of(mountpoint) == "dead"
