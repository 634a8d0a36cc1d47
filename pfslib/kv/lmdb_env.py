"""The LMDB backend; the only module that imports lmdb.

LMDB's cautions have their one owner here: one environment a process, no use after a fork, engine
pinned, a large sparse map, stale readers cleared, errors translated. What it does not do at all is
next door, in `guard` and `readers_file`.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import lmdb

from pfslib.kv.compaction import compact_with
from pfslib.kv.guard import Guard, create_guard
from pfslib.kv.holds import FileHold, FileSweep, sweeping
from pfslib.kv.inherited import keep_for_ever, opening_again
from pfslib.kv.layout import DATA_FILE, PRESENCE_FILE
from pfslib.kv.lmdb_txn import LmdbReadTxn, LmdbWriteTxn, Translate
from pfslib.kv.presence import alone
from pfslib.kv.protocol import Room
from pfslib.kv.readers_file import READERS_MAX, ReadersFile
from pfslib.kv.room import NO_ROOM, disk_fails, no_room, room_left, room_needed
from pfslib.kv.syncing import sync_file
from pfslib.kv.tables import Table, number_key
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
_CHANGES: Final = b"\0changes"
"""The key, before those of all tables, under which all changes are counted for the anchor."""

_ERRNO: Final = {os.strerror(number): number for number in errno.errorcode}

_IDLE_WAIT_S: Final = 5.0
_IDLE_PAUSE_S: Final = 0.0005

_registry: dict[tuple[int, int], LmdbKV] = {}
_registry_lock = threading.Lock()


class LmdbKV:
    """The one environment that this process has open on a store directory."""

    def __init__(self, directory: Path, *, accept_loss: bool = False) -> None:
        self.directory = directory
        self._users = 0
        self._opened: _Opened | None = _Opened(directory, accept_loss=accept_loss)

    # --- one environment per process -----------------------------------------------------

    @classmethod
    def open(cls, directory: Path, *, accept_loss: bool = False) -> LmdbKV:
        """The environment of an existing store directory, shared within this process.

        Every `open` needs its `close`; the last one closes the environment.

        Args:
            directory: The store.
            accept_loss: Go on with what is there when it is less than there should be.

        Raises:
            CorruptionError: The data file is no LMDB environment of engine 0.9, is damaged, or has
                lost changes.
            BusyError: It is open in another PID namespace.
            StoreFullError: No room for LMDB's table of readers.
            OSError: The directory or its files cannot be read.
        """
        with _registry_lock:
            key = _identity(directory)
            kv = _registry.get(key)
            if kv is None:
                kv = _registry[key] = cls(directory, accept_loss=accept_loss)
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
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()

    def _live(self) -> _Opened:
        opened = self._opened
        if opened is None:
            with _registry_lock:
                if self._opened is None and self._users:
                    # A forked child uses the store for the first time.
                    self._opened = _Opened(self.directory)
                opened = self._opened
        if opened is None:
            raise StoreClosedError(str(self.directory))
        return opened

    @contextmanager
    def _using(self) -> Iterator[_Opened]:
        """What is open, which stays so for the block."""
        use = object()
        while True:
            opened = self._live()
            # In this order, so that either `_replaced` sees the use, or is seen here.
            opened.uses.add(use)
            if opened is self._opened or opened.is_parents:
                break
            opened.uses.discard(use)
        try:
            yield opened
        finally:
            opened.uses.discard(use)

    # --- transactions --------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[LmdbReadTxn]:
        """See KV."""
        with self._using() as opened, _translated(opened.error):
            txn = opened.begin()
            try:
                yield LmdbReadTxn(txn, opened.error)
            finally:
                opened.abort(txn)

    @contextmanager
    def write(self) -> Iterator[LmdbWriteTxn]:
        """See KV."""
        with (
            self._using() as opened,
            (guard := opened.guard).gate.held(),
            _translated(opened.write_error),
        ):
            txn = opened.begin(write=True)
            change = LmdbWriteTxn(txn, opened.write_error)
            try:
                guard.check_current(changes := _changes(txn))
                yield change
                if change.changed:
                    txn.put(_CHANGES, number_key(changes + 1))
            except BaseException:
                opened.abort(txn)
                raise
            if opened.is_parents:
                raise StoreClosedError(str(self.directory))
            txnid = txn.id()
            txn.commit()
            if change.changed:
                guard.note(changes + 1, txnid)

    # --- the file ------------------------------------------------------------------------

    def room(self) -> Room:
        """See KV."""
        with self._using() as opened, _translated(opened.error):
            found = opened.env.stat()
        pages = found["branch_pages"] + found["leaf_pages"] + found["overflow_pages"]
        return Room((self.directory / DATA_FILE).stat().st_size, pages * found["psize"])

    def copy_to(self, directory: Path) -> None:
        """Write the state of this moment, without free pages, into an empty directory, durably.

        Others may read and write meanwhile. Cost: the time to read and write all of it.

        Raises:
            StoreFullError: No room there.
        """
        opened = self._live()
        with _translated(partial(_translation, directory)):
            opened.env.copy(str(directory), compact=True)
        data = directory / DATA_FILE
        data.chmod(0o600)
        sync_file(data)
        _anchor_environment(directory)

    def compact(self) -> None:
        """See KV. The other threads of this process wait until it is done."""
        with _registry_lock, self._closed() as opened:
            if not opened.is_alone():
                raise BusyError(
                    f"store {self.directory} is open in other processes; mounts are such, too",
                    hint=f"`fuser {self.directory / PRESENCE_FILE}` names them",
                )
            opened.close()
            with alone(self.directory), room_needed(self.directory):
                compact_with(partial(_copy, self.directory), self.directory)

    @contextmanager
    def _closed(self) -> Iterator[_Opened]:
        """Let nobody of this process use what is open, and open it again afterwards."""
        opened = self._opened
        if opened is None:
            raise StoreClosedError(str(self.directory))
        self._opened = None
        deadline = time.monotonic() + _IDLE_WAIT_S
        try:
            while opened.uses:
                if time.monotonic() > deadline:
                    raise BusyError(
                        f"store {self.directory} is in use by other threads of this process",
                        hint="try again when they are idle",
                    )
                time.sleep(_IDLE_PAUSE_S)
            yield opened
        finally:
            self._opened = opened if opened.is_open else _Opened(self.directory)
            for key in [key for key, kv in _registry.items() if kv is self]:
                del _registry[key]
            _registry[_identity(self.directory)] = self

    # --- what is kept from gc ------------------------------------------------------------

    def hold(self) -> FileHold:
        """See KV."""
        self._live()
        return FileHold(self.directory)

    def sweeping(self) -> AbstractContextManager[FileSweep]:
        """See KV."""
        return sweeping(self.directory)


def _identity(directory: Path) -> tuple[int, int]:
    """What tells one store from another, whatever their paths."""
    status = (directory / DATA_FILE).stat()
    return status.st_dev, status.st_ino


def _copy(directory: Path, target: Path) -> None:
    """Write the data file of a store that nobody has open, without free pages, into a directory."""
    env = _open_environment(directory)
    try:
        with _translated(partial(_translation, directory)):
            env.copy(str(target), compact=True)
    finally:
        env.close()


def _changes(txn: lmdb.Transaction) -> int:
    return int.from_bytes(txn.get(_CHANGES) or b"", "big")


class _Opened:
    """All that this process has open of a store.

    Attributes:
        is_parents: Whether this is a forked child's copy of what its parent has open.
        is_open: Whether it has not been closed.
        uses: Transactions under way.
    """

    def __init__(self, directory: Path, *, accept_loss: bool = False) -> None:
        self.directory = directory
        self.is_parents = False
        self.is_open = True
        self.uses: set[object] = set()
        self._renewing = threading.Lock()
        with ExitStack() as undo, room_needed(directory), _translated(self.error):
            self.guard = Guard(directory, accept_loss=accept_loss)
            undo.callback(self.guard.close)
            self.env = _open_environment(directory)
            undo.callback(self.env.close)
            info = self.env.info()
            self.guard.check_length(
                pages=info["last_pgno"] + 1,
                page_size=self.env.stat()["psize"],
                map_size=info["map_size"],
            )
            # This first transaction also makes LMDB lock what `ReadersFile` locks once more.
            with self.env.begin() as txn:
                self._check_state(txn, rescue=accept_loss)
            self._readers = ReadersFile(directory)
            undo.callback(self._readers.close)
            self.guard.let_others_in()
            self.env.reader_check()
            undo.pop_all()

    def _check_state(self, txn: lmdb.Transaction, *, rescue: bool) -> None:
        try:
            changes = _changes(txn)
        except (lmdb.CorruptedError, lmdb.PageNotFoundError):
            if not rescue:
                raise
            return  # what else there is may be readable; writing will not get past this
        self.guard.check_state(changes, txn.id())

    def close(self) -> None:
        """Give everything back; waits for a write transaction of another thread."""
        self.is_open = False
        self.env.close()
        self._readers.close()
        self.guard.close()

    def is_alone(self) -> bool:
        """Whether no other process has the store open at this moment."""
        return self.guard.is_alone()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's, without touching it."""
        self.is_parents = True
        keep_for_ever(self.env)
        self._readers.abandon()
        self.guard.abandon()

    def begin(self, *, write: bool = False) -> lmdb.Transaction:
        """Begin a transaction, also after what LMDB wants its caller to see to."""
        env = self.env
        try:
            return env.begin(write=write)
        except lmdb.BadRslotError:
            pass  # another process took this one for dead: take a new slot
        except lmdb.ReadersFullError:
            env.reader_check()
        except (lmdb.PanicError, lmdb.MapResizedError):
            # A meta page could not be written; or another process has a larger map, and used it.
            self._renew(env)
        return self.env.begin(write=write)

    def abort(self, txn: lmdb.Transaction) -> None:
        """End a transaction, unless that is the parent's to do, or `close` did it."""
        if not self.is_parents:
            with suppress(lmdb.Error):
                txn.abort()

    def _renew(self, failed: lmdb.Environment) -> None:
        with self._renewing:
            if self.env is failed:
                failed.close()
                self._readers.close()
                self.env = _open_environment(self.directory)
                with self.env.begin():
                    self._readers = ReadersFile(self.directory)

    def error(self, error: Exception) -> Exception:
        """What to raise for an error of the binding."""
        return _translation(self.directory, error)

    def write_error(self, error: Exception) -> Exception:
        """What to raise for an error while writing; shuts the gate for everybody if the disk fails.

        The kernel then holds pages that it takes for written and that are not: what is written on
        top of them may vanish, although every later sync succeeds.
        """
        number = _errno(self.directory, error)
        if number is not None and number not in NO_ROOM | _HARMLESS:
            self.guard.gate.shut(f"an I/O error: {error} (process {os.getpid()})")
        return self.error(error)


