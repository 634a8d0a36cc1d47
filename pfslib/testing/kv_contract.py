"""KVContract: what every key-value backend must do, as a pytest class to be subclassed.

::

    class TestMyKV(KVContract):
        @pytest.fixture
        def kv(self) -> Iterator[KV]:
            kv = MyKV()
            yield kv
            kv.close()

The backend must be empty and may be used up by each test.
"""

# ruff: noqa: D102 - the names of tests say it all, and tests assert

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pfslib.kv.protocol import KV, Pair, ReadTxn
from pfslib.kv.tables import LAST_TABLE, Table
from pfslib.model.errors import StoreClosedError

_LOW, _MIDDLE, _HIGH = Table.META, Table.BRANCHES, LAST_TABLE
_NEVER_HELD = (Table.PLACES, Table.COMMITS, Table.IMAGES)
_TRICKY = (
    b"",
    b"\0",
    b"\0\0",
    b"a",
    b"a\0",
    b"a\xff",
    b"ab",
    b"b",
    b"\xff",
    b"\xff\0",
    b"\xff\xff",
)
_TEN_S = 10.0


class _GiveUpError(Exception):
    """Raised in the middle of a write."""


def _fill(kv: KV, table: Table, keys: tuple[bytes, ...] = _TRICKY) -> None:
    with kv.write() as txn:
        for key in keys:
            txn.put(table, key, b"value of " + key)


def _change_and_give_up(kv: KV) -> None:
    with kv.write() as txn:
        for key in _TRICKY:
            txn.put(_MIDDLE, key, b"other")
            txn.put(_HIGH, key, b"other")
        txn.delete(_MIDDLE, b"a")
        raise _GiveUpError


def _pairs(keys: list[bytes]) -> list[Pair]:
    return [(key, b"value of " + key) for key in keys]


def _all(txn: ReadTxn) -> dict[Table, list[Pair]]:
    return {table: list(txn.scan(table)) for table in Table if txn.count(table)}


