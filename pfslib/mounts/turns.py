"""Those who mount at one place take turns: of two mounts, one would hide the other.

The lock is on the mount point. A mount there whose server is dead cannot be opened, nor locked, and
only one of those who find it may clear it away, or the others would take the new mount for the dead
one. So whoever finds anything mounted locks the directory above first.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from pfslib.model.errors import MountError
from pfslib.mounts.checks import check_mountpoint, refuse
from pfslib.mounts.mountinfo import find_mount

_PAUSE_S: Final = 0.01


@contextmanager
def claim(given: Path, timeout_s: float) -> Iterator[Path]:
    """Have a directory to mount on for oneself; a mount of ours whose server is dead makes room.

    Args:
        given: The directory.
        timeout_s: How long to wait for others who mount there.

    Yields:
        The mount point as an absolute path without symbolic links.

    Raises:
        MountError: It cannot be mounted on, or somebody else is at it all the time.
    """
    with ExitStack() as locks:
        found = find_mount(given)
        if found is not None:
            locks.enter_context(_locked(found.path.parent, timeout_s))
        path = check_mountpoint(given)
        locks.enter_context(_locked(path, timeout_s))
        found = find_mount(path)
        if found is not None:
            raise refuse(found)
        yield path


@contextmanager
def _locked(directory: Path, timeout_s: float) -> Iterator[None]:
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # the directory above may not be for this user to look into
        yield
        return
    try:
        _take(lock, directory, timeout_s)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a child forked meanwhile may have a copy of it
    finally:
        os.close(lock)


def _take(lock: int, directory: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                message = f"somebody else is mounting at {directory}, or has it locked"
                hint = f"`fuser -v {directory}` shows who uses it"
                raise MountError(message, hint=hint) from None
            time.sleep(_PAUSE_S)
        except OSError:  # a file system without such locks
            return
        else:
            return
