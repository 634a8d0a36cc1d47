"""Reading without a transaction that lasts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfslib.kv.memory import MemoryKV
from pfslib.kv.short_reads import ShortReads
from pfslib.kv.tables import Table
from pfslib.testing.recording import RecordingKV

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
