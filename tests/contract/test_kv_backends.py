"""Both backends keep the contract, and stay equal under any sequence of calls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pfslib.kv.lmdb_kv import LmdbKV, create_environment
from pfslib.kv.memory import MemoryKV
from pfslib.kv.protocol import KV
from pfslib.kv.tables import LAST_TABLE, Table
from pfslib.testing.kv_contract import KVContract


def new_lmdb(directory: Path) -> LmdbKV:
    create_environment(directory)
    return LmdbKV.open(directory)


class TestMemoryKV(KVContract):
    @pytest.fixture
    def kv(self) -> Iterator[KV]:
        kv = MemoryKV()
        yield kv
        kv.close()


class TestLmdbKV(KVContract):
    @pytest.fixture
    def kv(self, tmp_path: Path) -> Iterator[KV]:
        kv = new_lmdb(tmp_path)
        with kv.write() as txn:
            txn.delete(Table.META, b"created")
        yield kv
        kv.close()


TABLES = st.sampled_from([Table.META, Table.BRANCHES, LAST_TABLE])
KEYS = st.binary(max_size=3) | st.lists(st.sampled_from([0, 1, 97, 254, 255]), max_size=4).map(
    bytes
)
VALUES = st.binary(max_size=5)


class RollBackError(Exception):
    pass


class BothBackends(RuleBasedStateMachine):
    """The same calls to both; every answer must be the same."""

    @initialize()
    def create(self) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="pfs-test-")
        self.kvs = [MemoryKV(), new_lmdb(Path(self.directory.name))]
        self.txns: list = []
        self.contexts: list = []
        with self.kvs[1].write() as txn:
            txn.delete(Table.META, b"created")

    def both(self, call):
        memory, lmdb = (call(txn) for txn in self.txns)
        assert memory == lmdb
        return memory

    @precondition(lambda self: not self.txns)
    @rule()
    def begin(self) -> None:
        self.contexts = [kv.write() for kv in self.kvs]
        self.txns = [context.__enter__() for context in self.contexts]

    @precondition(lambda self: self.txns)
    @rule(rolls_back=st.booleans())
    def end(self, rolls_back) -> None:
        for context in self.contexts:
            if rolls_back:
                error = RollBackError()
                assert not context.__exit__(RollBackError, error, None)
            else:
                context.__exit__(None, None, None)
        self.txns = []

    @precondition(lambda self: self.txns)
    @rule(table=TABLES, key=KEYS, value=VALUES)
    def put(self, table, key, value) -> None:
        self.both(lambda txn: txn.put(table, key, value))

    @precondition(lambda self: self.txns)
    @rule(table=TABLES, key=KEYS, value=VALUES)
    def add(self, table, key, value) -> None:
        self.both(lambda txn: txn.add(table, key, value))

    @precondition(lambda self: self.txns)
    @rule(table=TABLES, key=KEYS)
    def delete(self, table, key) -> None:
        self.both(lambda txn: txn.delete(table, key))

    @precondition(lambda self: self.txns)
    @rule(table=TABLES, key=KEYS, expected=st.booleans(), value=st.none() | VALUES)
    def swap(self, table, key, expected, value) -> None:
        old = self.txns[0].get(table, key) if expected else b"something else"
        assert self.both(lambda txn: txn.swap(table, key, old, value)) == expected

    @precondition(lambda self: self.txns)
    @rule(table=TABLES, value=VALUES)
    def append(self, table, value) -> None:
        last = next(self.txns[0].scan(table, reverse=True), (b"", b""))[0]
        self.both(lambda txn: txn.append(table, last + b"\1", value))

    @precondition(lambda self: self.txns)
    @rule(table=TABLES, prefix=KEYS, start=st.just(b"") | KEYS, reverse=st.booleans())
    def scan(self, table, prefix, start, reverse) -> None:
        self.both(lambda txn: list(txn.scan(table, prefix=prefix, start=start, reverse=reverse)))
        self.both(lambda txn: txn.get(table, prefix))

    @invariant()
    def equal(self) -> None:
        if self.txns:
            self.both(lambda txn: [list(txn.scan(table)) for table in Table])
            return
        with self.kvs[0].read() as memory, self.kvs[1].read() as lmdb:
            for table in Table:
                assert list(memory.scan(table)) == list(lmdb.scan(table))
                assert memory.count(table) == lmdb.count(table)

    def teardown(self) -> None:
        if hasattr(self, "kvs"):
            if self.txns:
                self.end(rolls_back=True)
            for kv in self.kvs:
                kv.close()
            self.directory.cleanup()


TestBothBackends = BothBackends.TestCase
TestBothBackends.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
