"""KV, ReadTxn, WriteTxn: what every backend keeps.

Two primitives carry everything above: `add` by content and `swap` by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from pfslib.kv.tables import Table

Pair = tuple[bytes, bytes]


class ReadTxn(Protocol):
    """One consistent state of the store, until the transaction ends."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value, or None when the key is absent."""
        ...

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        """Pairs in key order whose keys have the prefix and are not before `start`.

        With `reverse`, from the greatest such key down, and `start` (when given) is the greatest
        key of interest. The table must not be written while the iterator is in use.
        """
        ...

    def count(self, table: Table) -> int:
        """Number of keys in the table."""
        ...


class WriteTxn(ReadTxn, Protocol):
    """A change to the store: all of it happens, durably, or none."""

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Set the value of a key, whatever was there."""
        ...

    def add(self, table: Table, key: bytes, value: bytes) -> bool:
        """Set the value unless the key is there already; whether it was set."""
        ...

    def append(self, table: Table, key: bytes, value: bytes) -> None:
        """Set the value of a key greater than all others in the table; faster than `put`."""
        ...

    def swap(self, table: Table, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """Compare and set; None stands for absence. Whether the old value was as expected."""
        ...

    def delete(self, table: Table, key: bytes) -> bool:
        """Remove a key; whether it was there."""
        ...


class KV(Protocol):
    """A backend."""

    def read(self) -> AbstractContextManager[ReadTxn]:
        """A state to read from. Never blocks, is never blocked; keep it short."""
        ...

    def write(self) -> AbstractContextManager[WriteTxn]:
        """The one change at a time. Commits when the block ends, rolls back when it raises.

        Raises:
            BusyError: Another process has been writing for too long.
            StoreFullError: No room; nothing of this transaction is kept.
        """
        ...

    def close(self) -> None:
        """Give the backend back. Idempotent."""
        ...
