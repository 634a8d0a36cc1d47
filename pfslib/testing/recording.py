"""RecordingKV: what a piece of work reads and writes, counted call by call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pfslib.kv.protocol import KV, Pair, ReadTxn, WriteTxn
from pfslib.kv.tables import Table
from pfslib.testing.wrapped import WrappedKV


class RecordingKV(WrappedKV):
    """Passes every call on to a backend and counts it.

    ::

        recording = store.kv = RecordingKV(store.kv)
        ...
        assert recording.written[Table.NODES] <= 8

    Attributes:
        transactions: How many were begun: "read", "write".
        read_calls: Gets, scans and counts, a table.
        written: Puts, adds and appends that stored something, a table.
        deleted: Deletes that removed something, a table.
        written_bytes: Bytes of keys and values stored, a table.
    """

    def __init__(self, kv: KV) -> None:
        super().__init__(kv)
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self.transactions: Counter[str] = Counter()
        self.read_calls: Counter[Table] = Counter()
        self.written: Counter[Table] = Counter()
        self.deleted: Counter[Table] = Counter()
        self.written_bytes: Counter[Table] = Counter()

    @contextmanager
    def read(self) -> Iterator[ReadTxn]:
        """See KV."""
        self.transactions["read"] += 1
        with self._kv.read() as txn:
            yield _RecordingReadTxn(self, txn)

    @contextmanager
    def write(self) -> Iterator[WriteTxn]:
        """See KV."""
        self.transactions["write"] += 1
        with self._kv.write() as txn:
            yield _RecordingTxn(self, txn)


class _RecordingReadTxn:
    def __init__(self, record: RecordingKV, txn: ReadTxn) -> None:
        self._record = record
        self._reader = txn

    def get(self, table: Table, key: bytes) -> bytes | None:
        self._record.read_calls[table] += 1
        return self._reader.get(table, key)

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        self._record.read_calls[table] += 1
        return self._reader.scan(table, prefix=prefix, start=start, reverse=reverse)

    def keys(self, table: Table, *, start: bytes = b"") -> Iterator[bytes]:
        self._record.read_calls[table] += 1
        return self._reader.keys(table, start=start)

    def audit(self, table: Table) -> Iterator[tuple[bytes, bytes | None]]:
        self._record.read_calls[table] += 1
        return self._reader.audit(table)

    def count(self, table: Table) -> int:
        self._record.read_calls[table] += 1
        return self._reader.count(table)


class _RecordingTxn(_RecordingReadTxn):
    def __init__(self, record: RecordingKV, txn: WriteTxn) -> None:
        super().__init__(record, txn)
        self._writer = txn

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        self._wrote(table, key, value)
        self._writer.put(table, key, value)

    def add(self, table: Table, key: bytes, value: bytes) -> bool:
        added = self._writer.add(table, key, value)
        if added:
            self._wrote(table, key, value)
        return added

    def append(self, table: Table, key: bytes, value: bytes) -> None:
        self._wrote(table, key, value)
        self._writer.append(table, key, value)

    def swap(self, table: Table, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        swapped = self._writer.swap(table, key, old, new)
        if swapped and new is not None:
            self._wrote(table, key, new)
        elif swapped and old is not None:
            self._record.deleted[table] += 1
        return swapped

    def delete(self, table: Table, key: bytes) -> bool:
        deleted = self._writer.delete(table, key)
        self._record.deleted[table] += deleted
        return deleted

    def _wrote(self, table: Table, key: bytes, value: bytes) -> None:
        self._record.written[table] += 1
        self._record.written_bytes[table] += len(key) + len(value)
