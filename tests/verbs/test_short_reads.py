"""Reading without a transaction that lasts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfslib import GcReport, Store
from pfslib.kv.memory import MemoryKV
from pfslib.kv.short_reads import ShortReads
from pfslib.kv.tables import Table
from pfslib.testing.recording import RecordingKV
from pfslib.trees.filereader import read_file
from pfslib.trees.nodestore import TreeCache

keys = st.sets(st.binary(min_size=1, max_size=2), max_size=12)


def filled(names) -> MemoryKV:
    kv = MemoryKV()
    with kv.write() as txn:
        for name in names:
            txn.put(Table.META, name, b"v" + name)
    return kv


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pfslib.kv.short_reads._PAGE", 3)


@given(keys, st.binary(max_size=1), st.binary(max_size=2), st.booleans())
def test_a_scan_gives_what_one_transaction_gives(names, prefix, start, reverse) -> None:
    kv = filled(names)
    with kv.read() as txn:
        expected = list(txn.scan(Table.META, prefix=prefix, start=start, reverse=reverse))
        assert ShortReads(kv).count(Table.META) == txn.count(Table.META) == len(names)
    found = ShortReads(kv).scan(Table.META, prefix=prefix, start=start, reverse=reverse)
    assert list(found) == expected


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_goes_on_while_the_table_is_written(reverse: bool) -> None:
    names = [b"%02d" % number for number in range(20)]
    kv = filled(names)
    rows = ShortReads(kv).scan(Table.META, reverse=reverse)
    seen = [next(rows)[0] for _ in range(3)]
    with kv.write() as txn:
        txn.delete(Table.META, seen[-1])
        txn.put(Table.META, b"10x", b"")
    seen += [key for key, _ in rows]
    assert seen == sorted([*names, b"10x"], reverse=reverse)


def test_a_scan_reads_only_as_far_as_it_is_asked() -> None:
    kv = filled([b"%02d" % number for number in range(20)])
    recording = RecordingKV(kv)
    rows = ShortReads(recording).scan(Table.META)
    assert recording.transactions["read"] == 0
    assert [next(rows)[0] for _ in range(3)] == [b"00", b"01", b"02"]
    assert recording.transactions["read"] == 1
    assert ShortReads(kv).get(Table.META, b"07") == b"v07"
    assert ShortReads(kv).get(Table.META, b"99") is None


def test_a_chunk_that_gc_writes_anew_between_two_calls(store: Store) -> None:
    """A long export reads on: its pieces are elsewhere, and the same."""
    repo = store.create_repo("r")
    noise = {f"/{number}": Random(number).randbytes(1500) for number in range(100)}
    with repo.commit("worn") as commit:
        for path, data in noise.items():
            commit.put_file(path, data)
    with repo.commit() as kept:
        kept.copy_file(commit.commit, "/3", "/3")
    repo.delete_branch("worn")
    repo.drop_commit(commit.id)

    class Collecting(ShortReads):
        def get(self, table: Table, key: bytes) -> bytes | None:
            if table is Table.CHUNKS:
                repacked.append(store.gc())
            return super().get(table, key)

    repacked: list[GcReport] = []
    entry = kept.commit.tree.find("/3")
    assert read_file(Collecting(store.kv), entry, 0, None, TreeCache()) == noise["/3"]
    assert repacked[0].chunks_deleted == 1
