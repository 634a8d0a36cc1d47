"""Reading on where a page of the store's file is broken, which ends a cursor and a transaction.

LMDB gives such a transaction up, so another one is begun: from then on, the state is a later one.
What follows the broken page in a table is found by trying keys further on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from pfslib.kv.protocol import KV, Pair, ReadTxn
from pfslib.kv.tables import Table
from pfslib.model.errors import CorruptionError

_NUMBER_SIZE: Final = 8
_END: Final = 1 << 8 * _NUMBER_SIZE
"""Keys are looked for by their first eight bytes, as a number."""


class DamagedReading:
    """A read transaction whose cursors go past what cannot be read.

    Args:
        kv: The store.
        report: Told once of each place where rows are missing: the table, and the key before.
    """

    def __init__(self, kv: KV, report: Callable[[Table, bytes, str], None]) -> None:
        self._kv = kv
        self._report = report
        self._reported: set[tuple[Table, bytes]] = set()
        self._open = ExitStack()
        self._txn: ReadTxn

    def __enter__(self) -> Self:
        """Begin."""
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._open.close()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ReadTxn."""
        try:
            return self._txn.get(table, key)
        except CorruptionError as error:
            self._begin_after(error)
            raise

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        """See ReadTxn; this one does not go past damage."""
        return self._txn.scan(table, prefix=prefix, start=start, reverse=reverse)

    def count(self, table: Table) -> int:
        """See ReadTxn; of what can be read."""
        return sum(1 for _ in self.keys(table))

    def keys(self, table: Table, *, start: bytes = b"") -> Iterator[bytes]:
        """See ReadTxn."""
        begin: bytes | None = start
        while begin is not None:
            txn, last = self._txn, begin
            try:
                for last in txn.keys(table, start=begin):
                    yield last
                    if self._txn is not txn:
                        break
                else:
                    return
                begin = last + b"\0"
            except CorruptionError as error:
                begin = self._go_past(table, last, error)

    def audit(self, table: Table) -> Iterator[tuple[bytes, bytes | None]]:
        """See ReadTxn."""
        txn, last = self._txn, b""
        begin: bytes | None
        try:
            for last, value in txn.audit(table):
                yield last, value
                if self._txn is not txn:
                    break
            else:
                return
            begin = last + b"\0"
        except CorruptionError as error:
            begin = self._go_past(table, last, error)
        if begin is None:
            return
        for key in self.keys(table, start=begin):
            try:
                yield key, self.get(table, key)
            except CorruptionError:
                yield key, None

    # --- inside --------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin anew; who goes through a table notices, and does so where it was."""
        self._open.close()
        self._txn = self._open.enter_context(self._kv.read())

    def _begin_after(self, error: CorruptionError) -> None:
        """Begin anew if it is LMDB that has failed, and not the checksum of a row."""
        if error.__cause__ not in {None, error}:
            self._begin()

    def _go_past(self, table: Table, last: bytes, error: CorruptionError) -> bytes | None:
        """Note that no rows can be read after one; where they can be read again, if anywhere."""
        self._begin()
        if (table, last) not in self._reported:
            self._reported.add((table, last))
            self._report(table, last, error.message)
        bad = int.from_bytes(last[:_NUMBER_SIZE].ljust(_NUMBER_SIZE, b"\0"), "big")
        step = 1
        while bad + step < _END and not self._reads_from(table, bad + step):
            step *= 2
        good = min(bad + step, _END)
        bad += step // 2
        while good - bad > 1:
            middle = (good + bad) // 2
            if self._reads_from(table, middle):
                good = middle
            else:
                bad = middle
        return _key(good) if good < _END else None

    def _reads_from(self, table: Table, number: int) -> bool:
        try:
            next(iter(self._txn.keys(table, start=_key(number))), None)
        except CorruptionError:
            self._begin()
            return False
        return True


def _key(number: int) -> bytes:
    return number.to_bytes(_NUMBER_SIZE, "big")
