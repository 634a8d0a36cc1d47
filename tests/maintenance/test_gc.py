"""What gc takes, what it leaves, and what it says."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import pfslib
from pfslib import BusyError, CommitNotFoundError, CorruptionError, Store
from pfslib.kv.tables import Table, number_key
from pfslib.maintenance.roots import ROOTED, ROOTLESS
from pfslib.testing.inventory import (
    assert_clean,
    assert_exact,
    contents,
    put,
    small_files,
    stored,
)
from pfslib.testing.shell_pipelines import commit_files, shell_spec
from pfslib.trees.spool import MEMORY_MAX


def test_each_table_is_known_to_lead_somewhere_or_nowhere() -> None:
    assert set(ROOTED) | ROOTLESS == set(Table)
    assert not set(ROOTED) & ROOTLESS


def test_a_store_without_garbage_stays_as_it_is(store: Store, random: Random) -> None:
    put(store, "r", {**small_files(random, 100), "/big": random.randbytes(2_000_000)})
    store.gc()  # the empty tree that the commit began with
    before = stored(store)
    report = store.gc()
    assert (report.nodes, report.pieces, report.chunks_deleted) == (0, 0, 0)
    assert stored(store) == before


def test_what_only_a_deleted_repo_had_is_gone_and_the_rest_is_not(
    store: Store, random: Random
) -> None:
    shared = small_files(random, 50)
    big = random.randbytes(3_000_000)
    kept = {**shared, **{f"/k{n}": random.randbytes(40_000) for n in range(5)}, "/big": big}
    put(store, "kept", kept)
    put(store, "gone", {**shared, "/x": random.randbytes(2_000_000), "/y": big[:1_500_000]})
    store.delete_repo("gone")
    used = store.kv.room().used
    report = store.gc()
    assert report.garbage_bytes > 2_000_000
    assert report.freed_bytes > 2_000_000
    assert store.kv.room().used == used - report.freed_bytes == report.used_bytes
    assert contents(store, "kept@master") == kept
    assert_exact(store)
    assert_clean(store)


def test_an_empty_store_becomes_empty(store: Store, random: Random) -> None:
    put(store, "r", {**small_files(random, 100), "/big": random.randbytes(2_000_000)})
    store.delete_all()
    store.gc()
    assert (stored(store).nodes, stored(store).chunks) == (set(), set())
    assert_clean(store)


def test_old_versions_stay(store: Store, random: Random) -> None:
    versions = [small_files(random, 20) for _ in range(4)]
    ids = [put(store, "r", version) for version in versions]
    store.gc()
    for version, commit in zip(versions, ids, strict=True):
        assert contents(store, f"r@{commit}") == version


def test_freed_room_is_used_again(store: Store, random: Random) -> None:
    sizes = []
    for _ in range(6):
        put(store, "r", {"/x": random.randbytes(8_000_000)})
        store.delete_repo("r")
        store.gc()
        sizes.append(store.kv.room().file)
    assert sizes[-1] < sizes[0] * 1.5


def test_a_pack_less_than_half_in_use_is_rewritten(store: Store, random: Random) -> None:
    files = {f"/{n:03}": random.randbytes(2_000) for n in range(410)}
    put(store, "r", files)
    few = {path: data for n, (path, data) in enumerate(files.items()) if n % 10 == 0}
    put(store, "few", few)
    store.delete_repo("r")
    chunks = stored(store).chunks
    report = store.gc()
    assert report.chunks_rewritten == len(chunks)
    assert len(stored(store).chunks) <= len(chunks) // 5
    assert contents(store, "few@master") == few
    assert store.kv.room().used < 200_000
    assert_exact(store)
    assert_clean(store)


def test_a_pack_more_than_half_in_use_is_left(store: Store, random: Random) -> None:
    files = {f"/{n:03}": random.randbytes(2_000) for n in range(200)}
    put(store, "r", files)
    most = {path: data for n, (path, data) in enumerate(files.items()) if n % 4}
    put(store, "most", most)
    store.delete_repo("r")
    chunks = stored(store).chunks
    assert store.gc().chunks_rewritten == 0
    assert stored(store).chunks == chunks
    # It is found when more is gone, though gc has looked at it before.
    put(store, "least", dict(list(most.items())[:20]))
    store.delete_repo("most")
    store.gc()
    assert contents(store, "least@master") == dict(list(most.items())[:20])
    assert_exact(store)
    assert_clean(store)


def test_a_dry_run_says_the_same_and_changes_nothing(store: Store, random: Random) -> None:
    put(store, "r", small_files(random, 60))
    put(store, "gone", {**small_files(random, 60), "/big": random.randbytes(1_000_000)})
    store.delete_repo("gone")
    before = hashlib.sha256((store.path / "data.mdb").read_bytes()).digest()
    told = store.gc(dry_run=True)
    assert hashlib.sha256((store.path / "data.mdb").read_bytes()).digest() == before
    assert told.dry_run
    done = store.gc()
    figures = ("nodes", "pieces", "garbage_bytes", "live_nodes")
    assert [getattr(told, name) for name in figures] == [getattr(done, name) for name in figures]


def test_open_commits_and_what_is_staged_in_them_stay(store: Store, random: Random) -> None:
    store.create_repo("r")
    data, more = random.randbytes(100_000), random.randbytes(2_000)
    commit = store.start_commit("r")
    commit.put_file("/a", data)
    commit.put_file("/b", more)
    store.gc()
    assert_clean(store)
    finished = store.finish_commit("r", commit.id)
    assert (finished.get_file("/a"), finished.get_file("/b")) == (data, more)
    store.gc()
    assert_exact(store)


def test_commits_of_dead_processes_are_given_up(store: Store) -> None:
    store.create_repo("r")
    script = """
