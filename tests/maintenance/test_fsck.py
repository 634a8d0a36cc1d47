"""fsck: each thing that must hold, broken in turn, is told in a sentence; nothing is mended."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

import pfslib
from pfslib import Store
from pfslib.chunks.chunkstore import find_place, put_place
from pfslib.chunks.codec import encode
from pfslib.chunks.digest import piece_digest
from pfslib.commits.seal import sealed
from pfslib.kv.protocol import WriteTxn
from pfslib.kv.tables import Table, id_key, name_key, name_prefix, number_key
from pfslib.maintenance.findings import PROBLEMS_MAX
from pfslib.model.encoding import pack, unpack
from pfslib.model.history import Branch, Commit, CommitLink, OpenCommit, Tag
from pfslib.model.nodes import Child, Entry, Inner, Kind, Leaf, Piece, PieceList
from pfslib.model.work import Job
from pfslib.testing.full_store import fill
from pfslib.testing.inventory import put, small_files
from pfslib.trees.directories import child_of, ends_node
from pfslib.trees.nodestore import add_node, encode_directory_node, encode_piece_list

pytestmark = [pytest.mark.sandbox, pytest.mark.mount]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("original")
    with pfslib.init(place / "store") as store:
        fill(store, place)
    return place / "store"


@pytest.fixture
def full(original: Path, tmp_path: Path) -> Store:
    """A store with rows in every table."""
    shutil.copytree(original, tmp_path / "full")
    return pfslib.open(tmp_path / "full")


def first(txn: WriteTxn, table: Table, prefix: bytes = b"") -> tuple[bytes, bytes]:
    return next(iter(txn.scan(table, prefix=prefix)))


def change(txn: WriteTxn, table: Table, key: bytes, kind: type, **fields: object) -> None:
    record = unpack(kind, txn.get(table, key) or b"")
    txn.put(table, key, pack(msgspec.structs.replace(record, **fields)))


def head(txn: WriteTxn, repo: str = "files") -> Commit:
    branch = unpack(Branch, txn.get(Table.BRANCHES, name_key(repo, "master")) or b"")
    return unpack(Commit, txn.get(Table.COMMITS, id_key(branch.head)) or b"")


def job_of(txn: WriteTxn, state: str) -> tuple[bytes, Job]:
    jobs = [(key, unpack(Job, value)) for key, value in txn.scan(Table.JOBS)]
    return next((key, job) for key, job in jobs if job.state == state)


# --- history ---------------------------------------------------------------------------------


def branch_without_head(txn: WriteTxn) -> None:
    change(txn, Table.BRANCHES, name_key("files", "other"), Branch, head="ab" * 16)


def branch_on_another_repo(txn: WriteTxn) -> None:
    other = head(txn, "data").id
    change(txn, Table.BRANCHES, name_key("files", "other"), Branch, head=other)


def branch_of_no_repo(txn: WriteTxn) -> None:
    key = name_key("nowhere", "master")
    txn.put(Table.BRANCHES, key, pack(Branch("nowhere", "master", head(txn).id, 0)))


def commit_with_another_message(txn: WriteTxn) -> None:
    change(txn, Table.COMMITS, id_key(head(txn).id), Commit, message="another")


def commit_without_parent(txn: WriteTxn) -> None:
    commit = sealed(msgspec.structs.replace(head(txn), parent="cd" * 16))
    txn.put(Table.COMMITS, id_key(commit.id), pack(commit))


def commit_without_position(txn: WriteTxn) -> None:
    txn.delete(Table.POSITIONS, name_prefix("files", "master") + number_key(0))


def position_without_commit(txn: WriteTxn) -> None:
    txn.put(Table.POSITIONS, name_prefix("files", "master") + number_key(9), b"\1" * 16)


def second_position(txn: WriteTxn) -> None:
    position = name_prefix("files", "master") + number_key(9)
    txn.put(Table.POSITIONS, position, id_key(head(txn).id))


def provenance_without_subvenance(txn: WriteTxn) -> None:
    txn.delete(Table.SUBVENANCE, first(txn, Table.SUBVENANCE)[0])


def subvenance_without_provenance(txn: WriteTxn) -> None:
    key = id_key(head(txn, "data").id) + id_key(head(txn, "files").id)
    txn.put(Table.SUBVENANCE, key, b"")


def open_commit_beside_its_branch(txn: WriteTxn) -> None:
    txn.delete(Table.OPEN_BRANCHES, name_key("files", "master"))


def open_branch_without_commit(txn: WriteTxn) -> None:
    txn.put(Table.OPEN_BRANCHES, name_key("files", "more"), b"\2" * 16)


def edit_of_no_commit(txn: WriteTxn) -> None:
    _, value = first(txn, Table.STAGED)
    txn.put(Table.STAGED, b"\3" * 16 + number_key(0), value)


def counter_behind(txn: WriteTxn) -> None:
    txn.put(Table.META, b"reflog", number_key(1))


def record_of_another_kind(txn: WriteTxn) -> None:
    txn.put(Table.REPOS, b"data", pack(["not", "a", "repo"]))


def record_under_another_name(txn: WriteTxn) -> None:
    txn.put(Table.REPOS, b"misnamed", txn.get(Table.REPOS, b"data") or b"")


def tag_without_commit(txn: WriteTxn) -> None:
    change(txn, Table.TAGS, name_key("files", "v1"), Tag, commit="ef" * 16)


# --- work ------------------------------------------------------------------------------------


def queue_of_no_job(txn: WriteTxn) -> None:
    txn.put(Table.QUEUE, number_key(77), b"\4" * 16)


def finished_job_in_the_queue(txn: WriteTxn) -> None:
    key, job = job_of(txn, "success")
    txn.put(Table.QUEUE, number_key(job.number), key)


def waiting_job_not_in_the_queue(txn: WriteTxn) -> None:
    _, job = job_of(txn, "created")
    txn.delete(Table.QUEUE, number_key(job.number))


def job_out_of_order(txn: WriteTxn) -> None:
    _, job = job_of(txn, "success")
    txn.delete(Table.JOB_ORDER, number_key(job.number))


def work_of_no_commit(txn: WriteTxn) -> None:
    _, value = first(txn, Table.WORKS)
    txn.put(Table.WORKS, b"\6" * 16, value)


def datum_of_no_job(txn: WriteTxn) -> None:
    _, value = first(txn, Table.JOB_DATUMS)
    txn.put(Table.JOB_DATUMS, b"\5" * 16 + number_key(0), value)


def pipeline_without_repo(txn: WriteTxn) -> None:
    txn.delete(Table.REPOS, b"copies")


# --- trees -----------------------------------------------------------------------------------


def with_root(txn: WriteTxn, root: Entry) -> None:
    commit = sealed(msgspec.structs.replace(head(txn), root=root))
    txn.put(Table.COMMITS, id_key(commit.id), pack(commit))


def store_leaf(txn: WriteTxn, *entries: Entry) -> Child:
    node = Leaf(0, entries)
    key, data = encode_directory_node(node)
    add_node(txn, key, data)
    return child_of(node, key)


def directory(child: Child) -> Entry:
    return Entry(
        b"", Kind.DIRECTORY, child.size, child.digest, 0, b"", node=child.node, files=child.files
    )


def file(name: bytes, data: bytes = b"x") -> Entry:
    return Entry(name, Kind.FILE, len(data), data, 0, b"")


def names_out_of_order(txn: WriteTxn) -> None:
    with_root(txn, directory(store_leaf(txn, file(b"b"), file(b"a"))))


def impossible_name(txn: WriteTxn) -> None:
    with_root(txn, directory(store_leaf(txn, file(b".."))))


def impossible_kind(txn: WriteTxn) -> None:
    entry = msgspec.structs.replace(file(b"a"), kind=9)
    with_root(txn, directory(store_leaf(txn, entry)))


def inline_size_wrong(txn: WriteTxn) -> None:
    entry = msgspec.structs.replace(file(b"a"), size=2)
    with_root(txn, directory(store_leaf(txn, entry)))


def totals_wrong(txn: WriteTxn) -> None:
    root = directory(store_leaf(txn, file(b"a")))
    with_root(txn, msgspec.structs.replace(root, size=99))


def digest_wrong(txn: WriteTxn) -> None:
    root = directory(store_leaf(txn, file(b"a")))
    with_root(txn, msgspec.structs.replace(root, content=b"\6" * 32))


def store_inner(txn: WriteTxn, *children: Child) -> Child:
    node = Inner(1, children)
    key, data = encode_directory_node(node)
    add_node(txn, key, data)
    return child_of(node, key)


def split_where_no_node_ends(txn: WriteTxn) -> None:
    leaves = store_leaf(txn, file(b"a")), store_leaf(txn, file(b"b"))
    with_root(txn, directory(store_inner(txn, *leaves)))


def root_with_one_child(txn: WriteTxn) -> None:
    with_root(txn, directory(store_inner(txn, store_leaf(txn, file(b"a")))))


def leaf_not_split(txn: WriteTxn) -> None:
    entries = [file(b"%04d" % number) for number in range(500)]
    with_root(txn, directory(store_leaf(txn, *entries)))


def leaves_that_overlap(txn: WriteTxn) -> None:
    """The second leaf begins before the first one ends, which no sum shows."""
    name = next(b"%04d" % n for n in range(5000) if ends_node(b"%04d" % n, 0))
    leaves = store_leaf(txn, file(name)), store_leaf(txn, file(b"0"), file(b"z"))
    with_root(txn, directory(store_inner(txn, *leaves)))


def node_missing(txn: WriteTxn) -> None:
    txn.delete(Table.NODES, head(txn).root.node)


def large(txn: WriteTxn, *pieces: Piece, level: int = 0) -> Piece:
    key, data = encode_piece_list(PieceList(level, pieces))
    add_node(txn, key, data)
    return Piece(sum(piece.size for piece in pieces), key)


def some_piece(txn: WriteTxn) -> Piece:
    for digest, _ in txn.scan(Table.PLACES):
        place = find_place(txn, digest)
        if place is not None and place.size > 40_000 and digest[0] & 63:
            return Piece(place.size, digest)
    raise AssertionError


def list_size_wrong(txn: WriteTxn) -> None:
    whole = large(txn, some_piece(txn))
    entry = Entry(b"f", Kind.FILE, whole.size + 1, whole.digest, 0, b"")
    with_root(txn, directory(store_leaf(txn, entry)))


def list_split_where_no_node_ends(txn: WriteTxn) -> None:
    part = large(txn, some_piece(txn))
    whole = large(txn, part, part, level=1)
    entry = Entry(b"f", Kind.FILE, whole.size, whole.digest, 0, b"")
    with_root(txn, directory(store_leaf(txn, entry)))


# --- contents --------------------------------------------------------------------------------


def piece_missing(txn: WriteTxn) -> None:
    txn.delete(Table.PLACES, some_piece(txn).digest)


def chunk_missing(txn: WriteTxn) -> None:
    place = find_place(txn, some_piece(txn).digest)
    assert place is not None
    txn.delete(Table.CHUNKS, number_key(place.chunk))


def place_beyond_the_chunk(txn: WriteTxn) -> None:
    piece = some_piece(txn)
    place = find_place(txn, piece.digest)
    assert place is not None
    put_place(txn, piece.digest, place._replace(offset=1))


def other_bytes_in_the_chunk(txn: WriteTxn) -> None:
    piece = some_piece(txn)
    place = find_place(txn, piece.digest)
    assert place is not None
    txn.put(Table.CHUNKS, number_key(place.chunk), encode(bytes(piece.size)))


BREAKS: dict[Callable[[WriteTxn], None], str] = {
    branch_without_head: "branch other of repo files: its head, commit abab.* is missing",
    branch_on_another_repo: "branch other of repo files: its head is a commit of repo data",
    branch_of_no_repo: "branch master of repo nowhere: there is no such repo",
    commit_with_another_message: "commit files@.* does not match its digest",
    commit_without_parent: "commit files@.*: its parent cdcd.* is missing",
    commit_without_position: "commit files@.* is not at its position 0 on branch master",
    position_without_commit: "repo files: commit 0101.* has a position but no more",
    second_position: "commit .* has a second position",
    provenance_without_subvenance: "commit copies@.* is not in the subvenance of its source",
    subvenance_without_provenance: "is in the subvenance of .*, but not made from it",
    open_commit_beside_its_branch: "open commit files@.* is not the open commit of its branch",
    open_branch_without_commit: "the open commit 0202.* of files@more is missing",
    edit_of_no_commit: "an edit is staged for 0303.*, which is not open",
    counter_behind: "the counter reflog is behind what it has given out",
    record_of_another_kind: "REPOS data: a stored Repo record cannot be read",
    record_under_another_name: "the record of repo data stands under misnamed",
    tag_without_commit: "tag v1 of repo files: its commit efef.* is missing",
    queue_of_no_job: "the queue names job 0404.*, which is missing",
    finished_job_in_the_queue: "job .* is finished, and still in the queue",
    waiting_job_not_in_the_queue: "job .* is not finished, and not in the queue",
    job_out_of_order: "job .* is not in its place \\d of the order",
    work_of_no_commit: "how output 0606.* came about is kept, but it is gone",
    datum_of_no_job: "a datum belongs to job 0505.*, which is missing",
    pipeline_without_repo: "pipeline copies: its output repo is missing",
    names_out_of_order: "its names are not in order",
    impossible_name: r"an entry cannot be called '\.\.'",
    impossible_kind: "entry 'a': it is of the unknown kind 9",
    inline_size_wrong: "entry 'a': its content has 1 bytes, not 2",
    totals_wrong: "its sums are 1 bytes .* said to be 99 bytes",
    digest_wrong: "its sums are .* said to be .*digest 0606",
    split_where_no_node_ends: "it ends where no node should",
    root_with_one_child: "its one child should be the root",
    leaf_not_split: "it has 500 items, more than 128",
    leaves_that_overlap: "it begins before the node before it ends",
    node_missing: "node .* is missing",
    list_size_wrong: "its sums are",
    list_split_where_no_node_ends: "it ends where no node should",
    piece_missing: "piece .*: it is missing",
    chunk_missing: "piece .*: its chunk .* is missing",
    place_beyond_the_chunk: "piece .*: it lies beyond the end of its chunk",
    other_bytes_in_the_chunk: "piece .*: its bytes in chunk .* are damaged",
}


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
def test_what_is_broken_is_told(full: Store, broken: Callable[[WriteTxn], None]) -> None:
    with full, full.kv.write() as txn:
        broken(txn)
    with pfslib.open(full.path) as store:
        before = hashlib.sha256((store.path / "data.mdb").read_bytes()).digest()
        report = store.fsck(read_data=True)
        told = [problem.what for problem in report]
        assert any(re.search(BREAKS[broken], sentence) for sentence in told), told
        assert report.checked.problems == len(report.problems) > 0
        assert not report.clean
        assert hashlib.sha256((store.path / "data.mdb").read_bytes()).digest() == before


def test_a_full_store_is_clean(full: Store) -> None:
    with full:
        report = full.fsck(read_data=True)
        assert report.problems == ()
        assert report.checked.commits >= 4
        assert report.checked.read_bytes > 3_000_000
        assert full.fsck().checked.read_bytes == 0


def test_damage_is_told_with_every_commit_and_path_that_it_hits(
    store: Store, random: Random
) -> None:
    data = random.randbytes(200_000)
    ids = [put(store, "r", {"/a/b": data, f"/{n}": b"x" * 200}) for n in range(3)]
    put(store, "other", {"/copy": data, "/fine": b"y" * 200})
    with store.kv.write() as txn:
        digest = piece_digest(b"x" * 200)
        txn.delete(Table.PLACES, digest)
        place = find_place(txn, _first_piece(txn))
        assert place is not None
        txn.put(Table.CHUNKS, number_key(place.chunk), encode(b"nonsense"))
    by_what = {problem.what.split(":")[0]: set(problem.where) for problem in store.fsck()}
    other = store.commit("other@master").id
    large = {f"r@{commit}:/a/b" for commit in ids} | {f"other@{other}:/copy"}
    small = {f"r@{commit}:/{n}" for at, commit in enumerate(ids) for n in range(at + 1)}
    assert by_what[f"piece {digest.hex()}"] == small
    assert large in by_what.values()


def _first_piece(txn: WriteTxn) -> bytes:
    for digest, _ in txn.scan(Table.PLACES):
        place = find_place(txn, digest)
        if place is not None and place.size > 32 * 1024:
            return digest
    raise AssertionError


def test_garbage_is_counted_and_is_no_problem(store: Store, random: Random) -> None:
    put(store, "r", small_files(random, 50))
    store.delete_repo("r")
    report = store.fsck(read_data=True)
    assert report.clean
    assert report.checked.garbage_pieces == 50
    assert report.checked.garbage_nodes > 8


def test_damaged_garbage_is_told_because_new_commits_may_come_to_rely_on_it(
    store: Store, random: Random
) -> None:
    put(store, "r", small_files(random, 50))
    store.delete_repo("r")
    with store.kv.write() as txn:
        key, frame = first(txn, Table.NODES)
        txn.put(Table.NODES, key, frame[:-1] + bytes([frame[-1] ^ 1]))
    (problem,) = store.fsck()
    assert problem.what.endswith("(nothing uses it)")
    assert problem.where == ()


def test_a_file_cut_short_is_damage_and_no_crash(store: Store, random: Random) -> None:
    put(store, "r", {**small_files(random, 100), "/big": random.randbytes(8_000_000)})
    path = store.path
    store.close()
    os.truncate(path / "data.mdb", 3_000_000)
    script = """
