"""Threads share a store, forked children reopen it, and nobody harms anybody."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import pfslib
from pfslib.kv.tables import Table
from pfslib.testing.strategies import noise


def in_child(work: Callable[[], None]) -> None:
    """Do something in a forked child, which must end well and in time."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.002)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    pytest.fail("the child hangs")


def slots(store: pfslib.Store) -> int:
    """Readers' slots of this process that protect a state."""
    rows = [row.split() for row in store.kv._kv._opened.env.readers().splitlines()]
    return sum(row[0] == str(os.getpid()) and row[2] != "-" for row in rows if len(row) == 3)


# --- threads ---------------------------------------------------------------------------------


def test_threads_read_while_one_commits(store, repo):
    def check(commit: pfslib.Commit) -> None:
        number = int(commit.get_file("/number"))
        assert commit.number == number
        assert commit.get_file("/data") == noise(20_000, number)
        assert [info.path for info in commit.walk()] == ["/data", "/many", *many, "/number"]

    many = sorted(f"/many/{number}" for number in range(50))
    done = threading.Event()

    def read() -> int:
        reads = 0
        while not done.is_set():
            check(store.commit("repo@master"))
            reads += 1
        return reads

    def write(number: int) -> None:
        with repo.commit() as commit:
            commit.put_file("/number", b"%d" % number)
            commit.put_file("/data", noise(20_000, number))
            for path in many:
                commit.put_file(path, b"%d" % number)

    write(0)
    with ThreadPoolExecutor(8) as threads:
        readers = [threads.submit(read) for _ in range(8)]
        try:
            for number in range(1, 12):
                write(number)
        finally:
            done.set()
        assert all(reader.result(20) > 0 for reader in readers)


def test_threads_commit_to_branches_of_their_own(store, repo):
    def work(name: str) -> None:
        for number in range(10):
            with repo.commit(name) as commit:
                commit.put_file("/f", f"{name} {number}" * 100)
                commit.put_file("/large", noise(100_000, number))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, "abcd"))
    for name in "abcd":
        assert len(list(repo.list_commit(name))) == 10
        assert store.get_file("repo", name, "/f") == f"{name} 9".encode() * 100
        assert store.get_file("repo", name, "/large") == noise(100_000, 9)


def test_a_store_closed_under_threads_refuses_them(store, repo):
    with repo.commit() as commit:
        commit.put_file("/f", noise(1_000_000))
    started = threading.Barrier(7)

    def read() -> type[BaseException]:
        started.wait(10)
        while True:
            try:
                assert len(store.get_file("repo", "master", "/f", 0, 100_000)) == 100_000
            except pfslib.PfsError as error:
                return type(error)

    with ThreadPoolExecutor(6) as threads:
        readers = [threads.submit(read) for _ in range(6)]
        started.wait(10)
        time.sleep(0.05)
        store.close()
        assert {reader.result(20) for reader in readers} == {pfslib.StoreClosedError}


# --- forks -----------------------------------------------------------------------------------


def test_a_child_reads_and_writes_a_store_opened_by_its_parent(store, repo):
    with repo.commit() as commit:
        commit.put_file("/f", noise(100_000))
    old = commit.commit

    def work() -> None:
        assert old.get_file("/f") == noise(100_000)
        with repo.commit() as commit:
            commit.put_file("/child", noise(200_000))
        assert store.commit("repo@master^") == old

    in_child(work)
    assert store.get_file("repo", "master", "/child") == noise(200_000)
    with repo.commit() as commit:
        commit.put_file("/parent", b"1")
    in_child(lambda: store.get_file("repo", "master", "/parent"))


def test_children_and_grandchildren_each_have_their_own(store, repo):
    def work() -> None:
        store.create_repo(f"{os.getppid()}")
        in_child(lambda: store.create_repo("grandchild"))
        store.repo("grandchild")

    in_child(work)
    assert [info.name for info in store.list_repo()] == sorted(
        [f"{os.getpid()}", "grandchild", "repo"]
    )


def test_a_child_may_close_the_store_and_the_parent_goes_on(store, repo):
    def use_and_close() -> None:
        store.list_repo()
        store.close()

    for work in (store.close, use_and_close):
        in_child(work)
        store.list_repo()
    in_child(lambda: None)
    with repo.commit() as commit:
        commit.put_file("/f", b"1")


@pytest.mark.parametrize("kept", [False, True])
def test_a_fork_leaves_the_parents_readers_protected(store, repo, kept):
    """A child that closes what it inherited must not give the parent's slots back."""
    with store.kv.read() as txn:
        txn.count(Table.REPOS)
    if not kept:
        del txn
    in_child(lambda: None)
    with store.kv.read() as txn:
        assert slots(store) == 1
    in_child(store.list_repo)
    with store.kv.read():
        assert slots(store) == 1
    del txn
    assert slots(store) == 0


def test_a_fork_in_the_middle_of_another_threads_read(store, repo):
    with repo.commit() as commit:
        commit.put_file("/f", noise(1_000_000))
    reading, go_on = threading.Event(), threading.Event()
    seen = []

    def read() -> None:
        with store.kv.read() as txn:
            before = list(txn.scan(Table.CHUNKS))
            reading.set()
            go_on.wait(1)
            seen.append(list(txn.scan(Table.CHUNKS)) == before)

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(10)
    threading.Timer(0.2, go_on.set).start()
    in_child(store.list_repo)
    thread.join(10)
    assert seen == [True]


def test_a_fork_in_the_middle_of_another_threads_write(store, repo):
    writing, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with store.kv.write() as txn:
            writing.set()
            go_on.wait(1)
            txn.put(Table.META, b"test", b"written")

    thread = threading.Thread(target=write)
    thread.start()
    writing.wait(10)
    threading.Timer(0.2, go_on.set).start()
    in_child(lambda: store.create_repo("child"))
    thread.join(10)
    with store.kv.read() as txn:
        assert txn.get(Table.META, b"test") == b"written"
    assert store.repo("child").name == "child"


def test_a_fork_waits_for_no_transaction(store, repo):
    """One that does not end: the child works all the same, the parent keeps its state."""
    reading, go_on = threading.Event(), threading.Event()
    seen = []

    def read() -> None:
        with store.kv.read() as txn:
            reading.set()
            go_on.wait(20)
            seen.append(txn.count(Table.REPOS))

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(10)
    in_child(lambda: store.create_repo("child"))
    assert slots(store) == 1
    store.create_repo("other")
    go_on.set()
    thread.join(10)
    assert seen == [1]


def test_a_child_is_not_locked_out_of_what_another_thread_was_using(store, repo):
    with repo.commit() as commit:
        commit.put_file("/f", noise(300_000))
    store.get_file("repo", "master", "/f")
    cache = store.cache
    with cache.nodes._lock, cache.chunks.chunks._lock, cache.chunks.pieces._lock:
        in_child(lambda: store.get_file("repo", "master", "/f"))


@pytest.mark.slow
def test_forks_among_busy_threads(store, repo):
    """Children of a process with readers and a writer neither hang nor harm it."""
    with repo.commit() as commit:
        commit.put_file("/f", noise(300_000))
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            commit = store.commit("repo@master")
            assert commit.get_file("/f") == noise(300_000)

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            with repo.commit() as commit:
                commit.put_file("/number", b"%d" % number)

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(target) for target in (read, read, read, write)]
        try:
            for number in range(25):
                in_child(lambda: store.get_file("repo", "master", "/f"))
                in_child(lambda number=number: store.create_repo(f"child{number}"))
        finally:
            done.set()
        for thread in work:
            thread.result(20)
    assert len(store.list_repo()) == 26
