"""One at a time, where the file system has locks at all."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from pfslib.kv.directory_lock import locked


def test_a_second_one_is_told_or_waits(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(BlockingIOError), locked(tmp_path):
        pytest.fail("two are in at once")
    first = locked(tmp_path)
    first.__enter__()
    threading.Timer(0.05, first.__exit__, (None, None, None)).start()
    with locked(tmp_path, wait_s=10):
        pass


def test_where_there_are_no_locks_nobody_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path), locked(tmp_path):
        pass
