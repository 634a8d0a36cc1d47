"""T11, T15: one that is stopped is named, and many lose nothing and wait for a bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.gate import _NEXT, WriteGate
from pfslib.kv.ofd import is_locked
from pfslib.kv.tables import Table

Start = Callable[..., subprocess.Popen[str]]

STOP_INSIDE = """
import sys
import pfslib
from pfslib.kv.tables import Table
with pfslib.open(sys.argv[1]) as store, store.kv.write() as txn:
    txn.put(Table.META, b"test", b"")
    print("writing", flush=True)
    sys.stdin.readline()
"""


def test_a_stopped_writer_is_named_after_the_wait(filled: Path, start: Start) -> None:
    stopped = start(STOP_INSIDE, filled)
    assert stopped.stdout is not None
    assert stopped.stdout.readline() == "writing\n"
    os.kill(stopped.pid, signal.SIGSTOP)
    with pfslib.open(filled) as store:
        gate = store.kv._kv._opened.guard.gate  # type: ignore[attr-defined]
        gate.wait_s = 0.5
        began = time.monotonic()
        with pytest.raises(pfslib.BusyError, match=f"process {stopped.pid} has been writing"):
            commit(store, "master")
        assert 0.4 < time.monotonic() - began < 5
        assert store.get_file("repo", "master", "/a") == b"alpha\n", "reading goes on"

        os.kill(stopped.pid, signal.SIGCONT)
        gate.wait_s = 30
        waiting = threading.Thread(target=commit, args=(store, "waited"))
        waiting.start()
        stopped.communicate("go on\n", timeout=30)
        waiting.join(timeout=30)
        assert store.get_file("repo", "waited", "/file") == b"x"


WAIT_AND_WRITE = """
import sys
import pfslib
with pfslib.open(sys.argv[1]) as store, store.repo("repo").commit("theirs") as made:
    made.put_file("/file", b"x")
"""


def test_one_that_is_stopped_while_it_waits_keeps_nobody_out(filled: Path, start: Start) -> None:
    """It has the place of the next one, which keeps the others from asking, and never asks."""
    writing = start(STOP_INSIDE, filled)
    assert writing.stdout is not None
    assert writing.stdout.readline() == "writing\n"
    waiting = start(WAIT_AND_WRITE, filled)
    fd = os.open(filled / "write.lock", os.O_RDWR)
    while not is_locked(fd, _NEXT):
        time.sleep(0.01)
    os.close(fd)
    os.kill(waiting.pid, signal.SIGSTOP)
    with pfslib.open(filled) as store:
        gate = store.kv._kv._opened.guard.gate  # type: ignore[attr-defined]
        gate.wait_s = 0.5
        with pytest.raises(pfslib.BusyError, match=f"process {writing.pid} has been writing"):
            commit(store, "master")

        writing.communicate("go on\n", timeout=30)
        gate.wait_s = 30
        began = time.monotonic()
        for number in range(20):
            commit(store, f"mine-{number}")
        assert time.monotonic() - began < 10  # a wait for the stopped one would be 30 s each

        again = start(STOP_INSIDE, filled)
        assert again.stdout is not None
        assert again.stdout.readline() == "writing\n"
        gate.wait_s = 0.5
        with pytest.raises(pfslib.BusyError, match=f"process {again.pid} has been writing"):
            commit(store, "master")
        again.communicate("go on\n", timeout=30)

        os.kill(waiting.pid, signal.SIGCONT)
        _, errors = waiting.communicate(timeout=30)
        assert waiting.returncode == 0, errors
        assert store.get_file("repo", "theirs", "/file") == b"x"


def test_a_writer_killed_inside_a_write_lets_the_next_one_in(filled: Path, start: Start) -> None:
    killed = start(STOP_INSIDE, filled)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "writing\n"
    killed.kill()
    with pfslib.open(filled) as store:
        began = time.monotonic()
        commit(store, "master")
        assert time.monotonic() - began < 5


def test_a_thread_of_the_same_process_is_waited_for_no_longer(filled: Path) -> None:
    with pfslib.open(filled) as store:
        store.kv._kv._opened.guard.gate.wait_s = 0.3  # type: ignore[attr-defined]
        with store.kv.write():
            failed: list[BaseException] = []

            def try_it() -> None:
                try:
                    commit(store, "master")
                except pfslib.BusyError as error:
                    failed.append(error)

            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join(timeout=10)
        assert len(failed) == 1
        assert str(os.getpid()) in str(failed[0])


def commit(store: pfslib.Store, branch: str) -> None:
    with store.repo("repo").commit(branch) as open_commit:
        open_commit.put_file("/file", b"x")


COMMIT_OFTEN = """
import os, sys, time
import pfslib
path, branch, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with pfslib.open(path) as store:
    repo = store.repo("repo")
    print("ready", flush=True)
    sys.stdin.readline()
    slowest = 0.0
    for number in range(count):
        began = time.monotonic()
        while True:
            try:
                with repo.commit(branch) as commit:
                    commit.put_file(f"/{os.getpid()}-{number}", b"x")
                break
            except pfslib.BranchBusyError:
                time.sleep(0.001)
        slowest = max(slowest, time.monotonic() - began)
    print(slowest)
