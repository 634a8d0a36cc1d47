"""What a process has open of a store: the environment, its guard, and the lock of its readers."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from pfslib.kv.data_length import DataLength
from pfslib.kv.guard import Guard
from pfslib.kv.inherited import keep_for_ever
from pfslib.kv.lmdb_env import (
    HARMLESS,
    LMDB_ERROR,
    OPEN_AGAIN,
    SLOT_LOST,
    SLOTS_TAKEN,
    TREE_DAMAGED,
    Environment,
    Transaction,
    errno_of,
    open_environment,
    translated,
    translation,
)
from pfslib.kv.readers_file import ReadersFile
from pfslib.kv.room import NO_ROOM, room_needed
from pfslib.kv.store_files import access_needed

CHANGES: Final = b"\0changes"
"""The key, before those of all tables, under which all changes are counted for the anchor."""


def changes_of(txn: Transaction) -> int:
    """How many changes the store has seen, as of a transaction."""
    return int.from_bytes(txn.get(CHANGES) or b"", "big")


class OpenedStore:
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
        with (
            ExitStack() as undo,
            access_needed(directory),
            room_needed(directory),
            translated(self.error),
        ):
            self.guard = Guard(directory, accept_loss=accept_loss)
            undo.callback(self.guard.close)
            self._length = DataLength(directory)
            undo.callback(self._length.close)
            while not self._open_environment(rescue=accept_loss):
                self.env.close()
            undo.callback(self.env.close)
            self._readers = ReadersFile(directory)
            undo.callback(self._readers.close)
            self.guard.let_others_in()
            self.env.reader_check()
            undo.pop_all()

    def _open_environment(self, *, rescue: bool) -> bool:
        """Open LMDB's part; whether that is what is to be used."""
        self.env = open_environment(self.directory)
        try:
            info = self.env.info()
            self.guard.check_length(
                pages=info["last_pgno"] + 1,
                page_size=self.env.stat()["psize"],
                map_size=info["map_size"],
            )
            # This first transaction also makes LMDB lock what `ReadersFile` locks once more.
            with self.env.begin() as txn:
                self._length.begun(self.env, txn)
                return self._check_state(txn, rescue=rescue)
        except BaseException:
            self.env.close()
            raise

    def _check_state(self, txn: Transaction, *, rescue: bool) -> bool:
        try:
            changes = changes_of(txn)
        except TREE_DAMAGED:
            if not rescue:
                raise
            return True  # what else there is may be readable; writing will not get past this
        return self.guard.check_state(changes, txn.id())

    def close(self) -> None:
        """Give everything back; waits for a write transaction of another thread."""
        self.is_open = False
        if self._readers.is_cut():
            keep_for_ever(self.env)  # which would look into it
        else:
            self.env.close()
        self._readers.close()
        self._length.close()
        self.guard.close()

    def is_alone(self) -> bool:
        """Whether no other process has the store open at this moment."""
        return self.guard.is_alone()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's, without touching it."""
        self.is_parents = True
        keep_for_ever(self.env)
        self._readers.abandon()
        self._length.abandon()
        self.guard.abandon()

    def begin(self, *, write: bool = False) -> Transaction:
        """Begin a transaction, of files that are as long as LMDB takes them to be.

        Raises:
            CorruptionError: They are not, and nothing can be read.
        """
        self._length.before()
        self._readers.check_length()
        txn = self._begin(write=write)
        try:
            self._length.begun(self.env, txn)
        except BaseException:
            self.abort(txn)
            raise
        return txn

    def _begin(self, *, write: bool) -> Transaction:
        """Begin a transaction, also after what LMDB wants its caller to see to."""
        env = self.env
        try:
            return env.begin(write=write)
        except SLOT_LOST:
            pass  # another process took this one for dead: take a new slot
        except SLOTS_TAKEN:
            env.reader_check()
        except OPEN_AGAIN:
            # A meta page could not be written; or another process has a larger map, and used it.
            self._renew(env)
        return self.env.begin(write=write)

    def abort(self, txn: Transaction) -> None:
        """End a transaction, unless that is the parent's to do, or `close` did it."""
        if not self.is_parents:
            with suppress(LMDB_ERROR):
                txn.abort()

    def _renew(self, failed: Environment) -> None:
        with self._renewing:
            if self.env is failed:
                failed.close()
                self._readers.close()
                self.env = open_environment(self.directory)
                with self.env.begin():
                    self._readers = ReadersFile(self.directory)

    def error(self, error: Exception) -> Exception:
        """What to raise for an error of the binding."""
        return translation(self.directory, error)

    def write_error(self, error: Exception) -> Exception:
        """What to raise for an error while writing; shuts the gate for everybody if the disk fails.

        The kernel then holds pages that it takes for written and that are not: what is written on
        top of them may vanish, although every later sync succeeds.
        """
        number = errno_of(self.directory, error)
        if number is not None and number not in NO_ROOM | HARMLESS:
            self.guard.gate.shut(f"an I/O error: {error} (process {os.getpid()})")
        return self.error(error)
