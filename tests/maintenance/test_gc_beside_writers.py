"""gc beside writers: whenever it runs, nothing live is lost, and the next one takes all else.

Where it matters, another writer's steps are put between any two transactions of a collection.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import pfslib
from pfslib import BusyError, CommitNotFoundError, OpenCommit, Store
from pfslib.chunks import ingest
from pfslib.chunks.codec import plain_size
from pfslib.kv import holds, short_reads
from pfslib.kv.protocol import WriteTxn
from pfslib.kv.tables import Table
from pfslib.maintenance import gc, reach, sweep
from pfslib.model.encoding import pack
from pfslib.model.nodes import Entry, Kind
from pfslib.model.work import Image
from pfslib.testing.inventory import (
    assert_clean,
    assert_exact,
    contents,
    held,
    put,
    small_files,
    stored,
)
from pfslib.testing.steps import SteppedKV
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, Op, apply_edits

Files = dict[str, bytes]

HELLO = Entry(b"", Kind.FILE, 5, b"hello", 0, b"")


@pytest.fixture
def tiny_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many transactions a collection, though the store is small."""
    monkeypatch.setattr(gc, "_MARKS_A_TXN", 7)
    monkeypatch.setattr(short_reads, "_PAGE", 5)
    monkeypatch.setattr(reach, "_NODES_A_TXN", 2)
    monkeypatch.setattr(sweep, "ROWS_A_TXN", 7)


@pytest.fixture
def garbage(store: Store, random: Random) -> Files:
    """Files whose contents are garbage: in packs, chunks, and a list of pieces."""
    files = {**small_files(random, 20, 2_500), "/big": random.randbytes(400_000)}
    put(store, "gone", files)
    store.delete_repo("gone")
    store.create_repo("r")
    return files


def commit(store: Store, repo: str = "r") -> OpenCommit:
    return store.repo(repo).commit(message="again")


def write(made: OpenCommit, files: Files) -> None:
    for path, data in files.items():
        made.put_file(path, data)


