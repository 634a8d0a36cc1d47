"""The LMDB backend: one environment a process, shared by all who open the store in it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from pfslib.kv.compaction import compact_with
from pfslib.kv.guard import create_guard
from pfslib.kv.holds import FileHold, FileSweep, sweeping
from pfslib.kv.layout import DATA_FILE, PRESENCE_FILE
from pfslib.kv.lmdb_env import copy_environment, open_environment, translated, translation
from pfslib.kv.lmdb_txn import LmdbReadTxn, LmdbWriteTxn
from pfslib.kv.opened_store import CHANGES, OpenedStore, changes_of
from pfslib.kv.presence import alone
from pfslib.kv.protocol import Room
from pfslib.kv.readers_file import prepare_readers_file
from pfslib.kv.room import room_needed
from pfslib.kv.store_files import access_needed
from pfslib.kv.tables import Table, number_key
from pfslib.model.errors import BusyError, StoreClosedError

_IDLE_WAIT_S: Final = 5.0
_IDLE_PAUSE_S: Final = 0.0005

_registry: dict[tuple[int, int], LmdbKV] = {}
_registry_lock = threading.Lock()
_abandoned: deque[LmdbKV] = deque()


class LmdbKV:
    """The one environment that this process has open on a store directory."""

    def __init__(self, directory: Path, *, accept_loss: bool = False) -> None:
        self.directory = directory
        self._users = 0
        self._opened: OpenedStore | None = OpenedStore(directory, accept_loss=accept_loss)

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
            StoreAccessError: It, or a file of it, is somebody else's.
            OSError: The directory or its files cannot be read.
        """
        with _registry_lock:
            with access_needed(directory):
                key = identity(directory)
            kv = _registry.get(key)
            if kv is None:
                kv = _registry[key] = cls(directory, accept_loss=accept_loss)
            kv._users += 1
        _close_abandoned()
        return kv

    def close(self) -> None:
        """See KV. The environment itself is closed with its last user."""
        with _registry_lock:
            self._close_one()
        _close_abandoned()

    def abandon(self) -> None:
        """Close, from a finalizer: at once if nothing is in the way, else with the next one.

        A finalizer may interrupt its own thread inside this module, so it must not wait.
        """
        _abandoned.append(self)
        _close_abandoned()

    def _close_one(self) -> None:
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

    def _live(self) -> OpenedStore:
        opened = self._opened
        if opened is None:
            with _registry_lock:
                if self._opened is None and self._users:
                    # A forked child uses the store for the first time.
                    self._opened = OpenedStore(self.directory)
                opened = self._opened
        if opened is None:
            raise StoreClosedError(str(self.directory))
        return opened

    @contextmanager
    def _using(self) -> Iterator[OpenedStore]:
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
        with self._using() as opened, translated(opened.error):
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
            translated(opened.write_error),
        ):
            txn = opened.begin(write=True)
            change = LmdbWriteTxn(txn, opened.write_error)
            try:
                guard.check_current(changes := changes_of(txn))
                yield change
                if change.changed:
                    txn.put(CHANGES, number_key(changes + 1))
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

    def changes(self) -> int:
        """See KV."""
        # Not `Environment.info`, which is ahead of what readers see while a change is being synced.
        with self._using() as opened, translated(opened.error):
            txn = opened.begin()
            try:
                return changes_of(txn)
            finally:
                opened.abort(txn)

    def room(self) -> Room:
        """See KV."""
        with self._using() as opened, translated(opened.error):
            found = opened.env.stat()
        pages = found["branch_pages"] + found["leaf_pages"] + found["overflow_pages"]
        return Room((self.directory / DATA_FILE).stat().st_size, pages * found["psize"])

    def copy_to(self, directory: Path) -> None:
        """Write the state of this moment, without free pages, into an empty directory, durably.

        Others may read and write meanwhile. Cost: the time to read and write all of it.

        Raises:
            StoreFullError: No room there.
        """
        copy_environment(self._live().env, directory)
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
    def _closed(self) -> Iterator[OpenedStore]:
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
            self._opened = opened if opened.is_open else OpenedStore(self.directory)
            for key in [key for key, kv in _registry.items() if kv is self]:
                del _registry[key]
            _registry[identity(self.directory)] = self

    # --- what is kept from gc ------------------------------------------------------------

    def hold(self) -> FileHold:
        """See KV."""
        self._live()
        return FileHold(self.directory)

    def sweeping(self) -> AbstractContextManager[FileSweep]:
        """See KV."""
        return sweeping(self.directory)


def _close_abandoned() -> None:
    while _abandoned and _registry_lock.acquire(blocking=False):
        try:
            if _abandoned:  # another thread may have been faster
                _abandoned.popleft()._close_one()  # noqa: SLF001 - module-private life cycle
        finally:
            _registry_lock.release()


def open_directories() -> list[Path]:
    """The stores that this process has open, and that are still where they were opened."""
    return [kv.directory for key, kv in list(_registry.items()) if _is_at(kv.directory, key)]


def _is_at(directory: Path, key: tuple[int, int]) -> bool:
    try:
        return identity(directory) == key
    except OSError:
        return False


def identity(directory: Path) -> tuple[int, int]:
    """What tells one store from another, whatever their paths."""
    status = (directory / DATA_FILE).stat()
    return status.st_dev, status.st_ino


def _copy(directory: Path, target: Path) -> None:
    """Write the data file of a store that nobody has open, without free pages, into a directory."""
    env = open_environment(directory)
    try:
        copy_environment(env, target)
    finally:
        env.close()


def create_environment(directory: Path) -> None:
    """Make the data file, and all that stands around it, in an empty directory, durably.

    Raises:
        StoreFullError, OSError: No room for it.
    """
    prepare_readers_file(directory)
    env = open_environment(directory)
    try:
        with translated(partial(translation, directory)):
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
    OpenedStore(directory, accept_loss=True).close()


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
