"""Reading that takes as long as its caller likes, without a transaction that lasts as long.

A read transaction held open keeps LMDB from using freed pages again, so nothing that waits for its
caller, such as an iterator handed to a user, may hold one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from pfslib.kv.protocol import KV, Pair
from pfslib.kv.tables import Table

_PAGE: Final = 256


class ShortReads:
    """A ReadTxn whose every call is a transaction of its own.

    Two calls may see two states of the store: it is for nodes and pieces, whose content never
    changes, and for logs, which only grow.
    """

    __slots__ = ("_kv",)

    def __init__(self, kv: KV) -> None:
        self._kv = kv

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ReadTxn."""
        with self._kv.read() as txn:
            return txn.get(table, key)

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        """See ReadTxn; the table may be written meanwhile, and what is written may be met."""
        last: bytes | None = None
        while True:
            with self._kv.read() as txn:
                rows = txn.scan(table, prefix=prefix, start=last or start, reverse=reverse)
                page = list(islice(rows, _PAGE))
            yield from page[1:] if page and page[0][0] == last else page
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    def keys(self, table: Table, *, start: bytes = b"") -> Iterator[bytes]:
        """See ReadTxn; the table may be written meanwhile, and what is written may be met."""
        while True:
            with self._kv.read() as txn:
                page = list(islice(txn.keys(table, start=start), _PAGE))
            yield from page
            if len(page) < _PAGE:
                return
            start = page[-1] + b"\0"

    def audit(self, table: Table) -> Iterator[tuple[bytes, bytes | None]]:
        """See ReadTxn; in one transaction, since it is for checks of one state."""
        with self._kv.read() as txn:
            yield from txn.audit(table)

    def count(self, table: Table) -> int:
        """See ReadTxn."""
        with self._kv.read() as txn:
            return txn.count(table)