def test_inside_a_with_block_that_found_garbage(
    store: Store, garbage: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_BATCH_BYTES", 48 * 1024)  # so that some of it is looked up
    with commit(store) as made:
        write(made, garbage)
        assert store.gc().pieces < len(garbage)
    assert contents(store, "r@master") == garbage
    store.gc()
    assert_exact(store)
    assert_clean(store)


def test_a_block_that_raises_holds_nothing(store: Store, garbage: Files) -> None:
    def put_and_fail() -> None:
        with commit(store) as made:
            write(made, garbage)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put_and_fail()
    store.gc()
    assert stored(store).chunks == set()
    assert held(store.path) == 0


def test_without_room_for_a_note_a_writer_keeps_gc_away(
    store: Store, garbage: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_store_dir: Path) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(holds, "_take_file", no_room)
    with commit(store) as made:
        write(made, garbage)
        made._editing.writer._ingest.settle()
        with pytest.raises(BusyError, match="a writer keeps gc away"):
            store.gc()
    assert contents(store, "r@master") == garbage
    store.gc()
    assert_exact(store)


def test_a_forked_child_holds_nothing_of_its_parents(store: Store, garbage: Files) -> None:
    made = commit(store)
    write(made, garbage)
    made._editing.writer._ingest.settle()
    ready, wait = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x")
        os.read(wait[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    made.discard()
    assert store.gc().pieces > 0
    os.write(wait[1], b"x")
    os.waitpid(child, 0)
    for fd in (*ready, *wait):
        os.close(fd)
    assert stored(store).chunks == set()


def test_a_forgotten_commit_holds_nothing(store: Store, garbage: Files) -> None:
    made = commit(store)
    write(made, garbage)
    del made
    store.gc()
    assert stored(store).chunks == set()


def test_what_was_spilled_stays(
    store: Store, random: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pfslib.chunks.ingest.SPILL_BYTES", 4 << 20)
    store.create_repo("r")
    data = random.randbytes(20_000_000)
    with commit(store) as made:
        made._editing.writer._ingest._spill_bytes = 4 << 20
        made.put_file("/big", data)
        assert stored(store).chunks
        store.gc()
    assert store.commit("r@master").get_file("/big") == data
    store.gc()
    assert_exact(store)


def test_a_copied_tree_stays_though_its_repo_goes(store: Store, random: Random) -> None:
    files = {**small_files(random, 300, 1_000), "/big": random.randbytes(300_000)}
    put(store, "source", files)
    put(store, "r", {"/own": b"own"})
    with commit(store) as made:
        made.copy_file(store.commit("source@master"), "/", "/all")
        made.copy_file(store.commit("source@master"), "/big", "/big")
        store.delete_repo("source")
        store.gc()
    assert contents(store, "r@master") == {
        "/own": b"own",
        "/big": files["/big"],
        **{f"/all{path}": data for path, data in files.items()},
    }
    store.gc()
    assert_exact(store)


def test_nothing_is_copied_from_a_commit_that_is_gone(store: Store, garbage: Files) -> None:
    put(store, "source", garbage)
    source = store.commit("source@master")
    store.delete_repo("source")
    with commit(store) as made, pytest.raises(CommitNotFoundError, match=source.id):
        made.copy_file(source, "/big", "/big")


# --- between any two transactions ------------------------------------------------------------

Script = Callable[[Store, Files], list[Callable[[], object]]]
"""A writer's steps, to be put into a collection one after the other."""


def _commit_at_once(store: Store, files: Files) -> list[Callable[[], object]]:
    return [lambda: put(store, "r", files)]


def _look_up_then_publish(store: Store, files: Files) -> list[Callable[[], object]]:
    made = commit(store)

    def look_up() -> None:
        write(made, files)
        made._editing.writer._ingest.settle()

    return [look_up, made.finish]


def _publish_then_inherit_then_delete(store: Store, files: Files) -> list[Callable[[], object]]:
    """A tree of garbage, published and copied on; what it was copied from is deleted."""
    made = commit(store)

    def copy() -> None:
        made.copy_file(store.commit("between@master"), "/", "/copy")

    return [
        lambda: put(store, "between", files),
        copy,
        lambda: store.delete_repo("between"),
        made.finish,
    ]


def _append_to_garbage(store: Store, files: Files) -> list[Callable[[], object]]:
    made = store.start_commit("r")
    return [
        lambda: made.put_file("/big", files["/big"]),
        lambda: made.put_file("/big", b"more", append=True),
        made.finish,
    ]


SCRIPTS = [
    _commit_at_once,
    _look_up_then_publish,
    _publish_then_inherit_then_delete,
    _append_to_garbage,
]


@pytest.mark.usefixtures("tiny_steps")
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("seed", range(8))
def test_a_writer_between_the_transactions(
    store: Store, garbage: Files, script: Script, seed: int
) -> None:
    total = _steps_of_a_collection(store)
    steps = script(store, garbage)
    random = Random(seed)
    at = sorted(random.randrange(total) for _ in steps)
    todo = list(zip(at, steps, strict=True))

    def on_step(number: int) -> None:
        while todo and number >= todo[0][0]:
            todo.pop(0)[1]()

    gc.collect(SteppedKV(store.kv, on_step))
    while todo:  # it came to its end sooner, as less was garbage
        todo.pop(0)[1]()
    assert _contents_of(store, script) == _expected(garbage, script)
    store.gc()
    assert_exact(store)
    assert_clean(store)


def _steps_of_a_collection(store: Store) -> int:
    """How many transactions one has, counted on a copy of the garbage."""
    kv = SteppedKV(store.kv, lambda _: None)
    gc.collect(kv, dry_run=True)
    return kv.steps * 3


def _contents_of(store: Store, script: Script) -> Files:
    found = contents(store, "r@master")
    if script is _publish_then_inherit_then_delete:
        return {path.removeprefix("/copy"): data for path, data in found.items()}
    return found


def _expected(garbage: Files, script: Script) -> Files:
    if script is _append_to_garbage:
        return {"/big": garbage["/big"] + b"more"}
    return garbage


def test_a_copy_published_between_the_last_look_at_roots_and_at_holds(
    store: Store, garbage: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lets go of something while gc is at work leaves it to be seen."""
    made = commit(store)
    mark, reach_held = gc._Collection._mark, gc._Collection._reach_held

    def publish_mark_copy_and_delete(self: gc._Collection) -> None:
        put(store, "between", garbage)
        mark(self)
        made.copy_file(store.commit("between@master"), "/", "/copy")
        store.delete_repo("between")

    def publish_first(self: gc._Collection) -> None:
        made.finish()
        reach_held(self)

    monkeypatch.setattr(gc._Collection, "_mark", publish_mark_copy_and_delete)
    monkeypatch.setattr(gc._Collection, "_reach_held", publish_first)
    store.gc()
    assert contents(store, "r@master") == {f"/copy{path}": data for path, data in garbage.items()}
    assert held(store.path) == 0
    monkeypatch.undo()
    store.gc()
    assert_exact(store)
    assert_clean(store)


def test_what_was_stored_anew_thins_the_pack_it_was_in(
    store: Store, random: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = random.randbytes(10_000), random.randbytes(30_000)
    put(store, "both", {"/small": small, "/large": large})
    put(store, "small", {"/small": small})
    store.delete_repo("both")
    mark = gc._Collection._mark

    def mark_and_come_back(self: gc._Collection) -> None:
        mark(self)
        put(store, "large", {"/large": large})

    monkeypatch.setattr(gc._Collection, "_mark", mark_and_come_back)
    assert store.gc().chunks_rewritten == 1
    assert contents(store, "small@master") == {"/small": small}
    assert contents(store, "large@master") == {"/large": large}
    with store.kv.read() as txn:
        sizes = sorted(plain_size(frame) for _, frame in txn.scan(Table.CHUNKS))
    assert sizes == [10_000, 30_000]


@pytest.mark.usefixtures("tiny_steps")
@pytest.mark.parametrize("step", range(1, 20, 3))
def test_a_tree_of_the_same_bytes_comes_back(store: Store, step: int) -> None:
    """Nodes that are there already are not written again, and yet are no garbage any more."""

    def write_tree(txn: WriteTxn) -> Entry:
        edits = [Edit(Op.PUT, (b"d%d" % n, b"f"), HELLO) for n in range(60)]
        empty = empty_directory(txn, mtime_ns=0, origin=b"")
        return apply_edits(txn, empty, edits, store.cache, origin=b"", now_ns=0).root

    with store.kv.write() as txn:
        write_tree(txn)

    def on_step(number: int) -> None:
        if number == step:
            with store.kv.write() as txn:
                txn.put(Table.IMAGES, b"i", pack(Image("i", write_tree(txn), 0)))

    gc.collect(SteppedKV(store.kv, on_step))
    assert_clean(store)
    store.gc()
    assert_exact(store)


# --- real threads and processes --------------------------------------------------------------

WRITER = """
import sys, pfslib
from random import Random
where, repo, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
random = Random(seed)
pool = [Random(n).randbytes(Random(n).choice([200, 2_000, 90_000])) for n in range(60)]
expected = {}
with pfslib.open(where) as store:
    for _ in range(12):
        there = repo in {known.name for known in store.list_repo()}
        if there and random.random() < 0.3:
            store.delete_repo(repo)
            there, expected = False, {}
        if not there:
            store.create_repo(repo)
        with store.repo(repo).commit() as commit:
            for _ in range(random.randrange(1, 25)):
                path, data = f"/{random.randrange(6)}/{random.randrange(9)}", random.choice(pool)
                commit.put_file(path, data)
                expected[path] = data
    head = store.commit(f"{repo}@master")
    found = {f.path: head.get_file(f.path) for f in head.walk() if f.kind == "file"}
    assert found == expected, (len(found), len(expected))
"""


def test_beside_processes_that_write_and_delete(store: Store) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.path), f"r{n}", str(n)])
        for n in range(3)
    ]
    collections = 0
    while any(writer.poll() is None for writer in writers):
        store.gc()
        collections += 1
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert collections > 2
    store.gc()
    assert_exact(store)
    assert_clean(store)


def test_beside_threads_of_this_process(store: Store) -> None:
    pool = [Random(n).randbytes(Random(n).choice([200, 2_000, 90_000])) for n in range(40)]
    failures: list[BaseException] = []

    def work(repo: str, seed: int) -> None:
        random = Random(seed)
        try:
            for _ in range(15):
                files = {f"/{n}": random.choice(pool) for n in range(random.randrange(1, 20))}
                put(store, repo, files)
                found = contents(store, f"{repo}@master")
                assert {path: found[path] for path in files} == files
                if random.random() < 0.4:
                    store.delete_repo(repo)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"r{n}", n)) for n in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        store.gc()
        time.sleep(0.002)
    assert failures == []
    store.gc()
    assert_exact(store)
    assert_clean(store)
    with pfslib.open(store.path) as again:
        assert_clean(again)