import os, sys, pfslib
with pfslib.open(sys.argv[1]) as store, store.repo("r").commit() as commit:
    for number in range(int(sys.argv[2])):
        commit.put_file(f"/{number}", os.urandom(200))
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(store.path), str(MEMORY_MAX + 1)], check=True)
    assert stored(store).pieces
    assert store.gc(dry_run=True).abandoned_commits == 1
    assert store.gc().abandoned_commits == 1
    assert stored(store).chunks == set()
    assert_clean(store)


def test_results_of_datums_and_images_stay(store: Store, random: Random, tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/tool").write_bytes(random.randbytes(50_000))
    store.create_image("tools", tmp_path / "image")
    store.create_repo("data")
    store.create_pipeline(
        shell_spec("copies", "data", 'echo x >> "$MARK"', "cp /pfs/data/* /pfs/out/")
        | {"transform": {"cmd": ["sh", "-e"], "stdin": ["cp /pfs/data/* /pfs/out/"]}}
    )
    commit_files(store, "data", {f"/{n}": f"{n}" * 500 for n in range(3)})
    (job,) = store.run(runner="local", notice=lambda _: None)
    assert job.state == "success", job.reason
    store.gc()
    assert_exact(store)
    assert_clean(store)
    store.delete_pipeline("copies")
    store.gc()  # what was computed once is still not computed again
    store.create_pipeline(shell_spec("copies", "data", "cp /pfs/data/* /pfs/out/"))
    (job,) = store.run(runner="local", notice=lambda _: None)
    assert job.counts.skipped == 3
    assert contents(store, "copies@master")["/1"] == b"1" * 500
    store.delete_image("tools")
    assert store.gc().pieces >= 1
    assert_exact(store)


def test_only_one_at_a_time(store: Store) -> None:
    with store.kv.sweeping(), pytest.raises(BusyError, match=f"process {os.getpid()} is"):
        store.gc()
    store.gc()


def test_nothing_is_deleted_when_a_live_node_is_missing(store: Store, random: Random) -> None:
    put(store, "r", small_files(random, 300))
    put(store, "gone", {"/x": random.randbytes(100_000)})
    store.delete_repo("gone")
    root = store.commit("r@master").tree.find("/3")
    with store.kv.write() as txn:
        txn.delete(Table.NODES, root.node)
    before = stored(store)
    with pytest.raises(CorruptionError, match="is missing"):
        store.gc()
    assert stored(store) == before


def test_a_damaged_pack_is_left_and_counted(store: Store, random: Random) -> None:
    files = {f"/{n:03}": random.randbytes(2_000) for n in range(20)}
    put(store, "r", files)
    put(store, "one", {"/000": files["/000"]})
    (number,) = stored(store).chunks
    with store.kv.write() as txn:
        frame = bytearray(txn.get(Table.CHUNKS, number_key(number)) or b"")
        frame[5] ^= 1
        txn.put(Table.CHUNKS, number_key(number), bytes(frame))
    store.delete_repo("r")
    assert store.gc().chunks_damaged == 1
    assert stored(store).chunks == {number}


def test_marks_left_by_a_crash_do_no_harm(store: Store, random: Random) -> None:
    files = small_files(random, 30)
    put(store, "r", files)
    names = stored(store)
    with store.kv.write() as txn:  # as if a gc had been killed before it spared what is live
        for name in names.nodes:
            txn.put(Table.CONDEMNED, name, b"n")
        for name in names.pieces:
            txn.put(Table.CONDEMNED, name, b"p")
    put(store, "again", {**files, "/new": b"x" * 2000})
    assert contents(store, "again@master") == {**files, "/new": b"x" * 2000}
    store.gc()
    assert contents(store, "r@master") == files
    assert contents(store, "again@master") == {**files, "/new": b"x" * 2000}
    assert_exact(store)
    assert_clean(store)


def test_a_chunk_without_pieces_is_taken(store: Store) -> None:
    put(store, "r", {"/a": b"x" * 2000})
    with store.kv.write() as txn:
        txn.append(Table.CHUNKS, number_key(1 << 20), b"\0\0\0\0\0")
    assert store.fsck().checked.empty_chunks == 1
    store.gc()
    assert_exact(store)


def test_reading_a_commit_that_is_gone_says_so(store: Store, random: Random) -> None:
    put(store, "r", small_files(random, 300))
    commit = store.commit("r@master")
    store.delete_repo("r")
    store.gc()
    store.cache.nodes.limit = 0
    store.cache.nodes.put(b"", None, 1)  # type: ignore[arg-type]
    with pytest.raises(CommitNotFoundError, match=commit.id):
        commit.get_file("/3/3")


def test_compacting_makes_the_file_small(store: Store, random: Random) -> None:
    kept = small_files(random, 100)
    put(store, "r", kept)
    put(store, "gone", {"/x": random.randbytes(20_000_000)})
    store.delete_repo("gone")
    other = pfslib.open(store.path)  # another handle of this process is no obstacle
    report = store.gc(compact=True)
    assert report.compacted
    assert report.file_bytes == (store.path / "data.mdb").stat().st_size < 2_000_000
    assert (store.path / "data.mdb").stat().st_mode & 0o777 == 0o600
    assert contents(store, "r@master") == kept == contents(other, "r@master")
    put(other, "r", {"/new": b"new"})
    assert contents(store, "r@master")["/new"] == b"new"
    other.close()
    assert_clean(store)


def test_compacting_is_left_when_another_process_has_the_store_open(
    store: Store, random: Random
) -> None:
    put(store, "r", small_files(random, 10))
    script = "import sys, pfslib; s = pfslib.open(sys.argv[1]); print('open', flush=True); input()"
    order = [sys.executable, "-c", script, str(store.path)]
    with subprocess.Popen(order, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        report = store.gc(compact=True)
        assert not report.compacted
        assert "is open in other processes" in report.not_compacted
        other.communicate(b"\n")
    assert store.gc(compact=True).compacted
    assert not list(store.path.glob("compact.*"))


def test_progress_is_told(store: Store, random: Random) -> None:
    put(store, "kept", small_files(random, 10))
    put(store, "gone", small_files(random, 10))
    store.delete_repo("gone")
    steps: list[str] = []
    store.gc(compact=True, progress=lambda what, _done: steps.append(what))
    assert list(dict.fromkeys(steps)) == ["reach", "mark", "sweep", "compact"]
