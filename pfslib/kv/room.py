"""What the system says when the disk is full, fails or takes no writes, as errors of ours."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pfslib.model.errors import CorruptionError, PfsError, StateError, StoreFullError

_WHY: Final = {
    errno.ENOSPC: "the disk has no room left",
    errno.EDQUOT: "the user's disk quota is used up",
    errno.EFBIG: "the process may not write files of this size (ulimit -f)",
}
NO_ROOM: Final = frozenset(_WHY)


def no_room(directory: Path, number: int | None) -> StoreFullError:
    """The error for one of the numbers of `NO_ROOM`."""
    return StoreFullError(str(directory), _WHY[number or errno.ENOSPC])


def disk_fails(directory: Path, error: Exception) -> CorruptionError:
    """The error for an I/O error."""
    return CorruptionError(
        f"store {directory}: the disk fails: {error}",
        hint="the kernel's log says more; what is finished may still be read",
    )


def read_only(directory: Path) -> StateError:
    """The error for a file system that takes no writes.

    Reading without locks would be wrong there: the same files may be written by another mount.
    """
    return StateError(
        f"store {directory} is on a file system that is mounted read-only",
        hint="it is locked to be read, too: have it mounted writable, or copy it to where it is "
        "while nobody writes it",
    )


@contextmanager
def room_needed(directory: Path) -> Iterator[None]:
    """Turn the system's errors about the disk into ours, for the block.

    Raises:
        StoreFullError: No room.
        CorruptionError: The disk fails.
        StateError: It is mounted read-only.
    """
    try:
        yield
    except PfsError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise no_room(directory, error.errno) from error
        if error.errno == errno.EIO:
            raise disk_fails(directory, error) from error
        if error.errno == errno.EROFS:
            raise read_only(directory) from error
        raise


def room_left(file: Path) -> int:
    """Bytes by which an existing file may grow: on its disk, and in this process."""
    disk = os.statvfs(file)
    room = disk.f_bavail * disk.f_frsize
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return room if limit == resource.RLIM_INFINITY else min(room, limit - file.stat().st_size)