import sys
from pathlib import Path
from pfslib.maintenance.fsck import fsck
for problem in fsck(Path(sys.argv[1]), read_data=True):
    print(problem.kind, problem.what)
"""
    told = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout


def test_too_many_problems_are_counted(store: Store, random: Random) -> None:
    files = {f"/{n}": random.randbytes(100) for n in range(PROBLEMS_MAX + 10)}
    put(store, "r", files)
    with store.kv.write() as txn:
        for data in files.values():
            txn.delete(Table.PLACES, piece_digest(data))
    report = store.fsck()
    assert len(report.problems) == PROBLEMS_MAX
    assert report.checked.problems == PROBLEMS_MAX + 10


def test_beside_a_writer(store: Store, random: Random) -> None:
    put(store, "r", small_files(random, 50))
    with store.repo("r").commit() as made:
        made.put_file("/new", random.randbytes(100_000))
        assert store.fsck(read_data=True).clean
    assert store.fsck(read_data=True).clean


def test_progress_is_told(store: Store, random: Random) -> None:
    put(store, "r", small_files(random, 10))
    steps: list[str] = []
    store.fsck(progress=lambda what, _done: steps.append(what))
    assert steps[:2] == ["open", "history"]


def test_stats(store: Store, random: Random) -> None:
    put(store, "r", {"/a": random.randbytes(1_000), "/b": b"inline"})
    stats = store.stats()
    assert (stats.repos, stats.branches, stats.commits, stats.pieces, stats.chunks) == (1,) * 5
    assert stats.content_bytes == 1_000
    assert stats.file_bytes >= stats.used_bytes > 1_000


def test_an_open_commit_and_links_to_what_was_deleted_are_no_problem(store: Store) -> None:
    put(store, "source", {"/a": b"a"})
    source = store.commit("source@master")
    put(store, "made", {"/b": b"b"})
    with store.kv.write() as txn:
        made = head(txn, "made")
        linked = sealed(
            msgspec.structs.replace(made, provenance=(CommitLink("source", source.id),))
        )
        txn.put(Table.COMMITS, id_key(made.id), pack(linked))
        txn.put(Table.SUBVENANCE, id_key(source.id) + id_key(made.id), b"")
    store.start_commit("made")
    assert store.fsck().clean
    store.delete_repo("source", force=True)
    assert store.fsck().clean
    with store.kv.read() as txn:
        assert [unpack(OpenCommit, value).repo for _, value in txn.scan(Table.OPEN)] == ["made"]
