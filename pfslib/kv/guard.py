"""What stands around the LMDB environment: presence, gate and anchor, as one thing.

LMDB trusts its file and its locks. Here is decided what it may be let near: at opening, before a
change and after it.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from pfslib.kv.anchor import Anchor, behind, create_anchor
from pfslib.kv.compaction import clear_left_overs
from pfslib.kv.gate import WriteGate, create_gate
from pfslib.kv.holds import create_sweep_lock
from pfslib.kv.layout import DATA_FILE
from pfslib.kv.meta_pages import find_repairs, put_down_other, write_pages
from pfslib.kv.presence import Presence, create_presence
from pfslib.kv.readers_file import prepare_readers_file
from pfslib.model.errors import CorruptionError, StoreNotFoundError

_log = logging.getLogger("pfslib")


class Guard:
    """The files beside the data file, as one process has them open.

    Opening goes: make this; open the environment; `check_length`, before its first transaction;
    `check_state`, in that; `let_others_in`.

    Attributes:
        gate: To be held while writing.
    """

    def __init__(self, directory: Path, *, accept_loss: bool = False) -> None:
        """Enter the store, and refuse a data file that LMDB would take for something else.

        Raises:
            BusyError: The store is open in another PID namespace.
            CorruptionError: The data file is damaged.
            OSError: A file cannot be opened, or has no room.
        """
        self._directory = directory
        self._accept_loss = accept_loss
        self._page_size = 0
        with ExitStack() as undo:
            self._presence = Presence(directory)
            undo.callback(self._presence.leave)
            self.gate = WriteGate(directory)
            undo.callback(self.gate.close)
            self._anchor = Anchor(directory)
            undo.callback(self._anchor.close)
            self._anchored = self._anchor.read()  # before the store: see `anchor`
            if self._presence.alone:
                clear_left_overs(directory)
                prepare_readers_file(directory)
                self._check_data_file()
            undo.pop_all()

    def close(self) -> None:
        """Give everything back, after the environment was closed."""
        self.gate.close()
        self._anchor.close()
        self._presence.leave()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's."""
        self.gate.abandon()
        self._anchor.close()
        self._presence.abandon()

    def is_alone(self) -> bool:
        """Whether no other process has the store open at this moment."""
        return self._presence.is_alone()

    # --- opening -------------------------------------------------------------------------

    def _check_data_file(self) -> None:
        if (self._directory / DATA_FILE).stat().st_size == 0:
            # LMDB would make a new, empty environment of it.
            raise CorruptionError(
                f"store {self._directory}: its data file {DATA_FILE} is empty",
                hint="restore it from a backup",
            )
        if self._anchored is None:
            return
        repairs = find_repairs(self._anchor.data_fd, self._anchored)
        if not repairs:
            return
        if not self._accept_loss:
            raise CorruptionError(
                f"store {self._directory}: a meta page of {DATA_FILE} is damaged",
                hint="`pfs recover`, which is pfslib.recover, puts it back, as "
                "pfslib.open(path, accept_loss=True) does; check the disk",
            )
        _log.warning("store %s: put back a copy of its damaged meta page", self._directory)
        write_pages(self._anchor.data_fd, repairs)

    def check_length(self, *, pages: int, page_size: int, map_size: int) -> None:
        """Make the data file as long as its pages ask for.

        A file cut short, which is legal after a crash, ends a reader with SIGBUS. What is missing
        is zeros from now on, and fails its digest.

        Raises:
            CorruptionError: It would not fit into the map.
        """
        self._page_size = page_size
        if not self._presence.alone:
            return
        if pages * page_size > map_size:
            raise CorruptionError(f"store {self._directory}: a meta page of {DATA_FILE} is damaged")
        if pages * page_size > (self._directory / DATA_FILE).stat().st_size:
            os.truncate(self._directory / DATA_FILE, pages * page_size)

    def check_state(self, changes: int, txnid: int) -> bool:
        """Refuse a store that has lost changes, or accept that; bring the anchor up to date.

        Returns:
            False if nothing is lost, but the store has to be opened again to see it.

        Raises:
            CorruptionError: Changes are missing.
        """
        loss = behind(self._directory, changes, self._anchored)
        if loss is not None:
            if not (self._accept_loss and self._presence.alone):
                raise loss
            if self._anchored and put_down_other(self._anchor.data_fd, self._anchored):
                return False
            if self._anchored is not None:
                _log.warning("accepted: %s", loss)
        known = self._anchored and (self._anchored.changes, self._anchored.txnid)
        if self._presence.alone and known != (changes, txnid):
            if self._anchor.has_damaged_slot():
                _log.warning("store %s: its anchor is damaged; written anew", self._directory)
            self._anchor.reset(changes, txnid, self._page_size)
        return True

    def let_others_in(self) -> None:
        """The store is open."""
        self._presence.share()

    # --- writing -------------------------------------------------------------------------

    def check_current(self, changes: int) -> None:
        """Refuse to write on top of a state that is not the last one.

        That is what a process sees whose LMDB lock file was taken away from under it.

        Raises:
            StoreNotFoundError: The data file was deleted, so that nothing written would be kept.
            CorruptionError: It is not, or an I/O error has shut the gate.
        """
        if os.fstat(self._anchor.data_fd).st_nlink == 0:
            raise StoreNotFoundError(
                str(self._directory),
                "was deleted while it was open, and takes no writes any more",
                hint="what was read can still be read: export what is needed before closing it",
            )
        self.gate.check_open()
        anchored = self._anchor.read()
        stale = behind(self._directory, changes, anchored) if anchored is not None else None
        if stale is not None:
            raise stale

    def note(self, changes: int, txnid: int) -> None:
        """Write a commit down in the anchor, now that it is durable."""
        try:
            self._anchor.write(changes, txnid, self._page_size)
        except OSError as error:
            # The commit is made, and an anchor that is behind only promises less.
            _log.warning("store %s: its anchor cannot be written: %s", self._directory, error)


def create_guard(directory: Path) -> None:
    """Make the files beside a data file, with all the room they will need."""
    create_gate(directory)
    create_presence(directory)
    create_anchor(directory)
    create_sweep_lock(directory)