class KVContract:
    """Subclass it as ``Test…`` with a fixture ``kv``."""

    @pytest.fixture
    def kv(self) -> Iterator[KV]:
        raise NotImplementedError

    # --- one key -------------------------------------------------------------------------

    def test_a_value_comes_back(self, kv: KV) -> None:
        for value in (b"", b"x", bytes(range(256)), b"\0" * 1_000_000):
            with kv.write() as txn:
                txn.put(_MIDDLE, b"key", value)
                assert txn.get(_MIDDLE, b"key") == value
            with kv.read() as txn:
                assert txn.get(_MIDDLE, b"key") == value

    def test_an_absent_key_gives_none(self, kv: KV) -> None:
        _fill(kv, _MIDDLE, (b"b",))
        with kv.read() as txn:
            for key in (b"", b"a", b"b\0", b"bb", b"c"):
                assert txn.get(_MIDDLE, key) is None

    def test_a_key_too_long_to_be_stored_is_absent(self, kv: KV) -> None:
        with kv.read() as txn:
            assert txn.get(_MIDDLE, b"k" * 4096) is None

    def test_put_replaces(self, kv: KV) -> None:
        with kv.write() as txn:
            txn.put(_MIDDLE, b"key", b"old")
            txn.put(_MIDDLE, b"key", b"new and longer")
            assert txn.get(_MIDDLE, b"key") == b"new and longer"
            assert txn.count(_MIDDLE) == 1

    def test_add_sets_once(self, kv: KV) -> None:
        with kv.write() as txn:
            assert txn.add(_MIDDLE, b"key", b"first")
            assert not txn.add(_MIDDLE, b"key", b"second")
        with kv.write() as txn:
            assert not txn.add(_MIDDLE, b"key", b"third")
            assert txn.get(_MIDDLE, b"key") == b"first"

    def test_swap_needs_the_expected_value(self, kv: KV) -> None:
        with kv.write() as txn:
            assert not txn.swap(_MIDDLE, b"key", b"old", b"new")
            assert txn.get(_MIDDLE, b"key") is None
            assert txn.swap(_MIDDLE, b"key", None, b"one")
            assert not txn.swap(_MIDDLE, b"key", None, b"two")
            assert not txn.swap(_MIDDLE, b"key", b"two", b"three")
            assert not txn.swap(_MIDDLE, b"key", b"two", None)
            assert txn.get(_MIDDLE, b"key") == b"one"
            assert txn.swap(_MIDDLE, b"key", b"one", b"")
            assert txn.get(_MIDDLE, b"key") == b""
            assert not txn.swap(_MIDDLE, b"key", None, b"x")
            assert txn.swap(_MIDDLE, b"key", b"", None)
            assert txn.get(_MIDDLE, b"key") is None

    def test_delete_says_whether_there_was_something(self, kv: KV) -> None:
        _fill(kv, _MIDDLE)
        with kv.write() as txn:
            for key in _TRICKY:
                assert txn.delete(_MIDDLE, key)
                assert not txn.delete(_MIDDLE, key)
                assert txn.get(_MIDDLE, key) is None
            assert txn.count(_MIDDLE) == 0

    @pytest.mark.parametrize("table", [_MIDDLE, _HIGH])
    def test_append_takes_greater_keys_only(self, kv: KV, table: Table) -> None:
        with kv.write() as txn:
            for number in (1, 2, 300):
                txn.append(table, number.to_bytes(8, "big"), b"%d" % number)
        with kv.write() as txn:
            txn.append(table, (301).to_bytes(8, "big"), b"301")
            with pytest.raises(AssertionError):
                txn.append(table, (301).to_bytes(8, "big"), b"again")
        with kv.read() as txn:
            assert [value for _, value in txn.scan(table)] == [b"1", b"2", b"300", b"301"]

    def test_append_goes_on_after_the_last_was_deleted(self, kv: KV) -> None:
        with kv.write() as txn:
            txn.append(_HIGH, b"1", b"one")
            txn.append(_HIGH, b"2", b"two")
        with kv.write() as txn:
            txn.delete(_HIGH, b"2")
            txn.append(_HIGH, b"3", b"three")
            txn.put(_MIDDLE, b"9", b"")
        with kv.read() as txn:
            assert list(txn.scan(_HIGH)) == [(b"1", b"one"), (b"3", b"three")]

    # --- tables --------------------------------------------------------------------------

    def test_tables_do_not_see_each_other(self, kv: KV) -> None:
        with kv.write() as txn:
            for table in Table:
                for key in _TRICKY:
                    txn.put(table, key, table.tag + key)
        with kv.read() as txn:
            for table in Table:
                rows = [(key, table.tag + key) for key in sorted(_TRICKY)]
                assert list(txn.scan(table)) == rows
                assert list(txn.scan(table, reverse=True)) == rows[::-1]
                assert txn.count(table) == len(rows)

    def test_an_empty_table_between_full_ones_is_empty(self, kv: KV) -> None:
        for table in (_LOW, _MIDDLE, _HIGH):
            _fill(kv, table)
        with kv.read() as txn:
            for table in _NEVER_HELD:
                assert txn.count(table) == 0
                for reverse in (False, True):
                    assert list(txn.scan(table, reverse=reverse)) == []
                    assert list(txn.scan(table, prefix=b"a", reverse=reverse)) == []
                    assert list(txn.scan(table, start=b"\xff", reverse=reverse)) == []

    def test_an_empty_backend_scans_nothing(self, kv: KV) -> None:
        with kv.read() as txn:
            for table in (_MIDDLE, _HIGH):
                assert list(txn.scan(table)) == []
                assert list(txn.scan(table, reverse=True)) == []
                assert list(txn.scan(table, prefix=b"\xff", start=b"\xff", reverse=True)) == []

    # --- scans ---------------------------------------------------------------------------

    @pytest.mark.parametrize("table", [_LOW, _MIDDLE, _HIGH])
    @pytest.mark.parametrize("prefix", [b"", b"\0", b"a", b"a\xff", b"\xff", b"\xff\xff", b"c"])
    def test_scans_keep_to_the_prefix(self, kv: KV, table: Table, prefix: bytes) -> None:
        for other in (_LOW, _MIDDLE, _HIGH):
            _fill(kv, other)
        rows = _pairs([key for key in sorted(_TRICKY) if key.startswith(prefix)])
        with kv.read() as txn:
            assert list(txn.scan(table, prefix=prefix)) == rows
            assert list(txn.scan(table, prefix=prefix, reverse=True)) == rows[::-1]

    @pytest.mark.parametrize("table", [_MIDDLE, _HIGH])
    @pytest.mark.parametrize("prefix", [b"", b"a", b"\xff"])
    @pytest.mark.parametrize("start", [b"\0", b"a", b"a\1", b"aa", b"b", b"c", b"\xff\xff\xff"])
    def test_scans_start_where_told(
        self, kv: KV, table: Table, prefix: bytes, start: bytes
    ) -> None:
        _fill(kv, table)
        keys = [key for key in sorted(_TRICKY) if key.startswith(prefix)]
        with kv.read() as txn:
            forwards = txn.scan(table, prefix=prefix, start=start)
            assert list(forwards) == _pairs([key for key in keys if key >= start])
            backwards = txn.scan(table, prefix=prefix, start=start, reverse=True)
            assert list(backwards) == _pairs([key for key in keys if key <= start])[::-1]

    def test_a_scan_can_be_given_up(self, kv: KV) -> None:
        _fill(kv, _MIDDLE)
        with kv.read() as txn:
            first = next(iter(txn.scan(_MIDDLE)))
            last = next(iter(txn.scan(_MIDDLE, reverse=True)))
        assert (first[0], last[0]) == (b"", b"\xff\xff")

    def test_a_writer_scans_what_it_wrote(self, kv: KV) -> None:
        _fill(kv, _MIDDLE, (b"a", b"b", b"c"))
        with kv.write() as txn:
            txn.delete(_MIDDLE, b"b")
            txn.put(_MIDDLE, b"bb", b"new")
            assert [key for key, _ in txn.scan(_MIDDLE)] == [b"a", b"bb", b"c"]

    # --- transactions --------------------------------------------------------------------

    def test_changes_are_counted(self, kv: KV) -> None:
        """The count is another after each change, and only then."""
        counts = [kv.changes()]
        for number in range(3):
            with kv.read() as txn:
                txn.get(Table.META, b"k")
            with suppress(ValueError), kv.write() as txn:
                txn.put(Table.META, b"k", b"not kept")
                raise ValueError
            assert kv.changes() == counts[-1]
            with kv.write() as txn:
                txn.put(Table.META, b"k", b"%d" % number)
            counts.append(kv.changes())
        assert counts == sorted(set(counts))

    def test_who_reads_after_counting_sees_what_was_counted(self, kv: KV) -> None:
        """A change is not counted before readers see it, however long it takes to be synced."""

        def write() -> None:
            for number in range(1, 101):
                with kv.write() as txn:
                    txn.put(Table.META, b"k", b"%d" % number)

        writer, before, last = threading.Thread(target=write), kv.changes(), 0
        writer.start()
        while last < 100:  # noqa: PLR2004 - all
            counted = kv.changes() - before
            with kv.read() as txn:
                last = int(txn.get(Table.META, b"k") or b"0")
            assert counted <= last
        writer.join()

    def test_an_exception_rolls_everything_back(self, kv: KV) -> None:
        _fill(kv, _MIDDLE)
        with kv.read() as txn:
            before = _all(txn)
        with pytest.raises(_GiveUpError):
            _change_and_give_up(kv)
        with kv.read() as txn:
            assert _all(txn) == before
        with kv.write() as txn:  # and writing goes on
            txn.append(_HIGH, b"1", b"")

    def test_a_reader_keeps_the_state_it_began_with(self, kv: KV) -> None:
        _fill(kv, _MIDDLE, (b"a", b"b"))
        with kv.read() as old:
            before = _all(old)
            with kv.write() as txn:
                txn.put(_MIDDLE, b"a", b"changed")
                txn.delete(_MIDDLE, b"b")
                txn.put(_HIGH, b"c", b"new")
            assert _all(old) == before
            with kv.read() as new:
                assert new.get(_MIDDLE, b"a") == b"changed"
            assert old.get(_MIDDLE, b"b") == b"value of b"
        with kv.read() as txn:
            assert txn.get(_MIDDLE, b"b") is None

    def test_nobody_sees_a_write_before_it_ends(self, kv: KV) -> None:
        with kv.write() as txn:
            txn.put(_MIDDLE, b"key", b"value")
            with kv.read() as reader:
                assert reader.get(_MIDDLE, b"key") is None
        with kv.read() as reader:
            assert reader.get(_MIDDLE, b"key") == b"value"

    def test_a_write_inside_a_write_is_refused(self, kv: KV) -> None:
        with kv.write() as txn:
            txn.put(_MIDDLE, b"key", b"value")
            with pytest.raises(AssertionError), kv.write():
                pass
        with kv.write() as txn:
            assert txn.get(_MIDDLE, b"key") == b"value"

    def test_writers_take_turns(self, kv: KV) -> None:
        threads, turns = 4, 50

        def count_up() -> None:
            for _ in range(turns):
                with kv.write() as txn:
                    number = int(txn.get(_LOW, b"number") or b"0")
                    txn.put(_LOW, b"number", b"%d" % (number + 1))

        _run(count_up, threads)
        with kv.read() as txn:
            assert txn.get(_LOW, b"number") == b"%d" % (threads * turns)

    def test_readers_see_whole_states_while_others_write(self, kv: KV) -> None:
        _fill(kv, _MIDDLE)
        done = threading.Event()
        torn: list[set[bytes]] = []

        def read() -> None:
            while not done.is_set():
                with kv.read() as txn:
                    values = {txn.get(_MIDDLE, key) or b"" for key in (b"one", b"two")}
                    if len(values) != 1:
                        torn.append(values)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            for number in range(200):
                with kv.write() as txn:
                    txn.put(_MIDDLE, b"one", b"%d" % number)
                    txn.put(_MIDDLE, b"two", b"%d" % number)
        finally:
            done.set()
            for reader in readers:
                reader.join(_TEN_S)
        assert not torn

    def test_a_closed_backend_refuses(self, kv: KV) -> None:
        kv.close()
        kv.close()
        with pytest.raises(StoreClosedError), kv.read():
            pass
        with pytest.raises(StoreClosedError), kv.write():
            pass


def _run(target: object, times: int) -> None:
    assert callable(target)
    threads = [threading.Thread(target=target) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_TEN_S)
        assert not thread.is_alive()
