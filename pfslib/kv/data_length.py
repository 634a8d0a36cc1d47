"""Sees to it that the data file is as long as LMDB takes it to be.

LMDB reads it through a map: whoever touches what is behind the end of a file is ended by a signal.
A file that somebody has cut short is made as long as it has to be. What is missing is zeros then,
which are no page of LMDB's and fail every digest, and the rest can be read.

A file may also be shorter than its last page in good order: LMDB never writes the pages at its end
that a transaction took and gave back. So only one that has become shorter is said to be cut.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Final

from pfslib.kv.layout import DATA_FILE
from pfslib.kv.lmdb_env import Environment, Transaction
from pfslib.kv.store_files import is_as_long_as
from pfslib.model.errors import CorruptionError

_log = logging.getLogger("pfslib")

_META_PAGES: Final = 2


class DataLength:
    """The length of one store's data file, looked at around the beginning of each transaction.

    Others may close it meanwhile: then nothing is said, since LMDB is about to say so.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fd = os.open(directory / DATA_FILE, os.O_RDWR | os.O_CLOEXEC)
        self._changing = RLock()  # a handler of signals may close what it interrupts
        self._known = 0
        self._least = 0
        self._last: int | None = None
        """The transaction, by LMDB's number of its state, that was looked at last."""

    def close(self) -> None:
        """Look no more."""
        with self._changing:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def abandon(self) -> None:
        """The same in a forked child, where a thread that is not there may hold the lock."""
        os.close(self._fd)

    def before(self) -> None:
        """Before a transaction: see that the file has not become shorter. Cost: half a µs.

        Raises:
            CorruptionError: It has, and cannot be made longer, or nothing is left of it.
        """
        if not is_as_long_as(self._fd, self._known):
            with self._changing:
                if self._fd >= 0:
                    self._mend()

    def _mend(self) -> None:
        size = os.fstat(self._fd).st_size
        if size >= self._known:  # another thread was quicker
            return
        what = f"store {self._directory}: its data file {DATA_FILE} was cut short"
        hint = "restore it from a backup"
        if size < self._least:
            message = f"{what}, to {size} bytes, which hold nothing"
            raise CorruptionError(message, hint=hint)
        try:
            self._lengthen(self._known)
        except OSError as error:
            message = f"{what}, and cannot be lengthened: {error}"
            raise CorruptionError(message, hint=hint) from None
        _log.error("%s by %d bytes; what is missing is damaged", what, self._known - size)

    def begun(self, env: Environment, txn: Transaction) -> None:
        """After the beginning, before anything is read: see that its state fits into the file.

        Others may have made the file longer since, and somebody then shorter.
        """
        if txn.id() == self._last:
            return
        with self._changing, suppress(OSError):  # closed; or no room: mostly that is in good order
            page_size = env.stat()["psize"]
            self._least = _META_PAGES * page_size
            self._known = max(self._known, os.fstat(self._fd).st_size)
            needed = (env.info()["last_pgno"] + 1) * page_size
            if needed > self._known:
                self._lengthen(needed)
                self._known = needed
            self._last = txn.id()

    def _lengthen(self, size: int) -> None:
        """Never shortens it, as `truncate` would what a writer has added at this very moment."""
        os.posix_fallocate(self._fd, size - 1, 1)