"""

WRITERS, COMMITS = 8, 50


@pytest.mark.parametrize("same", [True, False], ids=["one branch", "own branches"])
def test_eight_writers_lose_nothing_and_none_starves(
    filled: Path, start: Start, same: bool, record_property: Callable[[str, object], None]
) -> None:
    writers = [
        start(COMMIT_OFTEN, filled, "shared" if same else f"own-{number}", COMMITS)
        for number in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    slowest = []
    for writer in writers:
        output, errors = writer.communicate(timeout=100)
        assert writer.returncode == 0, errors
        slowest.append(float(output))
    record_property("slowest_commit_s", max(slowest))
    assert max(slowest) < 15

    with pfslib.open(filled) as store:
        branches = ["shared"] if same else [f"own-{number}" for number in range(WRITERS)]
        for branch in branches:
            history = list(store.list_commit("repo", branch))
            assert len(history) == WRITERS * COMMITS // len(branches)
            parents = ["", *(commit.id for commit in history[:-1])]
            assert [commit.record.parent for commit in history] == parents
            files = [info.path for info in store.commit(f"repo@{branch}").list_file("/")]
            assert len(files) == len(history)


def test_one_who_has_waited_is_next(filled: Path) -> None:
    """Beside one who asks again the instant it has let go, whom polling alone would hardly meet."""
    taken, end = 0, threading.Event()

    def take_again_and_again() -> None:
        nonlocal taken
        greedy = WriteGate(filled)
        while not end.is_set():
            with greedy.held():
                taken += 1
                time.sleep(0.05)
        greedy.close()

    thread = threading.Thread(target=take_again_and_again)
    thread.start()
    waiting = WriteGate(filled)
    try:
        for _ in range(5):
            time.sleep(0.1)
            before = taken
            with waiting.held():
                assert taken - before < 40
    finally:
        end.set()
        thread.join()
        waiting.close()


def test_a_greedy_writer_cannot_keep_others_out(filled: Path, start: Start) -> None:
    greedy = start(GREEDY, filled)
    assert greedy.stdout is not None
    assert greedy.stdout.readline() == "writing\n"
    with pfslib.open(filled) as store:
        waits = []
        for number in range(20):
            began = time.monotonic()
            with store.kv.write() as txn:
                txn.put(Table.META, b"test", bytes([number]))
            waits.append(time.monotonic() - began)
    assert max(waits) < 3, waits
    greedy.communicate("stop\n", timeout=30)


GREEDY = """
import sys, threading
import pfslib
from pfslib.kv.tables import Table
with pfslib.open(sys.argv[1]) as store:
    end = threading.Event()
    def write():
        while not end.is_set():
            with store.kv.write() as txn:
                for number in range(50):
                    txn.put(Table.LOGS, b"%d" % number, b"x" * 1000)
    writing = threading.Thread(target=write)
    writing.start()
    print("writing", flush=True)
    sys.stdin.readline()
    end.set()
    writing.join()
"""
