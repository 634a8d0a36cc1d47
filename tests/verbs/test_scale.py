"""Costs that must not grow with what is there already: counted, or bounded in memory."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import islice

import msgspec
import pytest

import pfslib
from pfslib import Repo, Store
from pfslib.commits.find import find_changes
from pfslib.commits.finish import publish
from pfslib.commits.refs import ancestors, list_commit_ids, resolve
from pfslib.commits.staging import start
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, id_key
from pfslib.model.history import Commit
from pfslib.model.nodes import Entry, Kind
from pfslib.testing.recording import RecordingKV
from pfslib.trees.edit import Edit, Op, apply_edits
from pfslib.trees.nodestore import TreeCache

pytestmark = pytest.mark.slow

MIB = 1 << 20


def node_count(store: Store) -> int:
    with store.kv.read() as txn:
        return txn.count(Table.NODES)


@pytest.mark.parametrize("directories", [1, 2_000])
def test_one_changed_file_among_200_000_writes_few_nodes(
    store: Store, repo: Repo, directories: int
) -> None:
    paths = [f"/d{n * directories // 200_000:04}/f{n:06}" for n in range(200_000)]
    with repo.commit() as first:
        for path in paths:
            first.put_file(path, b"old")
    for number, path in enumerate(random.Random(1).sample(paths, 5)):
        before = node_count(store)
        with repo.commit() as change:
            change.put_file(path, b"new %d" % number)
        assert 2 <= node_count(store) - before <= 8
    assert change.commit is not None
    assert [row.path for row in change.commit.diff()] == [path]


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
    for commits in (20, 1_980):
        with store.kv.write() as txn:
            grow(txn, "data", commits, store.cache)
        costs.append(costs_of_reading(store))
    assert len(list(repo.list_commit("master"))) == 2_000
    assert costs[0] == costs[1]
    assert max(costs[0]) <= 30


def costs_of_reading(store: Store) -> list[int]:
    """Reads of the verbs that must not depend on the length of history."""

    def last(txn: ReadTxn) -> list[str]:
        return [row.id for row in islice(ancestors(txn, resolve(txn, "data", "master")), 10)]

    def last_made(txn: ReadTxn) -> list[str]:
        return list(islice(list_commit_ids(txn, "data", newest_first=True), 10))

    def last_changes(txn: ReadTxn) -> list[Commit]:
        head = resolve(txn, "data", "master")
        rows = find_changes(txn, head, (b"even",), TreeCache())
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


def test_find_goes_through_2000_commits_with_few_reads_each(store: Store, repo: Repo) -> None:
    with store.kv.write() as txn:
        grow(txn, "data", 2_000, store.cache)
    recording = RecordingKV(store.kv)
    with recording.read() as reads:
        head = resolve(reads, "data", "master")
        assert len(list(find_changes(reads, head, (b"d", b"odd"), TreeCache()))) == 1_000
    assert recording.read_calls.total() <= 2_000 * 5


# --- a large file ----------------------------------------------------------------------------

_PRELUDE = """
import io, random, sys, pfslib
from pathlib import Path

MIB, peak = 1 << 20, 0

def look():
    global peak
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            peak = max(peak, int(line.split()[1]) * 1024)

store = pfslib.open(sys.argv[1])
repo = store.repo("data")
"""

_SPARSE = """
SIZE = 4 << 30
PLACE = SIZE // 2 + 5 * MIB + 17

def blocks():
    noise, zeros = random.Random(1), bytes(MIB)
    for number in range(SIZE // MIB):
        if number % 64 == 0:
            look()
        yield noise.randbytes(MIB) if number % 256 == 7 else zeros

def edited():
    position = 0
    for block in blocks():
        if position <= PLACE < position + len(block):
            at = PLACE - position
            block = block[:at] + b"in the middle" + block[at + 13 :]
        position += len(block)
        yield block
    yield b"the end"

def commit(action, branch="master"):
    with repo.commit(branch) as open_commit:
        action(open_commit)
    look()
    return open_commit.commit

commit(lambda c: c.put_file("/f", blocks()))
commit(lambda c: c.put_file("/f", b"the end", append=True))
made = commit(lambda c: c.write_at("/f", PLACE, b"in the middle"))
assert made.inspect_file("/f").size == SIZE + 7
assert made.get_file("/f", SIZE - 1, 99) == b"\\0the end"
assert made.get_file("/f", PLACE - 2, 17) == b"\\0\\0in the middle\\0\\0"
assert made.get_file("/f", 7 * MIB, MIB) == random.Random(1).randbytes(MIB)
with made.open("/f") as file:
    file.seek(-7, io.SEEK_END)
    assert file.read() == b"the end"
fresh = commit(lambda c: c.put_file("/f", edited()), "fresh")
assert fresh.inspect_file("/f").digest == made.inspect_file("/f").digest
print(peak)
"""

_NOISE = """
noise = random.Random(2)

def blocks():
    for _ in range(256):
        look()
        yield noise.randbytes(MIB)

with repo.commit() as open_commit:
    open_commit.put_file("/f", blocks())
    open_commit.put_file("/g", blocks())
look()
print(peak)
"""


def peak_memory(store: Store, script: str) -> int:
    """The most anonymous memory of a process that runs a script on the store, in bytes."""
    command = [sys.executable, "-c", _PRELUDE + script, str(store.path)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_a_file_of_4_gib_is_put_and_edited_in_bounded_memory(store: Store, repo: Repo) -> None:
    """And is then what a fresh put of the edited bytes gives."""
    assert peak_memory(store, _SPARSE) < 300 * MIB
    assert (store.path / "data.mdb").stat().st_size < 200 * MIB


def test_noise_is_put_in_bounded_memory(store: Store, repo: Repo) -> None:
    """Of which nothing is small or known: several times what may be held."""
    assert peak_memory(store, _NOISE) < 300 * MIB


def test_pfslib_is_the_one_under_test() -> None:
    """The scripts above import what this process did."""
    where = subprocess.run(
        [sys.executable, "-c", "import pfslib; print(pfslib.__file__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.strip() == pfslib.__file__
