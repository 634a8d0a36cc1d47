"""Transactions of LMDB as those of the protocol: a table is a byte in front of its keys.

One LMDB database instead of one a table: handles of named databases can only be opened inside a
write transaction, and opening a store to read it must not wait for a writer.

A value ends in a checksum of its row, key included, in all tables but those whose values are
verified against a digest anyway: LMDB has none, and would give damaged bytes for right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any, Final
from zlib import crc32

from pfslib.kv.protocol import Pair
from pfslib.kv.tables import LAST_TABLE, Table
from pfslib.model.errors import CorruptionError

SUM_SIZE: Final = 4

Translate = Callable[[Exception], Exception]
"""Makes an error of the binding one of ours, and leaves others as they are."""


class LmdbReadTxn:
    """A state of the store."""

    # The binding's types offer memoryviews, which only come with `buffers=True`: Any is truer here.

    __slots__ = ("_translate", "_txn")

    def __init__(self, txn: Any, translate: Translate) -> None:  # noqa: ANN401
        self._txn = txn
        self._translate = translate

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ReadTxn."""
        row = table.tag + key
        try:
            value: bytes | None = self._txn.get(row)
        except Exception as error:
            raise self._translate(error) from error
        return value if value is None or not table.has_sums else _checked(table, row, value)

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        """See ReadTxn."""
        try:
            yield from self._scan(table, prefix, start, reverse=reverse)
        except Exception as error:
            raise self._translate(error) from error

    def _scan(self, table: Table, prefix: bytes, start: bytes, *, reverse: bool) -> Iterator[Pair]:
        cursor = self._txn.cursor()
        whole = table.tag + prefix
        if reverse:
            bound = table.tag + start
            bounded = start != b"" and (bound < whole or bound.startswith(whole))
            found = _seek_last(cursor, bound if bounded else whole, exact=bounded)
            pairs = cursor.iterprev(keys=True, values=True)
        else:
            found = cursor.set_range(max(whole, table.tag + start))
            pairs = cursor.iternext(keys=True, values=True)
        if not found:
            return
        for key, value in pairs:
            if not key.startswith(whole):
                return
            yield key[1:], _checked(table, key, value) if table.has_sums else value

    def keys(self, table: Table, *, start: bytes = b"") -> Iterator[bytes]:
        """See ReadTxn."""
        try:
            cursor = self._txn.cursor()
            if cursor.set_range(table.tag + start):
                for key in cursor.iternext(keys=True, values=False):
                    if not key.startswith(table.tag):
                        return
                    yield key[1:]
        except Exception as error:
            raise self._translate(error) from error

    def audit(self, table: Table) -> Iterator[tuple[bytes, bytes | None]]:
        """See ReadTxn."""
        try:
            cursor = self._txn.cursor()
            if cursor.set_range(table.tag):
                for key, value in cursor.iternext(keys=True, values=True):
                    if not key.startswith(table.tag):
                        return
                    yield key[1:], _audited(key, value) if table.has_sums else value
        except Exception as error:
            raise self._translate(error) from error

    def count(self, table: Table) -> int:
        """See ReadTxn."""
        try:
            cursor = self._txn.cursor()
            if not cursor.set_range(table.tag):
                return 0
            keys = cursor.iternext(keys=True, values=False)
            return sum(1 for _ in takewhile(lambda key: key.startswith(table.tag), keys))
        except Exception as error:
            raise self._translate(error) from error


class LmdbWriteTxn(LmdbReadTxn):
    """A change to the store.

    Attributes:
        changed: Whether anything was written.
    """

    __slots__ = ("changed",)

    def __init__(self, txn: Any, translate: Translate) -> None:  # noqa: ANN401
        super().__init__(txn, translate)
        self.changed = False

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        self._put(table, key, value)

    def add(self, table: Table, key: bytes, value: bytes) -> bool:
        """See WriteTxn."""
        return self._put(table, key, value, overwrite=False)

    def append(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        # Appending proper is for the greatest key of the whole environment.
        last = table is LAST_TABLE
        if not self._put(table, key, value, overwrite=False, append=last):
            msg = f"appended key {key!r} is not the greatest of {table}"
            raise AssertionError(msg)

    def swap(self, table: Table, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """See WriteTxn."""
        if self.get(table, key) != old:
            return False
        if new is None:
            self.delete(table, key)
        else:
            self.put(table, key, new)
        return True

    def delete(self, table: Table, key: bytes) -> bool:
        """See WriteTxn."""
        try:
            deleted: bool = self._txn.delete(table.tag + key)
        except Exception as error:
            raise self._translate(error) from error
        self.changed |= deleted
        return deleted

    def _put(self, table: Table, key: bytes, value: bytes, **how: bool) -> bool:
        row = table.tag + key
        try:
            done: bool = self._txn.put(row, _summed(row, value) if table.has_sums else value, **how)
        except Exception as error:
            raise self._translate(error) from error
        self.changed |= done
        return done


def _sum(row: bytes, value: bytes) -> bytes:
    return crc32(value, crc32(row)).to_bytes(SUM_SIZE, "little")


def _summed(row: bytes, value: bytes) -> bytes:
    """A value as it is stored."""
    return value + _sum(row, value)


def _audited(row: bytes, stored: bytes) -> bytes | None:
    """The value that was stored; None when it was another."""
    value = stored[:-SUM_SIZE]
    return value if _sum(row, value) == stored[-SUM_SIZE:] else None


def _checked(table: Table, row: bytes, stored: bytes) -> bytes:
    value = _audited(row, stored)
    if value is None:
        raise CorruptionError(
            f"a row of the table {table.name} is damaged: {row[1:].hex()}",
            hint="`pfs fsck` says what else is",
        )
    return value


def _seek_last(cursor: Any, bound: bytes, *, exact: bool) -> bool:  # noqa: ANN401
    """Put the cursor on the greatest key up to the bound; if not exact, with it as a prefix."""
    beyond = bound if exact else _after_prefix(bound)
    if beyond is None or not cursor.set_range(beyond):
        found: bool = cursor.last()
        return found
    if exact and cursor.key() == bound:
        return True
    moved: bool = cursor.prev()
    return moved


def _after_prefix(prefix: bytes) -> bytes | None:
    """The least key greater than every key with the prefix; None when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