def create_environment(directory: Path) -> None:
    """Make the data file, and all that stands around it, in an empty directory, durably."""
    env = _open_environment(directory)
    try:
        with _translated(partial(_translation, directory)):
            # The first commit syncs what LMDB itself does not: its two initial meta pages.
            with env.begin(write=True) as txn:
                LmdbWriteTxn(txn, lambda error: error).put(Table.META, b"created", b"")
            env.sync(True)  # noqa: FBT003 - the binding's own signature
    finally:
        env.close()
    _anchor_environment(directory)


def _anchor_environment(directory: Path) -> None:
    """Take a data file that was just made for what it is, and put its guard around it."""
    create_guard(directory)
    _Opened(directory, accept_loss=True).close()


def _open_environment(directory: Path) -> lmdb.Environment:
    size = MAP_SIZE
    while True:
        try:
            with _translated(partial(_translation, directory)), opening_again():
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


# --- errors ----------------------------------------------------------------------------------

_HARMLESS: Final = frozenset({errno.ENOMEM, errno.EAGAIN, errno.EINVAL, errno.EINTR, errno.EACCES})
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
def _translated(translate: Translate) -> Iterator[None]:
    try:
        yield
    except lmdb.Error as error:
        raise translate(error) from error


def _translation(directory: Path, error: Exception) -> Exception:
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
        return CorruptionError(why, hint="restore it from a backup; do not write to it")
    if _ENDED in str(error):  # by another thread, in the middle of this
        return StoreClosedError(str(directory))
    return _system_error(directory, error)


