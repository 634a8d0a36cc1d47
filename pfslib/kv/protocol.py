"""KV, ReadTxn, WriteTxn: what every backend keeps.

Two primitives carry everything above: `add` by content and `swap` by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

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

    def keys(self, table: Table, *, start: bytes = b"") -> Iterator[bytes]:
        """Keys in order, those before `start` left out; values are not touched."""
        ...

    def audit(self, table: Table) -> Iterator[tuple[bytes, bytes | None]]:
        """All pairs, also damaged ones: None stands for a value that is not what was written."""
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


class Hold(Protocol):
    """Names that nothing in the store refers to yet, or any more, kept from being swept."""

    def add(self, names: Iterable[bytes]) -> None:
        """Hold some more: digests of pieces, and keys of nodes with all below them.

        Only what is looked up, or seen to be still referred to, *after* this returns is safe.

        Raises:
            StoreFullError: No room to note them down.
        """
        ...

    def release(self) -> None:
        """Hold nothing any more: it was published, or is not wanted. Idempotent."""
        ...


class Sweep(Protocol):
    """The right to sweep."""

    def held(self) -> Iterator[bytes]:
        """All that is held, and all that was when the sweep began or since."""
        ...


class Room(NamedTuple):
    """What a backend takes up, in bytes."""

    file: int
    """Of the disk."""

    used: int
    """Of the file, with something in it; the rest is used before the file grows."""


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

    def hold(self) -> Hold:
        """A new hold, without names; it ends with its process at the latest."""
        ...

    def sweeping(self) -> AbstractContextManager[Sweep]:
        """Be the only one to sweep, for the block.

        Raises:
            BusyError: Another process is at it.
        """
        ...

    def changes(self) -> int:
        """How many there were, by whomever, that readers see: equal numbers, equal states.

        Cost: 10 us.
        """
        ...

    def room(self) -> Room:
        """What it takes up."""
        ...

    def compact(self) -> None:
        """Give the room that is not used back to the disk.

        Raises:
            BusyError: Somebody else has the store open; nothing was changed.
            StoreFullError: No room for the copy that this is done with; nothing was changed.
        """
        ...

    def close(self) -> None:
        """Give the backend back. Idempotent."""
        ...
