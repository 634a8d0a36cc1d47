"""A script is run again and again, and each time another write fails, once or from then on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

import pfslib
from pfslib.kv.memory import MemoryKV
from pfslib.kv.tables import Table
from pfslib.testing.faults import FaultyKV
from pfslib.testing.model_store import ModelTree, assert_same
from pfslib.testing.strategies import noise
from pfslib.trees.nodestore import TreeCache

BIG, SMALL = noise(300_000), 8

FIRST = {(b"big",): BIG, **{(b"small", b"%d" % n): noise(150, n) for n in range(SMALL)}}
SECOND = {
    **FIRST,
    (b"big",): BIG + noise(20_000, 1),
    (b"log",): b"1" + noise(200) + b"2",
    (b"copy", b"big"): BIG,
    **{(b"copy", b"small", b"%d" % n): noise(150, n) for n in range(SMALL)},
}
del SECOND[b"small", b"3"]
THIRD = {path: data for path, data in SECOND.items() if path[0] != b"copy"}
THIRD[b"log",] += b"3"
FOURTH = {**THIRD, (b"more",): noise(100_000, 2), (b"little",): noise(300, 3)}
FOURTH[b"log",] += noise(500)
EXPECTED = (FIRST, SECOND, THIRD, FOURTH)


def script(store: pfslib.Store) -> Iterator[Callable[[], object]]:
    """Steps, each of which can be made again after it failed."""
    yield lambda: store.create_repo("repo")
    repo = pfslib.Repo(store, "repo")

    def first() -> None:
        with repo.commit() as commit:
            commit.put_file("/big", BIG)
            for number in range(SMALL):
                commit.put_file(f"/small/{number}", noise(150, number))

    yield first
    started: list[pfslib.OpenCommit] = []
    yield lambda: started.append(repo.start_commit())
    commit = started[0]
    source = store.commit("repo@master")
    yield lambda: commit.put_file("/log", b"1", append=True)
    yield lambda: commit.put_file("/log", noise(200), append=True)
    yield lambda: commit.put_file("/big", noise(20_000, 1), append=True)
    yield lambda: commit.delete_file("/small/3")
    yield lambda: commit.copy_file(source, "/", "/copy")
    yield lambda: commit.put_file("/log", "2", append=True)
    yield commit.finish

    def third() -> None:
        with repo.commit() as commit:
            commit.delete_file("/copy")
            commit.put_file("/log", b"3", append=True)

    yield third
    # What is put here waits in memory until it finishes.
    waiting: list[pfslib.OpenCommit] = []
    yield lambda: waiting.append(repo.commit())
    waiting[0].put_file("/more", noise(100_000, 2))
    waiting[0].put_file("/little", noise(300, 3))
    waiting[0].put_file("/log", noise(500), append=True)
    yield waiting[0].finish


def empty(store: pfslib.Store) -> FaultyKV:
    """Give the store a new backend, in memory, that can be made to fail."""
    store.kv.close()
    store.kv = faults = FaultyKV(MemoryKV())
    store.cache = TreeCache()
    return faults


def check(store: pfslib.Store) -> int:
    """Every commit that there is is whole; how many there are."""
    if not store.list_repo():
        return 0
    commits = list(store.list_commit("repo"))
    for commit, files in zip(commits, EXPECTED, strict=False):
        assert_same(commit, ModelTree(files))
    heads = [info.head for info in store.repo("repo").list_branch()]
    assert heads == [commit.id for commit in commits[-1:]]
    with store.kv.read() as txn:
        numbers = {int.from_bytes(value[:8], "little") for _, value in txn.scan(Table.PLACES)}
        chunks = {int.from_bytes(key, "big") for key, _ in txn.scan(Table.CHUNKS)}
    assert numbers == chunks
    return len(commits)


def run(store: pfslib.Store, faults: FaultyKV, *, fail_at: int, lasting: bool) -> None:
    faults.arm(fail_at, lasting=lasting)
    for step in script(store):
        try:
            step()
        except pfslib.StoreFullError:
            with_failure = check(store)
            faults.disarm()
            step()
            assert check(store) - with_failure in {0, 1}
    faults.disarm()


def run_all(store: pfslib.Store, *, lasting: bool) -> int:
    """Run with each call failing in turn, until none is left to fail; how many there were."""
    for fail_at in itertools.count(1):
        faults = empty(store)
        run(store, faults, fail_at=fail_at, lasting=lasting)
        assert check(store) == len(EXPECTED)
        with store.kv.read() as txn:
            assert txn.count(Table.OPEN) == txn.count(Table.STAGED) == 0
        with store.repo("repo").commit() as commit:
            commit.put_file("/more", b"1")
        if not faults.failed:
            return fail_at - 1
    raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize(("lasting", "folded"), [(False, False), (False, True), (True, True)])
def test_whatever_fails_can_be_made_again(store, monkeypatch, lasting, folded):
    if folded:
        monkeypatch.setattr("pfslib.api.editing._STAGED_MAX", 1)
    assert run_all(store, lasting=lasting) > 100


def test_a_store_that_stays_full_can_be_read(store):
    faults = empty(store)
    steps = script(store)
    for step in itertools.islice(steps, 2):
        step()
    faults.arm(1, lasting=True)
    for use in (
        lambda: store.create_repo("other"),
        lambda: store.repo("repo").commit(),
        lambda: store.repo("repo").start_commit(),
    ):
        with pytest.raises(pfslib.StoreFullError) as raised:
            use()
        assert raised.value.errno == pfslib.StoreFullError.errno_code
    assert check(store) == 1


def test_the_error_that_ended_a_block_is_not_hidden(store):
    """Discarding fails, too, and is made up for when the branch is wanted again."""
    faults = empty(store)
    repo = store.create_repo("repo")

    def fail() -> None:
        with repo.commit() as commit:
            commit.put_file("/f", b"1")
            faults.arm(1, lasting=True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    faults.disarm()
    with repo.commit() as again:
        again.put_file("/f", b"2")
    assert again.commit.files == 1
    with store.kv.read() as txn:
        assert txn.count(Table.OPEN) == txn.count(Table.STAGED) == 0


def test_a_spill_that_fails_loses_nothing(store, monkeypatch):
    monkeypatch.setattr("pfslib.chunks.ingest.SPILL_BYTES", 1 << 20)
    monkeypatch.setattr("pfslib.chunks.ingest._BATCH_BYTES", 1 << 18)
    blocks = [noise(500_000, number) for number in range(12)]
    for fail_at in range(2, 40, 3):
        faults = empty(store)
        with store.create_repo("repo").commit() as commit:
            commit._editing.writer._ingest._spill_bytes = 1 << 20
            faults.arm(fail_at)
            for number, block in enumerate(blocks):
                try:
                    commit.put_file(f"/{number}", block)
                except pfslib.StoreFullError:
                    commit.put_file(f"/{number}", block)
            assert faults.calls > 3, "it spilled"
            faults.disarm()
        for number, block in enumerate(blocks):
            assert commit.commit.get_file(f"/{number}") == block
