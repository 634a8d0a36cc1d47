"""Whose writes a transaction takes, and what becomes of them however it ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pytest

import pfslib
from pfslib.interop.filesystem import PfsFileSystem


def paths(fs, at="scratch@master") -> list[str]:
    return [path.partition("/")[2] for path in fs.find(at)]


def in_child(work) -> int:
    """What a forked child ends with: 0 if the work does not raise."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_another_threads_writes_are_its_own(fs, store):
    """Neither lost when the transaction fails, nor in it, nor in the way of its end."""
    with ThreadPoolExecutor(1) as other:
        with pytest.raises(ZeroDivisionError), fs.transaction:
            fs.pipe("scratch@a/f", b"1")
            other.submit(fs.pipe, "scratch@b/g", b"2").result(20)
            raise ZeroDivisionError
        assert fs.cat("scratch@b/g") == b"2"
        assert not fs.exists("scratch@a")

        for number in range(5):
            with fs.transaction:
                fs.pipe(f"scratch@master/a{number}", b"")
                late = other.submit(fs.pipe, f"scratch@master/b{number}", b"")
            late.result(20)
    assert len(paths(fs)) == 10
    assert store.repo("scratch").list_open() == []


def test_tasks_that_a_transaction_starts_are_in_it(fs, store):
    async def work() -> None:
        with fs.transaction:
            each = [asyncio.to_thread(fs.pipe, f"scratch@master/{n}", b"") for n in range(3)]
            await asyncio.gather(*each)
            late.append(asyncio.create_task(after()))
            await asyncio.sleep(0)
        over.set()
        await late[0]

    async def after() -> None:
        await over.wait()
        await asyncio.to_thread(fs.pipe, "scratch@master/late", b"")

    late: list[asyncio.Task[None]] = []
    over = asyncio.Event()
    asyncio.run(work())
    assert paths(fs) == ["0", "1", "2", "late"]
    assert len(list(store.repo("scratch").list_commit())) == 2


def test_a_file_that_cannot_be_put_ends_the_transaction_with_all_of_it(fs, store):
    fs.pipe("scratch@master/f", b"before")
    with pytest.raises(FileExistsError), fs.transaction:
        fs.open("scratch@master/new", "xb")
        second = fs.open("scratch@other/g", "wb")
        fs.pipe("scratch@master/new", b"faster")
    assert second.closed
    assert fs.cat("scratch@master/f") == b"before"
    assert not fs.exists("scratch@other")
    quick = PfsFileSystem(store, wait_s=0.0, skip_instance_cache=True)
    quick.pipe({"scratch@master/f": b"after", "scratch@other/g": b""})


def test_what_clashes_is_said_at_once_and_spoils_nothing(fs):
    fs.pipe("scratch@master/old/f", b"")
    with fs.transaction:
        fs.pipe("scratch@master/f", b"1")
        fs.pipe("scratch@master/d/g", b"2")
        for path in ("f/below", "d", "old", "old/f/x"):
            with pytest.raises(pfslib.PathClashError):
                fs.pipe(f"scratch@master/{path}", b"")
        fs.pipe("scratch@master/f", b"3")
    assert paths(fs) == ["d/g", "f", "old/f"]
    assert fs.cat("scratch@master/f") == b"3"


def test_a_transaction_is_of_the_store_however_it_is_named(fs, store, by_url, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(store.path)
    with pytest.raises(ZeroDivisionError), fs.transaction:
        for number, name in enumerate([None, str(store.path), str(link), store]):
            fsspec.filesystem("pfs", store=name).pipe(f"scratch@master/{number}", b"")
        assert len(paths(fs)) == 4
        raise ZeroDivisionError
    assert not fs.exists("scratch@master")


def test_a_forked_child_has_no_part_in_a_transaction(fs, store):
    def writes() -> None:
        fs.pipe("scratch@childs/f", b"1")
        began = time.monotonic()
        with pytest.raises(pfslib.BranchBusyError):  # at once, for the parent waits for it
            fs.pipe("scratch@master/g", b"")
        assert time.monotonic() - began < 20

    with fs.transaction as transaction:
        fs.pipe("scratch@master/f", b"parent's")
        file = fs.open("scratch@master/open", "wb")
        file.write(b"parent's")
        assert in_child(writes) == 0
        assert in_child(transaction.complete) == 0
        assert in_child(lambda: transaction.complete(commit=False)) == 0
        assert in_child(file.close) == 0
        fs.pipe("scratch@master/after", b"")
    assert paths(fs) == ["after", "f", "open"]
    assert fs.cat("scratch@childs/f") == b"1"
    assert len(list(store.repo("scratch").list_commit())) == 2


def test_nobody_waits_for_its_own_block(fs, store):
    repo, began = store.repo("scratch"), time.monotonic()
    with repo.commit() as commit:
        for _ in range(2):
            with pytest.raises(pfslib.BranchBusyError):  # at once
                fs.pipe("scratch@master/f", b"1")
        commit.finish()
        fs.pipe("scratch@master/f", b"2")
    with pytest.raises(ZeroDivisionError), repo.commit():
        raise ZeroDivisionError
    lasting = repo.start_commit("dev")  # which another thread may end
    threading.Timer(0.2, lasting.finish).start()
    fs.pipe("scratch@dev/f", b"3")
    assert time.monotonic() - began < 20
    assert fs.cat("scratch@master/f") == b"2"


def test_a_file_that_was_opened_before_joins(fs, store):
    file = fs.open("scratch@master/f", "wb")
    with fs.transaction:
        fs.pipe("scratch@master/g", b"")
        file.close()
        with pytest.raises(pfslib.StateError, match="under way"), fs.transaction:
            pass
    assert paths(fs) == ["f", "g"]
    assert len(list(store.repo("scratch").list_commit())) == 1
    with pytest.raises(pfslib.StateError):
        fs.end_transaction()


def test_threads_that_are_none_of_pythons_write_for_the_transaction_of_their_file_system(fs, store):
    from pyarrow import dataset, table

    with pytest.raises(ZeroDivisionError), fs.transaction:
        dataset.write_dataset(
            table({"k": [1, 2], "v": [1, 2]}),
            "scratch@out/set",
            filesystem=fs,
            format="parquet",
            partitioning=["k"],
        )
        assert len(paths(fs, "scratch@out")) == 2
        raise ZeroDivisionError
    assert not fs.exists("scratch@out")


def test_two_transactions_at_once_of_one_file_system(fs):
    both = threading.Barrier(2)

    def write(name: str) -> None:
        with fs.transaction:
            fs.pipe(f"scratch@{name}/f", name.encode())
            both.wait(20)
            assert fs.cat(f"scratch@{name}/f") == name.encode()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, ("one", "two")))
    assert fs.cat("scratch@one/f") + fs.cat("scratch@two/f") == b"onetwo"


def test_a_store_that_was_made_anew_is_the_one_that_is_written(tmp_path):
    path = tmp_path / "lake"
    pfslib.init(path).create_repo("scratch")
    fs = PfsFileSystem(path, skip_instance_cache=True)
    fs.pipe("scratch@master/old", b"")
    shutil.rmtree(path)
    with pytest.raises(pfslib.StoreNotFoundError):
        fs.pipe("scratch@master/none", b"")
    pfslib.init(path).create_repo("scratch")
    fs.pipe("scratch@master/new", b"")
    with pfslib.open(path) as store:
        assert [info.path for info in store["scratch@master"].walk()] == ["/new"]
    assert paths(fs) == ["new"]
