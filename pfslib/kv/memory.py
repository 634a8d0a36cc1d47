"""The in-memory backend: sorted keys and a dict a table; the twin that tests compare LMDB with."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock, get_ident

from pfslib.kv.protocol import Pair, Room
from pfslib.kv.tables import Table
from pfslib.model.errors import StoreClosedError


class _Rows:
    """One table: a dict and its keys in order."""

    __slots__ = ("keys", "values")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.values: dict[bytes, bytes] = {}

    def copy(self) -> _Rows:
        twin = _Rows()
        twin.keys, twin.values = self.keys.copy(), self.values.copy()
        return twin


class MemoryTxn:
    """A transaction on copied tables."""

    def __init__(self, tables: dict[Table, _Rows]) -> None:
        self._tables = tables
        self._copied: set[Table] = set()

    def _rows(self, table: Table) -> _Rows:
        return self._tables.get(table) or _Rows()

    def _writable(self, table: Table) -> _Rows:
        if table not in self._copied:
            self._tables[table] = self._rows(table).copy()
            self._copied.add(table)
        return self._tables[table]

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ReadTxn."""
        return self._rows(table).values.get(key)

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        """See ReadTxn."""
        rows = self._rows(table)
        keys = [key for key in rows.keys if key.startswith(prefix)]
        if reverse:
            keys = [key for key in reversed(keys) if not start or key <= start]
        else:
            keys = keys[bisect_left(keys, start) :]
        for key in keys:
            yield key, rows.values[key]

    def keys(self, table: Table, *, start: bytes = b"") -> Iterator[bytes]:
        """See ReadTxn."""
        keys = self._rows(table).keys
        return iter(keys[bisect_left(keys, start) :])

    def audit(self, table: Table) -> Iterator[tuple[bytes, bytes | None]]:
        """See ReadTxn."""
        return self.scan(table)

    def count(self, table: Table) -> int:
        """See ReadTxn."""
        return len(self._rows(table).keys)

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        rows = self._writable(table)
        if key not in rows.values:
            insort(rows.keys, key)
        rows.values[key] = bytes(value)

    def add(self, table: Table, key: bytes, value: bytes) -> bool:
        """See WriteTxn."""
        if key in self._rows(table).values:
            return False
        self.put(table, key, value)
        return True

    def append(self, table: Table, key: bytes, value: bytes) -> None:
        """See WriteTxn."""
        keys = self._rows(table).keys
        if keys and key <= keys[-1]:
            msg = f"appended key {key!r} is not the greatest of {table}"
            raise AssertionError(msg)
        self.put(table, key, value)

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
        if key not in self._rows(table).values:
            return False
        rows = self._writable(table)
        del rows.values[key]
        del rows.keys[bisect_left(rows.keys, key)]
        return True


class MemoryHold:
    """See Hold."""

    def __init__(self, kv: MemoryKV) -> None:
        self._kv = kv
        self.names: list[bytes] = []
        self.released = False
        kv.holds.append(self)

    def add(self, names: Iterable[bytes]) -> None:
        """See Hold."""
        self.names.extend(names)

    def release(self) -> None:
        """See Hold. While a sweep is under way its names stay for that to see."""
        self.released = True
        if not self._kv.is_swept.locked():
            self._kv.forget_released()


class MemorySweep:
    """See Sweep."""

    def __init__(self, kv: MemoryKV) -> None:
        self._kv = kv

    def held(self) -> Iterator[bytes]:
        """See Sweep."""
        for hold in self._kv.holds:
            yield from hold.names


class MemoryKV:
    """A KV that forgets. Readers keep the state they began with, as in LMDB."""

    def __init__(self) -> None:
        self._tables: dict[Table, _Rows] = {}
        self._writing = Lock()
        self._writer: int | None = None
        self._changes = 0
        self._closed = False
        self.is_swept = Lock()
        self.holds: list[MemoryHold] = []

    @contextmanager
    def read(self) -> Iterator[MemoryTxn]:
        """See KV."""
        self._check_open()
        yield MemoryTxn(dict(self._tables))

    @contextmanager
    def write(self) -> Iterator[MemoryTxn]:
        """See KV."""
        self._check_open()
        if self._writer == get_ident():
            msg = "a write transaction was begun inside another one"
            raise AssertionError(msg)
        with self._writing:
            self._writer = get_ident()
            try:
                tables = dict(self._tables)
                yield MemoryTxn(tables)
                self._tables = tables
                self._changes += 1
            finally:
                self._writer = None

    def hold(self) -> MemoryHold:
        """See KV."""
        return MemoryHold(self)

    @contextmanager
    def sweeping(self) -> Iterator[MemorySweep]:
        """See KV."""
        with self.is_swept:
            self.forget_released()
            yield MemorySweep(self)
            self.forget_released()

    def forget_released(self) -> None:
        """Forget the holds that nobody has any more."""
        self.holds = [hold for hold in self.holds if not hold.released]

    def changes(self) -> int:
        """See KV."""
        self._check_open()
        return self._changes

    def room(self) -> Room:
        """See KV. Keys and values only."""
        tables = self._tables.values()
        used = sum(len(key) + len(rows.values[key]) for rows in tables for key in rows.keys)
        return Room(0, used)

    def compact(self) -> None:
        """See KV. There is none."""

    def close(self) -> None:
        """See KV."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("in memory")
