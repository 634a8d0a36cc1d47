"""Several processes on one store: commits handed over, owners that die, a writer that stops."""

from __future__ import annotations

import itertools
import os
import signal
import time

import pytest

import pfslib
from pfslib.kv.lmdb_kv import LmdbKV
from pfslib.kv.process import is_alive, this_process
from pfslib.kv.tables import Table
from pfslib.testing.strategies import noise


def test_a_commit_goes_through_several_processes(store, repo, run_script):
    started = run_script(
        """
        with pfslib.open(sys.argv[1]) as store:
            commit = store.start_commit("repo", message="handed over")
            commit.put_file("/log", b"first\\n")
            commit.put_file("/large", b"x" * 1_000_000)
            say(commit.id)
        """,
        store.path,
    )
    store.put_file("repo", started, "/log", b"second\n", append=True)
    run_script(
        """
        with pfslib.open(sys.argv[1]) as store:
            commit = store.open_commit("repo", "master")
            commit.put_file("/log", b"third\\n", append=True)
            commit.finish()
        """,
        store.path,
    )
    commit = store.commit("repo@master")
    assert (commit.id, commit.message) == (started, "handed over")
    assert commit.get_file("/log") == b"first\nsecond\nthird\n"
    assert commit.get_file("/large") == b"x" * 1_000_000


def test_what_was_put_outlives_a_killed_process(store, repo, start_script):
    process = start_script(
        """
        store = pfslib.open(sys.argv[1])
        commit = store.start_commit("repo")
        for number in range(10):
            commit.put_file(f"/{number}", b"%d" % number * 1000)
        say(commit.id)
        wait()
        """,
        store.path,
    )
    started = process.stdout.readline().strip()
    process.kill()
    process.wait()
    commit = store.finish_commit("repo", started)
    assert commit.files == 10
    assert commit.get_file("/7") == b"7" * 1000


