"""Handles travel: to other processes by pickle, between threads, and out of sight."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from enum import Enum

import msgspec
import pytest

import pfslib
from pfslib.api.tree_source import open_trees
from pfslib.interop import filesystem, streams, transactions
from pfslib.kv import lmdb_kv
from pfslib.kv.lmdb_kv import open_directories
from pfslib.testing.strategies import noise


@pytest.fixture
def commit(repo) -> pfslib.Commit:
    with repo.commit() as open_commit:
        open_commit.put_file("/dir/f", b"content")
    return open_commit.commit


def same(handle):
    return pickle.loads(pickle.dumps(handle))


# --- pickle ----------------------------------------------------------------------------------


def test_a_store_is_opened_again_by_its_path(store, commit):
    copy = same(store)
    assert copy is not store
    assert copy.path == store.path
    assert copy.commit("repo@master") == commit
    assert same(store) is copy, "one store for all that is unpickled"
    copy.close()
    assert same(store).list_repo() == store.list_repo(), "a closed one is opened anew"


def test_other_handles_bring_their_store(store, repo, commit):
    assert same(repo).inspect() == repo.inspect()
    assert same(commit) == commit
    assert same(commit).get_file("/dir/f") == b"content"
    assert same(commit / "dir/f").read_bytes() == b"content"
    assert same(commit / "dir/f") == commit / "dir/f"
    (found,) = commit.find_commit("/dir/f")
    assert same(found) == found
    assert same(list(commit.walk())) == list(commit.walk())
    with open_trees(store.path) as trees:
        assert same(trees).tree(commit.record.root.node).find("dir/f").size == 7


def test_unpickled_handles_share_one_store(store, repo, commit):
    handles = [same(h) for h in (commit, repo, commit / "dir")]
    assert handles[0]._store is handles[1]._store is handles[2].commit._store


def test_an_open_commit_that_lasts_goes_on_elsewhere(store, repo):
    lasting = repo.start_commit()
    lasting.put_file("/a", b"1")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(lasting.put_file, "/b", b"2").result(60)
    assert [info.path for info in lasting.finish().walk()] == ["/a", "/b"]


def test_that_of_a_block_does_not(repo):
    with pytest.raises(pfslib.StateError, match="ends with its") as caught, repo.commit() as block:
        pickle.dumps(block)
    assert "start_commit" in caught.value.hint


def test_a_pickled_handle_of_a_deleted_store_says_so(tmp_path):
    with pfslib.init(tmp_path / "gone") as store:
        pickled = pickle.dumps(store.create_repo("repo"))
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(pfslib.StoreNotFoundError, match="does not exist") as caught:
        pickle.loads(pickled)
    assert caught.value.filename == str(tmp_path / "gone")


def test_a_new_store_in_the_place_of_a_deleted_one_is_another(tmp_path):
    with pfslib.init(tmp_path / "store") as store:
        pickled = pickle.dumps(store)
    first = pickle.loads(pickled)
    shutil.rmtree(tmp_path / "store")
    with pfslib.init(tmp_path / "store") as other:
        other.create_repo("new")
        assert pickle.loads(pickled).repo("new").name == "new"
        # Else a URL would not know which of the two it means.
        assert open_directories().count(tmp_path / "store") == 1
    first.close()


def test_nothing_is_written_to_a_store_that_was_deleted(tmp_path):
    with pfslib.init(tmp_path / "gone") as store:
        commit = store.create_repo("repo").put_file("/f", b"content")
        shutil.rmtree(tmp_path / "gone")
        with pytest.raises(pfslib.StoreNotFoundError, match="was deleted while it was open"):
            store.repo("repo").put_file("/g", b"lost")
        assert commit.get_file("/f") == b"content"


def test_errors_of_another_process_arrive_whole(store):
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        pytest.raises(pfslib.RepoNotFoundError) as caught,
    ):
        pool.submit(store.repo, "missing").result(60)
    assert caught.value.repo == "missing"
    assert caught.value.hint in caught.value.__notes__


def public_handles() -> set[type]:
    """The public classes that are more than records: what they refer to is a store's."""
    found = {getattr(pfslib, name) for name in pfslib.__all__}
    plain = (BaseException, msgspec.Struct, Enum, tuple)
    for module in (filesystem, streams, transactions):
        found |= {
            kind
            for kind in vars(module).values()
            if getattr(kind, "__module__", "") == module.__name__
        }
    return {
        kind
        for kind in found
        if isinstance(kind, type)
        and not issubclass(kind, plain)
        and not getattr(kind, "_is_protocol", False)
        and not kind.__name__.startswith("_")
    }


@pytest.mark.mount
def test_every_public_handle_is_pickled_or_says_why_not(store, repo, commit, fs, tmp_path):
    """And reads the same afterwards."""
    (tmp_path / "copy").mkdir()
    lasting = repo.start_commit("other")
    lasting.put_file("/g", b"new")
    inside = fs.open("repo@master/dir/f", block_size=3)
    inside.read(2)
    with pfslib.open_catalog(store.path) as catalog, open_trees(store.path) as trees:
        pickled = {
            store: lambda it: it.list_repo(),
            repo: lambda it: it.inspect(),
            commit: lambda it: it.get_file("/dir/f"),
            lasting: lambda it: it.get_file("/g"),
            commit / "dir": lambda it: [path.read_bytes() for path in it.iterdir()],
            commit.tree: lambda it: (it.find("/dir/f"), it.where),
            trees: lambda it: it.tree(commit.record.root.node).root,
            catalog: lambda it: it.repos(),
            repo.working_copy(tmp_path / "copy"): lambda it: it.origin,
            fs: lambda it: it.cat("repo@master/dir/f"),
            inside: lambda it: (it.path, it.info(), it.tell(), it.read()),
        }
        for handle, look in pickled.items():
            copy = same(handle)
            assert copy is not handle
            assert look(copy) == look(handle), handle
    mounted, transaction = commit.mount(), fs.transaction
    with (
        mounted,
        fs.open("scratch@master/f", "wb") as writer,
        fs.open("scratch@master/g", "w") as text,
        fs.open("scratch@master/h", "wb", compression="gzip") as packed,
    ):
        refused = [mounted, writer, text, packed, transaction]
        for handle in refused:
            with pytest.raises(pfslib.StateError, match="is not pickled") as caught:
                pickle.dumps(handle)
            assert caught.value.hint
    shown = {type(handle) for handle in [*pickled, *refused]}
    assert shown == public_handles(), public_handles() ^ shown


