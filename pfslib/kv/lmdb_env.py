"""The door to lmdb, the only module that imports it: environments opened, errors translated.

LMDB's cautions begin here: engine pinned, a large sparse map. One environment a process is
`lmdb_kv`'s to see to, and what LMDB does not do at all is that of `guard` and `readers_file`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import lmdb

from pfslib.kv.inherited import opening_again
from pfslib.kv.layout import DATA_FILE
from pfslib.kv.lmdb_txn import Translate
from pfslib.kv.readers_file import READERS_MAX
from pfslib.kv.room import NO_ROOM, disk_fails, no_room, room_left
from pfslib.kv.store_files import fill_standard_streams
from pfslib.kv.syncing import sync_file
from pfslib.model.errors import (
    BusyError,
    CorruptionError,
    PfsError,
    StoreClosedError,
    StoreFullError,
)

MAP_SIZE = 1 << 40
_MAP_SIZE_MIN = 1 << 30
_ENGINE_0_9 = 0

Environment = lmdb.Environment
Transaction = lmdb.Transaction

SLOT_LOST: Final = lmdb.BadRslotError
"""Another process took this one for dead: the next transaction gets a new slot for a reader."""

SLOTS_TAKEN: Final = lmdb.ReadersFullError
OPEN_AGAIN: Final = (lmdb.PanicError, lmdb.MapResizedError)
"""A meta page could not be written; or another process has a larger map, and used it."""

TREE_DAMAGED: Final = (lmdb.CorruptedError, lmdb.PageNotFoundError)
LMDB_ERROR: Final = lmdb.Error

_ERRNO: Final = {os.strerror(number): number for number in errno.errorcode}


def open_environment(directory: Path) -> Environment:
    """Open the data file of a directory; made when there is none.

    Raises:
        CorruptionError, StoreFullError, OSError: See `LmdbKV.open`.
    """
    fill_standard_streams()
    size = MAP_SIZE
    while True:
        try:
            with translated(partial(translation, directory)), opening_again():
                return lmdb.open(
                    str(directory),
                    map_size=size,
                    max_readers=READERS_MAX,
                    mode=0o600,
                    lib_version=_ENGINE_0_9,
                )
        except MemoryError:
            # A limited address space (ulimit -v) takes a smaller map; the file does not care.
            size //= 2
            if size < _MAP_SIZE_MIN:
                raise


def copy_environment(env: Environment, target: Path) -> None:
    """Write the state of this moment, without free pages, into an empty directory, durably.

    Raises:
        StoreFullError: No room there.
    """
    fill_standard_streams()
    with translated(partial(translation, target)):
        env.copy(str(target), compact=True)
    data = target / DATA_FILE
    data.chmod(0o600)
    sync_file(data)


# --- errors ----------------------------------------------------------------------------------

HARMLESS: Final = frozenset({errno.ENOMEM, errno.EAGAIN, errno.EINVAL, errno.EINTR, errno.EACCES})
"""Errors that say nothing about the state of the disk."""

_DAMAGE: Final = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)
_ROOM_MIN: Final = 1 << 20
_ENDED: Final = "closed/deleted/dropped"


@contextmanager
def translated(translate: Translate) -> Iterator[None]:
    """Raise errors of the binding as what they are translated to."""
    try:
        yield
    except lmdb.Error as error:
        raise translate(error) from error


def translation(directory: Path, error: Exception) -> Exception:
    """LMDB's error as one of ours; any other as it is."""
    if not isinstance(error, lmdb.Error):
        return error
    if isinstance(error, lmdb.MapFullError):
        return StoreFullError(str(directory), "its LMDB map is used up")
    if isinstance(error, lmdb.ReadersFullError):
        why = f"store {directory}: {READERS_MAX} readers are busy already"
        return BusyError(why, hint="end some processes that read it")
    if isinstance(error, _DAMAGE):
        why = f"store {directory}: the data file is damaged: {error}"
        return CorruptionError(
            why, hint="`pfs fsck` says what can be read; restore it from a backup"
        )
    if _ENDED in str(error):  # by another thread, in the middle of this
        return StoreClosedError(str(directory))
    return _system_error(directory, error)


def _system_error(directory: Path, error: lmdb.Error) -> Exception:
    number = errno_of(directory, error)
    if number in NO_ROOM:
        return no_room(directory, number)
    if number == errno.ENOMEM:
        return MemoryError(str(error))
    if number == errno.EIO:
        return disk_fails(directory, error)
    return PfsError(f"store {directory}: LMDB says: {error}")


def errno_of(directory: Path, error: Exception) -> int | None:
    """The system's number of an error of the binding; None when it is LMDB's own."""
    if not isinstance(error, lmdb.Error):
        return None
    number = _ERRNO.get(str(error).rpartition(": ")[2])
    # A write that the disk had room for half of is an I/O error to LMDB.
    data = directory / DATA_FILE
    if number == errno.EIO and room_left(data if data.exists() else directory) < _ROOM_MIN:
        return errno.ENOSPC
    return number
