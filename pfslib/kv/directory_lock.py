"""A directory's lock, for those who may change what is in it one after the other."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PAUSE_S: Final = 0.01


@contextmanager
def locked(directory: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Have a directory's lock in a block; a file system that has no locks stops nobody.

    Args:
        directory: It has to be there, and may be looked into.
        wait_s: How long to wait for others, seconds.

    Raises:
        BlockingIOError: Somebody else has it all the time; it comes from entering the block.
    """
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        has_locks = _take(lock, wait_s)
        try:
            yield
        finally:
            if has_locks:  # a child forked meanwhile may have a copy of the descriptor
                fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
        os.close(lock)


def _take(lock: int, wait_s: float) -> bool:
    """Take it, if there are locks here: whether there are."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_S)
        except OSError:
            return False
        else:
            return True
