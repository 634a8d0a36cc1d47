"""Those who mount at one place take turns: of two mounts, one would hide the other.

The lock is on the directory above: the mount point itself may be a mount whose server is dead. That
cannot be opened, and only one of those that find it may clear it away.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pfslib.model.errors import MountError
from pfslib.mounts.mountinfo import find_mount

_PAUSE_S: Final = 0.01


@contextmanager
def turn_at(mountpoint: Path, timeout_s: float) -> Iterator[None]:
    """Wait until nobody else is mounting there.

    Args:
        mountpoint: As it was given.
        timeout_s: How long to wait.

    Raises:
        MountError: Somebody else still is.
    """
    found = find_mount(mountpoint)
    place = Path(os.path.realpath(mountpoint)) if found is None else found.path
    lock = _open(place)
    if lock is None:  # then it cannot be mounted on, which is better said by others
        yield
        return
    try:
        _take(lock, place, timeout_s)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a child forked meanwhile may have a copy of it
    finally:
        os.close(lock)


def _open(place: Path) -> int | None:
    for directory in (place.parent, place):  # the latter for who may not look into the former
        try:
            return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
    return None


def _take(lock: int, place: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_PAUSE_S)
                continue
            message = f"somebody else is mounting at {place}, or has locked the directory it is in"
            hint = f"`fuser -v {place.parent}` shows who uses that"
            raise MountError(message, hint=hint) from None
        except OSError:  # a file system without such locks
            return
        return
