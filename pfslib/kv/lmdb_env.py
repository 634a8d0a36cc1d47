"""The LMDB backend; the only module that imports lmdb.

LMDB's cautions have their one owner here: one environment a process, no use after a fork, engine
pinned, a large sparse map, stale readers cleared, errors translated.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import lmdb

from pfslib.kv.fork import traffic
from pfslib.kv.gate import WriteGate
from pfslib.kv.presence import Presence
from pfslib.kv.process import is_running
from pfslib.kv.protocol import Pair
from pfslib.kv.tables import LAST_TABLE, Table
from pfslib.model.errors import (
    CorruptionError,
    PfsError,
    StateError,
    StoreClosedError,
    StoreFullError,
)

MAP_SIZE = 1 << 40
_MAP_SIZE_MIN = 1 << 30
_READERS_MAX = 1024
_ENGINE_0_9 = 0
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM_MIN = 1 << 20
_CLOSED = "closed/deleted/dropped"
DATA_FILE = "data.mdb"
GATE_FILE = "write.lock"

_registry: dict[tuple[int, int], LmdbKV] = {}
_registry_lock = threading.Lock()
_inherited: list[object] = []


class LmdbTxn:
    """A read or write transaction; a table is a byte in front of its keys.

    One LMDB database instead of one a table: handles of named databases can only be opened inside a
    write transaction, and opening a store to read it must not wait for a writer.
    """

    # The binding's types offer memoryviews, which only come with `buffers=True`: Any is truer here.

    __slots__ = ("_txn",)

    def __init__(self, txn: Any) -> None:  # noqa: ANN401
        self._txn = txn

    def __enter__(self) -> LmdbTxn:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whoever keeps this must not keep LMDB's transaction: a reader's slot is only given back
        # with the last reference, and a child forked before that would give it back, too.
        txn, self._txn = self._txn, None
        if kind is None:
            txn.commit()
        else:
            txn.abort()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ReadTxn."""
        value: bytes | None = self._txn.get(table.tag + key)
        return value

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        """See ReadTxn."""
        cursor = self._txn.cursor()
        whole = table.tag + prefix
        if reverse:
            bound = table.tag + start
            bounded = start != b"" and (bound < whole or bound.startswith(whole))
            found = _seek_last(cursor, bound if bounded else whole, exact=bounded)
            pairs = cursor.iterprev(keys=True, values=True)
        else:
            found = cursor.set_range(max(whole, table.tag + start))
            pairs = cursor.iternext(keys=True, values=True)
        if not found:
            return
        for key, value in pairs:
            if not key.startswith(whole):
                return
            yield key[1:], value

    def count(self, table: Table) -> int:
        """See ReadTxn."""
        cursor = self._txn.cursor()
        if not cursor.set_range(table.tag):
            return 0
        keys = cursor.iternext(keys=True, values=False)
        return sum(1 for _ in takewhile(lambda key: key.startswith(table.tag), keys))

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        self._txn.put(table.tag + key, value)

    def add(self, table: Table, key: bytes, value: bytes) -> bool:
        """See WriteTxn."""
        added: bool = self._txn.put(table.tag + key, value, overwrite=False)
        return added

    def append(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        # Appending proper is for the greatest key of the whole environment.
        last = table is LAST_TABLE
        if not self._txn.put(table.tag + key, value, overwrite=False, append=last):
            msg = f"appended key {key!r} is not the greatest of {table}"
            raise AssertionError(msg)

    def swap(self, table: Table, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """See WriteTxn."""
        if self.get(table, key) != old:
            return False
        if new is None:
            self.delete(table, key)
        else:
            self.put(table, key, new)
        return True

    def delete(self, table: Table, key: bytes) -> bool:
        """See WriteTxn."""
        deleted: bool = self._txn.delete(table.tag + key)
        return deleted


def _seek_last(cursor: Any, bound: bytes, *, exact: bool) -> bool:  # noqa: ANN401
    """Put the cursor on the greatest key up to the bound; if not exact, with it as a prefix."""
    beyond = bound if exact else _after_prefix(bound)
    if beyond is None or not cursor.set_range(beyond):
        found: bool = cursor.last()
        return found
    if exact and cursor.key() == bound:
        return True
    moved: bool = cursor.prev()
    return moved


def _after_prefix(prefix: bytes) -> bytes | None:
    """The least key greater than every key with the prefix; None when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


class LmdbKV:
    """The one environment that this process has open on a store directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._users = 0
        self._start()

    # --- one environment per process -----------------------------------------------------

    @classmethod
    def open(cls, directory: Path) -> LmdbKV:
        """The environment of an existing store directory, shared within this process.

        Every `open` needs its `close`; the last one closes the environment.

        Raises:
            CorruptionError: The data file is no LMDB environment of engine 0.9.
            OSError: The directory or its files cannot be read.
        """
        status = (directory / DATA_FILE).stat()
        key = (status.st_dev, status.st_ino)
        with _registry_lock:
            kv = _registry.get(key)
            if kv is None:
                kv = _registry[key] = cls(directory)
            kv._users += 1
            return kv

    def close(self) -> None:
        """See KV. The environment itself is closed with its last user."""
        with _registry_lock:
            if self._users == 0:
                return
            self._users -= 1
            if self._users:
                return
            for key in [key for key, kv in _registry.items() if kv is self]:
                del _registry[key]
            self._stop()

    def _start(self) -> None:
        self._gate = WriteGate(self.directory / GATE_FILE)
        self._env: lmdb.Environment | None = _open_environment(self.directory)
        self._presence = Presence(self.directory)
        with _translated(self.directory):
            _clear_dead_readers(self._env)

    def _stop(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None
            self._presence.close()
            self._gate.close()

    def _leave_behind(self) -> None:
        if traffic.cut_off:
            _inherited.append(self._env)  # never closed, never used
            self._env = None
        else:
            self._stop()

    def _live(self) -> lmdb.Environment:
        env = self._env
        return env if env is not None else self._restart()

    def _restart(self) -> lmdb.Environment:
        """In a forked child that uses the store for the first time: open it again."""
        with _registry_lock:
            if self._env is None:
                if self._users == 0:
                    raise StoreClosedError(str(self.directory))
                if traffic.cut_off:
                    raise StateError(
                        f"store {self.directory}: this process was forked inside a transaction",
                        hint="fork when no thread uses the store, or start a new process",
                    )
                self._start()
            assert self._env is not None
            return self._env

    # --- transactions --------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[LmdbTxn]:
        """See KV."""
        env = self._live()
        with traffic.transaction(), _translated(self.directory), LmdbTxn(env.begin()) as txn:
            yield txn

    @contextmanager
    def write(self) -> Iterator[LmdbTxn]:
        """See KV."""
        env = self._live()
        with (
            self._gate.held(),
            traffic.transaction(),
            _translated(self.directory),
            LmdbTxn(env.begin(write=True)) as txn,
        ):
            yield txn

    def size_bytes(self) -> int:
        """Bytes of the data file."""
        return (self.directory / DATA_FILE).stat().st_size


def create_environment(directory: Path) -> None:
    """Make the data file in an empty directory, durably.

    The first commit syncs what LMDB itself does not: its two initial meta pages.
    """
    env = _open_environment(directory)
    try:
        with env.begin(write=True) as txn:
            LmdbTxn(txn).put(Table.META, b"created", b"")
        env.sync(True)  # noqa: FBT003 - the binding's own signature
    finally:
        env.close()


def _clear_dead_readers(env: lmdb.Environment) -> None:
    """Give back the slots of readers that were killed, so that the pages they saw can be reused.

    LMDB's own check also takes a process for dead that lost its locks by a plain copy of the store.
    """
    first_words = (line.split(maxsplit=1)[0] for line in env.readers().splitlines())
    if not all(is_running(int(word)) for word in first_words if word.isdecimal()):
        env.reader_check()


def _open_environment(directory: Path) -> lmdb.Environment:
    size = MAP_SIZE
    while True:
        try:
            with _translated(directory):
                return lmdb.open(
                    str(directory),
                    map_size=size,
                    max_readers=_READERS_MAX,
                    mode=0o600,
                    lib_version=_ENGINE_0_9,
                    # A spare reader would be the parent's slot, which a forked child gives back.
                    max_spare_txns=0,
                )
        except (MemoryError, StoreFullError):
            # A limited address space (ulimit -v) takes a smaller map; the file does not care.
            size //= 4
            if size < _MAP_SIZE_MIN:
                raise


@contextmanager
def _translated(directory: Path) -> Iterator[None]:
    """LMDB's errors as ours; ours and the caller's pass through."""
    try:
        yield
    except lmdb.MapFullError as error:
        raise StoreFullError(str(directory), "its LMDB map is used up") from error
    except lmdb.DiskError as error:
        raise StoreFullError(str(directory), "the disk has no room left") from error
    except lmdb.MemoryError as error:
        raise MemoryError(str(error)) from error
    except (
        lmdb.CorruptedError,
        lmdb.InvalidError,
        lmdb.PageNotFoundError,
        lmdb.PanicError,
    ) as error:
        why = f"store {directory}: the data file is damaged: {error}"
        raise CorruptionError(why, hint="restore it from a backup; do not write to it") from error
    except lmdb.Error as error:
        raise _system_error(directory, error) from error


def _system_error(directory: Path, error: lmdb.Error) -> Exception:
    text = str(error)
    # A write that the disk had room for half of is an I/O error to LMDB.
    half_written = os.strerror(errno.EIO) in text and _room(directory) < _ROOM_MIN
    if half_written or any(os.strerror(code) in text for code in _NO_ROOM):
        return StoreFullError(str(directory), "the disk has no room left")
    if os.strerror(errno.ENOMEM) in text:
        return MemoryError(text)
    if _CLOSED in text:  # by another thread, in the middle of this
        return StoreClosedError(str(directory))
    return PfsError(f"store {directory}: LMDB says: {text}")


def _room(directory: Path) -> int:
    """Bytes by which the data file may grow."""
    disk = os.statvfs(directory)
    room = disk.f_bavail * disk.f_frsize
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return room
    return min(room, limit - (directory / DATA_FILE).stat().st_size)


def _forget_after_fork() -> None:
    """In a forked child: close inherited environments, which are unusable, and reopen on demand.

    The child's `close` gives back only its own copies: no transaction is open, so no reader's slot
    is touched. Should one be open, closing would do harm to the parent; see `pfslib.kv.fork`.
    """
    global _registry_lock  # noqa: PLW0603 - a lock held by a thread that the child does not have
    _registry_lock = threading.Lock()
    for kv in _registry.values():
        kv._leave_behind()  # noqa: SLF001 - module-private life cycle


os.register_at_fork(after_in_child=_forget_after_fork)