def test_a_file_goes_elsewhere_with_its_position(commit):
    file = commit.open("/dir/f", "rb")
    file.read(3)
    assert same(file).read() == file.read()


def test_a_tree_of_a_deleted_commit_is_no_damage(store, repo, commit):
    pickled = pickle.dumps(commit.tree)
    repo.drop_commit(commit.id)
    store.gc()
    with pytest.raises(pfslib.CommitNotFoundError):
        pickle.loads(pickled).find("/dir/f")


def test_a_closed_store_is_said_as_a_closed_file_is(store, repo, commit):
    store.close()
    for use in (store.list_repo, repo.inspect, lambda: commit.get_file("/dir/f")):
        with pytest.raises(ValueError, match="is closed") as caught:
            use()
        assert isinstance(caught.value, pfslib.StoreClosedError)
        assert caught.value.hint


# --- out of sight ----------------------------------------------------------------------------


def test_a_store_that_nobody_refers_to_is_closed(tmp_path):
    pfslib.init(tmp_path / "store").create_repo("repo")
    gc.collect()
    assert tmp_path / "store" not in open_directories()


def test_any_handle_keeps_it_open(tmp_path):
    with pfslib.init(tmp_path / "store").create_repo("repo").commit() as open_commit:
        open_commit.put_file("/f", b"0123456789")
    file = open_commit.commit.open("/f")
    del open_commit
    gc.collect()
    assert file.read() == b"0123456789"
    assert tmp_path / "store" in open_directories()
    del file
    gc.collect()
    assert tmp_path / "store" not in open_directories()


def test_closing_and_being_forgotten_counts_once(tmp_path):
    with pfslib.init(tmp_path / "store") as store:
        other = pfslib.open(tmp_path / "store")
        other.close()
        other.close()
        del other
        gc.collect()
        assert store.list_repo() == []


def test_a_store_forgotten_while_another_is_opened_is_closed_with_the_next(tmp_path):
    """A finalizer may run anywhere, and then must not wait for what its own thread holds."""
    store = pfslib.init(tmp_path / "store")
    with lmdb_kv._registry_lock:
        del store
        gc.collect()
        assert tmp_path / "store" in open_directories()
    pfslib.init(tmp_path / "other").close()
    assert tmp_path / "store" not in open_directories()


# --- threads ---------------------------------------------------------------------------------


def test_threads_share_an_open_commit(repo):
    together = threading.Barrier(8)

    def put_many(number: int) -> None:
        together.wait(10)
        for part in range(20):
            open_commit.put_file(f"/{number}/{part}", noise(3000, number * 100 + part))
            open_commit.put_file("/log", b"x", append=True)
        open_commit.delete_file(f"/{number}/0")
        assert open_commit.get_file(f"/{number}/1") == noise(3000, number * 100 + 1)

    with repo.commit() as open_commit, ThreadPoolExecutor(8) as threads:
        list(threads.map(put_many, range(8)))
    commit = open_commit.commit
    assert commit.files == 8 * 19 + 1
    assert commit.get_file("/log") == b"x" * 160
    for number in range(8):
        for part in range(1, 20):
            assert commit.get_file(f"/{number}/{part}") == noise(3000, number * 100 + part)


def test_a_forked_child_is_not_stuck_in_another_threads_turn(repo):
    lasting = repo.start_commit()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lasting._turns.lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            lasting.put_file("/f", b"child")
            code = 0
        finally:
            os._exit(code)
    end = time.monotonic() + 20
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.002)
    done.set()
    thread.join()
    if ended[0] == 0:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    assert lasting.get_file("/f") == b"child"


# --- warnings --------------------------------------------------------------------------------


def test_warnings_are_silent_unless_asked_for(store, tmp_path):
    """Python itself prints those of a library that has no handler at all."""
    code = (
        "import logging, sys, pfslib\n"
        "pfslib.open(sys.argv[1])\n"
        "if len(sys.argv) > 2: logging.basicConfig()\n"
        "logging.getLogger('pfslib').warning('something odd')"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, store.path, *asked],
            capture_output=True,
            text=True,
            check=True,
        ).stderr.strip()
        for asked in ((), ("asked",))
    ]
    assert said == ["", "WARNING:pfslib:something odd"]


def test_two_open_commits_may_copy_from_each_other(store, repo):
    one, two = (repo.start_commit(branch) for branch in ("one", "two"))
    for commit in (one, two):
        commit.put_file("/f", commit.branch)
    together = threading.Barrier(2)

    def copy(source: pfslib.OpenCommit, target: pfslib.OpenCommit) -> None:
        together.wait(10)
        for number in range(20):
            target.copy_file(source, "/f", f"/{number}")

    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(copy, *pair) for pair in ((one, two), (two, one))]
        for done in work:
            done.result(60)
    assert one.finish().get_file("/19") == b"two"
    assert two.finish().get_file("/19") == b"one"
