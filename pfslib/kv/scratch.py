"""A write transaction whose writes are forgotten: to find out whether a change would go through."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import Pair, ReadTxn
from pfslib.kv.tables import Table


class ScratchTxn:
    """Reads a transaction, writes into memory. Scans show what is below alone."""

    def __init__(self, below: ReadTxn) -> None:
        self._below = below
        self._written: dict[tuple[Table, bytes], bytes | None] = {}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ReadTxn."""
        if (table, key) in self._written:
            return self._written[table, key]
        return self._below.get(table, key)

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        """See ReadTxn."""
        return self._below.scan(table, prefix=prefix, start=start, reverse=reverse)

    def count(self, table: Table) -> int:
        """See ReadTxn."""
        return self._below.count(table)

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        self._written[table, key] = value

    def add(self, table: Table, key: bytes, value: bytes) -> bool:
        """See WriteTxn."""
        if self.get(table, key) is not None:
            return False
        self.put(table, key, value)
        return True

    def append(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        self.put(table, key, value)

    def swap(self, table: Table, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """See WriteTxn."""
        if self.get(table, key) != old:
            return False
        self._written[table, key] = new
        return True

    def delete(self, table: Table, key: bytes) -> bool:
        """See WriteTxn."""
        was_there = self.get(table, key) is not None
        self._written[table, key] = None
        return was_there