def test_processes_write_into_one_commit_at_once(store, repo, start_script):
    started = repo.start_commit()
    processes = [
        start_script(
            """
            with pfslib.open(sys.argv[1]) as store:
                commit = store.open_commit("repo", "master")
                for number in range(25):
                    commit.put_file("/log", f"{sys.argv[2]} {number}\\n", append=True)
                    commit.put_file(f"/{sys.argv[2]}/{number}", f"{number}" * 100)
            """,
            store.path,
            who,
        )
        for who in ("a", "b", "c")
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    commit = started.finish()
    lines = commit.get_file("/log").decode().splitlines()
    for who in ("a", "b", "c"):
        mine = [line for line in lines if line.startswith(who)]
        assert mine == [f"{who} {number}" for number in range(25)]
        assert commit.inspect_file(f"/{who}").files == 25


def test_processes_commit_in_turn(store, repo, start_script):
    processes = [
        start_script(
            """
            with pfslib.open(sys.argv[1]) as store:
                made = 0
                while made < 15:
                    try:
                        with store.repo("repo").commit() as commit:
                            commit.put_file("/f", f"{os.getpid()} {made}")
                    except pfslib.BranchBusyError:
                        continue
                    made += 1
            """,
            store.path,
        )
        for _ in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    commits = list(repo.list_commit())
    assert len(commits) == 45
    assert [commit.number for commit in commits] == list(range(45))
    assert len({commit.get_file("/f") for commit in commits}) == 45
    for older, newer in itertools.pairwise(commits):
        assert newer.record.parent == older.id


BLOCK = """
store = pfslib.open(sys.argv[1])
with store.repo("repo").commit() as commit:
    commit.put_file("/lost", b"1")
    say(commit.id)
    wait()
"""


def test_a_living_block_holds_its_branch(store, repo, start_script):
    process = start_script(BLOCK, store.path)
    held = process.stdout.readline().strip()
    with pytest.raises(pfslib.BranchBusyError, match=held):
        repo.commit()
    process.communicate("\n")
    assert store.commit("repo@master").id == held
    with repo.commit() as commit:
        commit.put_file("/f", b"1")


@pytest.mark.parametrize("start", ["commit", "start_commit"])
def test_a_dead_block_gives_its_branch_back(store, repo, start_script, start):
    process = start_script(BLOCK, store.path)
    held = process.stdout.readline().strip()
    process.kill()
    process.wait()
    commit = getattr(repo, start)()
    commit.put_file("/f", b"1")
    made = commit.finish()
    assert made.files == 1
    with pytest.raises(pfslib.CommitNotFoundError):
        store.commit(f"repo@{held}")
    with store.kv.read() as txn:
        assert txn.count(Table.OPEN) == txn.count(Table.OPEN_BRANCHES) == 0


def test_a_dead_process_is_told_from_a_living_one(start_script):
    assert is_alive(this_process()) is True
    process = start_script(
        "from pfslib.kv.process import this_process\nsay(this_process())\nwait()"
    )
    identity = process.stdout.readline().strip()
    assert is_alive(identity) is True
    process.kill()
    while process.poll() is None and is_alive(identity):  # a zombie is dead already
        time.sleep(0.001)
    assert is_alive(identity) is False
    process.wait()
    assert is_alive(identity) is False


def test_process_ids_alone_mean_nothing():
    boot, namespace, pid, start = this_process().split(":")
    assert is_alive(f"{boot}:{namespace}:{pid}:{int(start) - 1}") is False
    assert is_alive(f"another boot:{namespace}:{pid}:{start}") is False
    assert is_alive(f"{boot}:1:{pid}:{start}") is None
    for damaged in ("", "x", "a:b", f"{boot}:{namespace}:{2**22 + 1}:{start}"):
        assert is_alive(damaged) is False


# --- the gate --------------------------------------------------------------------------------

WRITER = """
store = pfslib.open(sys.argv[1])
with store.kv.write() as txn:
    txn.put(Table.META, b"test", b"begun")
    say("writing")
    wait()
say("written")
"""


def lmdb_of(store: pfslib.Store) -> LmdbKV:
    return store.kv._kv


@pytest.fixture
def impatient(store, monkeypatch) -> pfslib.Store:
    monkeypatch.setattr(lmdb_of(store)._opened.guard.gate, "wait_s", 0.3)
    return store


def test_a_stopped_writer_is_named_and_readers_go_on(impatient, repo, start_script):
    with repo.commit() as commit:
        commit.put_file("/f", noise(1000))
    process = start_script(WRITER, impatient.path)
    assert process.stdout.readline() == "writing\n"
    os.kill(process.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        with pytest.raises(pfslib.BusyError, match=f"process {process.pid} ") as raised:
            impatient.create_repo("other")
        assert 0.2 < time.monotonic() - begin < 5
        assert f"ps {process.pid}" in raised.value.hint
        assert impatient.get_file("repo", "master", "/f") == noise(1000)
        with pfslib.open(impatient.path) as fresh:
            assert fresh.get_file("repo", "master", "/f") == noise(1000)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert process.communicate("\n")[0] == "written\n"
    impatient.create_repo("other")


def test_a_killed_writer_is_out_of_the_way_at_once(impatient, repo, start_script):
    process = start_script(WRITER, impatient.path)
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    impatient.create_repo("other")
    with impatient.kv.read() as txn:
        assert txn.get(Table.META, b"test") is None


def test_a_put_that_met_a_busy_store_can_be_made_again(impatient, repo, start_script):
    commit = repo.start_commit()
    commit.put_file("/log", b"1", append=True)
    process = start_script(WRITER, impatient.path)
    assert process.stdout.readline() == "writing\n"
    with pytest.raises(pfslib.BusyError):
        commit.put_file("/log", noise(1000), append=True)
    with pytest.raises(pfslib.BusyError):
        commit.finish()
    assert process.communicate("\n")[0] == "written\n"
    commit.put_file("/log", noise(1000), append=True)
    assert commit.finish().get_file("/log") == b"1" + noise(1000)


def test_a_write_inside_a_write_is_refused(store, repo):
    with store.kv.write(), pytest.raises(AssertionError, match="inside another"):
        repo.start_commit()
    repo.start_commit().discard()


def test_readers_do_not_wait_for_a_writer(store, repo, start_script):
    with repo.commit() as commit:
        commit.put_file("/f", b"1")
    process = start_script(WRITER, store.path)
    assert process.stdout.readline() == "writing\n"
    begin = time.monotonic()
    for _ in range(20):
        with pfslib.open(store.path) as other:
            assert other.get_file("repo", "master", "/f") == b"1"
    assert time.monotonic() - begin < 5
    process.communicate("\n")


def test_a_stale_reader_is_cleared_when_the_store_is_opened(store, repo, start_script):
    process = start_script(
        """
        store = pfslib.open(sys.argv[1])
        with store.kv.read() as txn:
            say("reading")
            wait()
        """,
        store.path,
    )
    assert process.stdout.readline() == "reading\n"
    assert str(process.pid) in lmdb_of(store)._opened.env.readers()
    process.kill()
    process.wait()
    store.close()
    with pfslib.open(store.path) as again:
        assert str(process.pid) not in lmdb_of(again)._opened.env.readers()
