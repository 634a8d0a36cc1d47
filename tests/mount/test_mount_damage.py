"""Damage met by a read through a mount: EIO for that range, a line in the log, no wrong bytes."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

import pfslib
from pfslib.mounts.mounting import Mounted, mount
from pfslib.testing.runner_workbench import wait_until

pytestmark = pytest.mark.mount

DATA = random.Random(3).randbytes(2_000_000)
"""Cannot be compressed, so its bytes lie in the store as they are."""


POSITION = 1_000_000
"""Where in the file it is damaged."""


class Damaged(NamedTuple):
    """A store in which one bit of a file was flipped."""

    store: Path
    view: str

    def mount(self) -> Mounted:
        return mount(self.store, self.view, None, fsname="damaged")


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    with pfslib.init(tmp_path / "store") as store:
        with store.create_repo("r").commit("master") as commit:
            commit.put_file("/whole", b"whole")
            commit.put_file("/hurt", DATA)
        assert commit.commit is not None
        root = commit.commit.tree.root.node.hex()
    data_file = max((tmp_path / "store").iterdir(), key=lambda path: path.stat().st_size)
    stored = bytearray(data_file.read_bytes())
    stored[stored.index(DATA[POSITION : POSITION + 32])] ^= 1
    data_file.write_bytes(stored)
    return Damaged(tmp_path / "store", f"tree:{root}")


@contextmanager
def open_without_readahead(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        yield fd
    finally:
        os.close(fd)


def test_the_damaged_range_is_an_error_and_the_rest_is_not(damaged: Damaged) -> None:
    with damaged.mount() as path, open_without_readahead(path / "hurt") as file:
        for _ in range(2):  # the kernel must not keep what came with an error
            with pytest.raises(OSError, match=rf"Errno {errno.EIO}\]"):
                os.pread(file, 100, POSITION)
        assert os.pread(file, 4096, 0) == DATA[:4096]
        assert os.pread(file, 4096, 1_900_000) == DATA[1_900_000:1_904_096]
        assert (path / "whole").read_bytes() == b"whole"
        assert (path / "hurt").stat().st_size == len(DATA)


def test_reading_all_of_it_fails(damaged: Damaged) -> None:
    with damaged.mount() as path, pytest.raises(OSError, match=rf"Errno {errno.EIO}\]"):
        (path / "hurt").read_bytes()


def test_the_log_names_the_mount_the_file_and_the_damage(
    damaged: Damaged, capfd: pytest.CaptureFixture[str]
) -> None:
    """The server of a tied mount writes to the standard error of whoever made it."""
    with damaged.mount() as path, open_without_readahead(path / "hurt") as file:
        with pytest.raises(OSError, match=rf"Errno {errno.EIO}\]"):
            os.pread(file, 100, POSITION)
        said = ""

        def is_said() -> bool:  # by a thread of the server's, so that no reader waits for it
            nonlocal said
            said += capfd.readouterr().err
            return said.endswith("\n")

        assert wait_until(is_said)
        lines = said.splitlines()
    assert lines
    assert all(line.startswith(f"pfs mount {path}: read '/hurt': ") for line in lines)
    assert all(line.endswith("is damaged") for line in lines)
