"""FaultyKV: a backend that fails at a chosen call, to try out every place where one can fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pfslib.kv.protocol import KV, Pair, ReadTxn, WriteTxn
from pfslib.kv.tables import Table
from pfslib.model.errors import StoreFullError
from pfslib.testing.wrapped import WrappedKV


class FaultyKV(WrappedKV):
    """Passes every call on to a backend until a write fails as if the disk were full.

    What counts as a call: the begin of a write transaction, each put, add, append, swap and delete
    in it, and its commit. A call that fails does nothing; its transaction rolls back, as any would.

    Attributes:
        calls: How many there were.
        failed: Whether one has failed.
    """

    def __init__(self, kv: KV) -> None:
        super().__init__(kv)
        self._fail_at = 0
        self._lasting = False
        self.calls = 0
        self.failed = False

    def arm(self, fail_at: int, *, lasting: bool = False) -> None:
        """Let a call fail.

        Args:
            fail_at: Which, counting from 1 and from now on.
            lasting: All later ones, too, until `disarm`.
        """
        self.calls, self.failed = 0, False
        self._fail_at, self._lasting = fail_at, lasting

    def disarm(self) -> None:
        """Let no call fail any more."""
        self._fail_at = 0

    @contextmanager
    def read(self) -> Iterator[ReadTxn]:
        """See KV."""
        with self._kv.read() as txn:
            yield txn

    @contextmanager
    def write(self) -> Iterator[WriteTxn]:
        """See KV."""
        self.count()
        with self._kv.write() as txn:
            yield _FaultyTxn(self, txn)
            self.count()

    def count(self) -> None:
        """Count a call.

        Raises:
            StoreFullError: It is the one that fails.
        """
        self.calls += 1
        reached = self.calls >= self._fail_at if self._lasting else self.calls == self._fail_at
        if self._fail_at and reached:
            self.failed = True
            raise StoreFullError("in a test", f"call {self.calls} fails")


class _FaultyTxn:
    def __init__(self, faults: FaultyKV, txn: WriteTxn) -> None:
        self._faults = faults
        self._txn = txn

    def get(self, table: Table, key: bytes) -> bytes | None:
        return self._txn.get(table, key)

    def scan(
        self, table: Table, *, prefix: bytes = b"", start: bytes = b"", reverse: bool = False
    ) -> Iterator[Pair]:
        return self._txn.scan(table, prefix=prefix, start=start, reverse=reverse)

    def keys(self, table: Table, *, start: bytes = b"") -> Iterator[bytes]:
        return self._txn.keys(table, start=start)

    def audit(self, table: Table) -> Iterator[tuple[bytes, bytes | None]]:
        return self._txn.audit(table)

    def count(self, table: Table) -> int:
        return self._txn.count(table)

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        self._faults.count()
        self._txn.put(table, key, value)

    def add(self, table: Table, key: bytes, value: bytes) -> bool:
        self._faults.count()
        return self._txn.add(table, key, value)

    def append(self, table: Table, key: bytes, value: bytes) -> None:
        self._faults.count()
        self._txn.append(table, key, value)

    def swap(self, table: Table, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        self._faults.count()
        return self._txn.swap(table, key, old, new)

    def delete(self, table: Table, key: bytes) -> bool:
        self._faults.count()
        return self._txn.delete(table, key)