def _system_error(directory: Path, error: lmdb.Error) -> Exception:
    number = _errno(directory, error)
    if number in NO_ROOM:
        return no_room(directory, number)
    if number == errno.ENOMEM:
        return MemoryError(str(error))
    if number == errno.EIO:
        return disk_fails(directory, error)
    return PfsError(f"store {directory}: LMDB says: {error}")


def _errno(directory: Path, error: Exception) -> int | None:
    """The system's number of an error of the binding; None when it is LMDB's own."""
    if not isinstance(error, lmdb.Error):
        return None
    number = _ERRNO.get(str(error).rpartition(": ")[2])
    # A write that the disk had room for half of is an I/O error to LMDB.
    if number == errno.EIO and room_left(directory / DATA_FILE) < _ROOM_MIN:
        return errno.ENOSPC
    return number


# --- fork ------------------------------------------------------------------------------------


def _let_go_after_fork() -> None:
    """In a forked child: let go of what was inherited, and open it again on demand."""
    global _registry_lock  # noqa: PLW0603 - a thread that the child does not have may hold it
    _registry_lock = threading.Lock()
    for kv in _registry.values():
        opened, kv._opened = kv._opened, None  # noqa: SLF001 - module-private life cycle
        if opened is not None:
            opened.abandon()


os.register_at_fork(after_in_child=_let_go_after_fork)
