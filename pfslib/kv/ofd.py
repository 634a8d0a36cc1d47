"""Locks on single bytes of a file that belong to the open descriptor, not to the process.

The usual ones, of ``lockf`` and of LMDB itself, are a process's: all of them vanish when it closes
any descriptor of the file, which a plain copy of the store's folder does. These (Linux's "open file
description locks") stay until their own descriptor is closed, and the two kinds see each other.
"""

from __future__ import annotations

import fcntl
import struct
from typing import Final

SHARED: Final = fcntl.F_RDLCK
EXCLUSIVE: Final = fcntl.F_WRLCK
_UNLOCKED: Final = fcntl.F_UNLCK

_FLOCK = struct.Struct("hhqqi4x")
"""Kind, whence, start, length and pid of ``struct flock``; the pid must be 0."""


def try_lock(fd: int, kind: int, byte: int) -> bool:
    """Lock one byte, or turn a lock that is held into the other kind, if that needs no wait.

    Turning is atomic, and when it fails what was held is still held.

    Args:
        fd: A descriptor open for reading and writing.
        kind: SHARED or EXCLUSIVE.
        byte: Its offset; need not exist in the file.

    Returns:
        Whether the lock is held now.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, 0, byte, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_locked(fd: int, byte: int) -> bool:
    """Whether another descriptor, or a process, holds a lock on one byte."""
    found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _FLOCK.pack(EXCLUSIVE, 0, byte, 1, 0))
    return bool(_FLOCK.unpack(found)[0] != _UNLOCKED)


def unlock(fd: int, byte: int) -> None:
    """Give up the lock on one byte, if any."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(_UNLOCKED, 0, byte, 1, 0))


def turn_into_shared(fd: int, byte: int) -> None:
    """Make this process's exclusive lock of the usual kind on a byte a shared one."""
    fcntl.fcntl(fd, fcntl.F_SETLK, _FLOCK.pack(SHARED, 0, byte, 1, 0))
