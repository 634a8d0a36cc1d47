"""Costs that must not grow with what is there: among a million files and 10,000 commits."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec
import pytest

import pfslib
from pfsfuse.operations import Operations
from pfsfuse.views import ShownTree
from pfslib import PathNotFoundError, Repo, Store
from pfslib.api.tree import Tree
from pfslib.commits.find import find_changes
from pfslib.commits.finish import publish
from pfslib.commits.refs import list_commit_ids, resolve
from pfslib.commits.staging import start
from pfslib.commits.way_back import walk_back
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, id_key
from pfslib.model.history import Commit
from pfslib.model.nodes import Entry, Kind
from pfslib.testing.recording import RecordingKV
from pfslib.trees.edit import Edit, Op, apply_edits
from pfslib.trees.nodestore import TreeCache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store whose newest commit has a directory of a million files and ten thousand of a hundred.

    The ten thousand are copies by reference of one: a change parts each from the others.
    """
    with pfslib.init(tmp_path_factory.mktemp("million") / "store") as store:
        repo = store.create_repo("data")
        with repo.commit() as commit:
            for number in range(1_000_000):
                commit.put_file(f"/flat/f{number:06}", b"old")
            for number in range(100):
                commit.put_file(f"/many/d0000/f{number:02}", b"old")
        assert commit.commit is not None
        with repo.commit() as copies:
            for number in range(1, 10_000):
                copies.copy_file(commit.commit, "/many/d0000", f"/many/d{number:04}")
        yield store


class Cost(NamedTuple):
    """What a call read and wrote of trees, with nothing remembered before it."""

    reads: int
    nodes: int


def cost_of(store: Store, call: Callable[[], object]) -> Cost:
    real = store.kv
    recording = store.kv = RecordingKV(real)
    store.cache = TreeCache()
    try:
        call()
    finally:
        store.kv = real
    return Cost(recording.read_calls.total(), recording.written[Table.NODES])


def commit_with(store: Store, edit: Callable[[pfslib.OpenCommit], object]) -> None:
    with store.repo("data").commit() as commit:
        edit(commit)


PLACES = ["/flat/f{:06}", "/many/d{:04}/f42"]


@pytest.mark.parametrize("place", PLACES)
def test_one_change_among_a_million_files_costs_a_few_nodes(million: Store, place: str) -> None:
    """Whichever it is. With 32 entries a node, a million are four levels."""
    chance = random.Random(1)
    edits: list[Callable[[pfslib.OpenCommit, str], object]] = [
        lambda commit, path: commit.put_file(path, b"new"),
        lambda commit, path: commit.put_file(path, b"more", append=True),
        lambda commit, path: commit.write_at(path, 1, b"in it"),
        lambda commit, path: commit.put_file(path + "-beside", b"a new name"),
        lambda commit, path: commit.delete_file(path),
        lambda commit, path: commit.copy_file(million.commit("data@master"), "/many/d0001", path),
    ]
    for edit in edits:
        path = place.format(chance.randrange(5_000, 9_999))
        if edit is edits[-1]:
            path = path.replace("/f", "/new", 1)
        cost = cost_of(million, lambda e=edit, p=path: commit_with(million, lambda c: e(c, p)))
        assert 2 <= cost.nodes <= 12, path
        assert cost.reads <= 80, path
    assert million.commit("data@master").files > 1_990_000


def test_a_million_files_are_looked_at_by_a_few_reads(million: Store) -> None:
    commit = million.repo("data")["master"]
    for call in (
        lambda c: c.get_file("/flat/f123456"),
        lambda c: c.inspect_file("/flat"),
        lambda c: list(islice(c.list_file("/flat"), 10)),
        lambda c: list(islice(c.walk(), 10)),
        lambda c: next(c.tree.children(c.tree.find("/flat"), 654_321)),
        lambda c: list(c.tree.children(c.tree.find("/flat"), 2**62)),
        lambda c: c.glob("/many/d0042/f1?"),
        lambda c: c.glob("/flat/f123456"),
        lambda c: next(c.find_commit("/flat/f123456")),
    ):
        assert cost_of(million, lambda look=call: look(million.commit(str(commit)))).reads <= 60


@pytest.mark.parametrize("place", PLACES)
def test_a_diff_of_ten_changes_among_a_million_reads_what_differs(
    million: Store, place: str
) -> None:
    paths = sorted(place.format(number) for number in random.Random(2).sample(range(4_999), 10))
    commit_with(million, lambda commit: [commit.put_file(path, b"ten") for path in paths])
    found: list[str] = []

    def diff() -> None:
        found.extend(row.path for row in million.commit("data@master").diff())

    assert cost_of(million, diff).reads <= 10 * 20
    assert found == paths


# --- history ---------------------------------------------------------------------------------


def grow(txn: WriteTxn, repo: str, commits: int, cache: TreeCache) -> None:
    """Commits that each change one of two files."""
    for number in range(commits):
        open_commit = start(txn, repo, "master")
        data = b"%d" % number
        path = (b"even",) if number % 2 == 0 else (b"d", b"odd")
        edit = Edit(Op.PUT, path, Entry(b"", Kind.FILE, len(data), data, 1, b""))
        origin = id_key(open_commit.id)
        applied = apply_edits(txn, open_commit.root, [edit], cache, origin=origin, now_ns=1)
        publish(txn, msgspec.structs.replace(open_commit, root=applied.root))


def test_history_of_any_length_costs_the_same(store: Store, repo: Repo) -> None:
    costs: list[list[int]] = []
    for commits in (20, 9_980):
        with store.kv.write() as txn:
            grow(txn, "data", commits, store.cache)
        costs.append(costs_of_reading(store))
    assert len(list(repo.list_commit("master"))) == 10_000
    assert costs[0] == costs[1]
    assert max(costs[0]) <= 30


def costs_of_reading(store: Store) -> list[int]:
    """Reads of the verbs that must not depend on the length of history."""

    def last(txn: ReadTxn) -> list[str]:
        head = resolve(txn, "data", "master")
        return [row.id for row in islice(walk_back(recording, head), 10)]

    def last_made(txn: ReadTxn) -> list[str]:
        return list(islice(list_commit_ids(txn, "data", newest_first=True), 10))

    def last_changes(txn: ReadTxn) -> list[Commit]:
        head = resolve(txn, "data", "master")
        rows = find_changes(recording, head, (b"even",), TreeCache())
        return [commit for commit, _, _ in islice(rows, 3)]

    recording = RecordingKV(store.kv)
    found: list[int] = []
    for call in (
        lambda txn: [resolve(txn, "data", "master")],
        lambda txn: [resolve(txn, "data", "master~5")],
        lambda txn: [resolve(txn, "data", "master.7")],
        last,
        last_made,
        last_changes,
    ):
        recording.reset()
        with recording.read() as txn:
            assert len(call(txn)) in {1, 3, 10}
        found.append(recording.read_calls.total())
    return found


def test_find_goes_through_2_000_commits_with_few_reads_each(store: Store, repo: Repo) -> None:
    with store.kv.write() as txn:
        grow(txn, "data", 2_000, store.cache)
    recording = RecordingKV(store.kv)
    with recording.read() as reads:
        head = resolve(reads, "data", "master")
    assert len(list(find_changes(recording, head, (b"d", b"odd"), TreeCache()))) == 1_000
    assert recording.read_calls.total() <= 2_000 * 5


@pytest.mark.mount
def test_a_directory_of_a_million_entries_is_mounted(million: Store) -> None:
    first = million.commit("data@master.0")
    with first.mount() as path:
        flat = path / "flat"
        count = 0
        for count, entry in enumerate(os.scandir(flat), 1):
            assert entry.name == f"f{count - 1:06}"
        assert count == 1_000_000
        for number in (0, 1, 499_999, 999_999):
            file = flat / f"f{number:06}"
            assert (file.stat().st_size, file.read_bytes()) == (3, b"old")
        assert not (flat / "f1000000").exists()
        assert os.statvfs(path).f_files == 1_000_100


@pytest.mark.parametrize("start", [0, 499_999, 990_000])
def test_a_mount_looks_into_a_directory_of_a_million_by_a_few_reads(
    million: Store, start: int
) -> None:
    """And lists it from anywhere on, each node read once."""
    root = million.commit("data@master.0").tree.find("/flat").node
    recording = RecordingKV(million.kv)

    def operations() -> Operations:
        return Operations(ShownTree(Tree.of_node(recording, root, TreeCache())).top())

    mounted = operations()
    recording.reset()
    assert mounted.lookup(mounted.top, b"f%06d" % start).entry.name == b"f%06d" % start
    with pytest.raises(PathNotFoundError):
        mounted.lookup(mounted.top, b"f%06d_" % start)
    assert recording.read_calls.total() <= 2 * 5

    mounted = operations()
    recording.reset()
    listed = islice(mounted.children(mounted.top, start), 10_000)
    assert [inode.entry.name for inode in listed] == [
        b"f%06d" % n for n in range(start, start + 10_000)
    ]
    assert recording.read_calls.total() <= 10_000 / 32 * 1.3
