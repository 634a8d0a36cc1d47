"""A writer is killed at random moments: what it said is kept, and the store needs no repair."""

from __future__ import annotations

import os
import random
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import pfslib
from pfslib.kv.memory import MemoryKV
from pfslib.kv.tables import Table
from pfslib.testing.faults import FaultyKV
from pfslib.testing.model_store import ModelTree, assert_same

SCRIPT = Path(__file__).with_name("killed_writer.py")
WRITER = runpy.run_path(str(SCRIPT))
noise, files_of_commit = WRITER["noise"], WRITER["files_of_commit"]


class Said(NamedTuple):
    """What a killed writer had printed: word to number to commit id."""

    begun: dict[int, str]
    started: dict[int, str]
    put: dict[int, str]
    finished: dict[int, str]


def kill_one(scenario: str, store: Path, after_s: float) -> Said:
    """Start a writer and kill it some time after it began to write."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), scenario, str(store)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_s)
    finally:
        process.kill()
        output = process.communicate()[0]
    said = Said({}, {}, {}, {})
    for line in output.splitlines(keepends=True):
        if line.endswith("\n"):
            word, number, commit = line.split()
            getattr(said, word)[int(number)] = commit
    return said


def a_new_commit_works(store: pfslib.Store, branch: str) -> pfslib.Commit:
    with store.repo("repo").commit(branch, allow_empty=True) as commit:
        commit.put_file("/new", b"%d" % time.time_ns())
    return commit.commit


@pytest.mark.slow
def test_commits_are_kept_or_not_there(tmp_path):
    """Killed in puts and finishes of small commits, 12 times."""
    source = random.Random(1)
    for turn in range(12):
        path = tmp_path / f"{turn}"
        with pfslib.init(path) as store:
            store.create_repo("repo")
        said = kill_one("many_commits", path, source.uniform(0, 0.4))
        with pfslib.open(path) as store:
            check_commits(store, said)
            new = a_new_commit_works(store, "master")
            commits = list(store.list_commit("repo", "master"))
            assert new == commits[-1]
            with store.kv.read() as txn:
                assert txn.count(Table.OPEN) == 0


def check_commits(store: pfslib.Store, said: Said) -> None:
    commits = list(store.list_commit("repo")) if store.repo("repo").list_branch() else []
    ids = [commit.id for commit in commits]
    acknowledged = [said.finished[number] for number in range(len(said.finished))]
    assert ids[: len(acknowledged)] == acknowledged
    in_flight = [said.begun[n] for n in said.begun if n not in said.finished]
    assert ids[len(acknowledged) :] in ([], in_flight)
    tree = ModelTree()
    for number, commit in enumerate(commits):
        for name, data in files_of_commit(number):
            tree.put(tuple(part.encode() for part in name[1:].split("/")), data)
        assert commit.number == number
        if number % 10 == 0 or number >= len(commits) - 2:
            assert_same(commit, tree)
        else:
            assert commit.get_file("/kept/0") == noise(200, "kept 0")


@pytest.mark.slow
def test_a_large_put_is_whole_or_not_there(tmp_path):
    """Killed while 40 MiB are cut, compressed, written and published, 10 times."""
    source = random.Random(2)
    for turn in range(10):
        path = tmp_path / f"{turn}"
        with pfslib.init(path) as store:
            store.create_repo("repo")
        said = kill_one("one_large_put", path, source.uniform(0.05, 0.6))
        with pfslib.open(path) as store:
            for number, started in said.started.items():
                check_large(store, number, started, said)
            a_new_commit_works(store, "new")


def check_large(store: pfslib.Store, number: int, started: str, said: Said) -> None:
    if number in said.finished:
        commit = store.commit(f"repo@{started}")
        assert commit == store.commit(f"repo@branch{number}")
    else:
        try:
            commit = store.finish_commit("repo", started)
        except pfslib.CommitFinishedError:  # finished, but not said so
            commit = store.commit(f"repo@{started}")
    if number in said.put or commit.files:
        at = 0
        for block in range(WRITER["BLOCKS"]):
            data = noise(4 << 20, f"{number} {block}")
            assert commit.get_file("/large", at, len(data)) == data
            at += len(data)
        assert commit.size == at


@pytest.mark.slow
def test_what_was_put_into_a_lasting_commit_is_kept(tmp_path):
    """Killed between and in puts and appends to one commit, 8 times over."""
    source = random.Random(3)
    path = tmp_path / "store"
    with pfslib.init(path) as store:
        store.create_repo("repo")
    for _ in range(8):
        with pfslib.open(path) as store:
            store.start_commit("repo", "lasting")
        said = kill_one("many_puts", path, source.uniform(0, 0.3))
        with pfslib.open(path) as store:
            commit = store.finish_commit("repo", "lasting")
            names = [info.path for info in commit.list_file()]
            lines = commit.get_file("/log").split() if "/log" in names else []
            assert len(lines) - len(said.put) in {0, 1}
            assert lines == [b"%d" % number for number in range(len(lines))]
            for number in range(len(lines)):
                assert commit.get_file(f"/{number}") == noise(3000, f"{number}")
            with store.repo("repo").commit("lasting", allow_empty=True) as clean:
                for name in names:
                    clean.delete_file(name)


# --- at every call ---------------------------------------------------------------------------


class KillingKV(FaultyKV):
    """Kills its process at a chosen call instead of raising."""

    def count(self) -> None:
        self.calls += 1
        if self.calls == self._fail_at:
            os.kill(os.getpid(), 9)


def work(store: pfslib.Store, report: int) -> None:
    """Two commits, reported as they finish."""
    repo = store.create_repo("repo")
    for number in range(2):
        commit = repo.start_commit()
        for path, data in files_of_commit(number):
            commit.put_file(path, data)
            commit.put_file("/log", b"%d" % number, append=True)
        commit.finish()
        os.write(report, b"%d" % number)


def die_at(path: Path, call: int) -> tuple[int, bytes]:
    """Work in a forked child that kills itself at a call; its exit code and report."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            store = pfslib.open(path)
            store.kv = killing = KillingKV(store.kv)
            killing.arm(call)
            work(store, write)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    with open(read, "rb") as reports:  # noqa: PTH123 - a descriptor, not a path
        said = reports.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def calls_of_work(tmp_path: Path) -> int:
    with pfslib.init(tmp_path / "counted") as store:
        store.kv.close()
        store.kv = counting = FaultyKV(MemoryKV())
        read, write = os.pipe()
        work(store, write)
        os.close(read)
        os.close(write)
    return counting.calls


@pytest.mark.slow
def test_killed_before_any_call(tmp_path):
    """One of the calls in turn, those around begins and commits included."""
    calls = calls_of_work(tmp_path)
    assert calls > 300
    source = random.Random(4)
    for call in sorted(source.sample(range(1, calls + 1), 30)):
        path = tmp_path / f"{call}"
        pfslib.init(path).close()
        code, said = die_at(path, call)
        assert code == -9
        with pfslib.open(path) as store:
            if not store.list_repo():
                assert said == b""
                continue
            commits = list(store.list_commit("repo"))
            assert len(commits) == len(said)
            for number, commit in enumerate(commits):
                assert commit.get_file("/big") == noise(400_000, f"big {number}")
                assert commit.get_file("/log") == b"0" * 23 + b"1" * 23 * number
            if len(said) < 2:
                try:
                    store.finish_commit("repo", "master")
                except pfslib.CommitNotFoundError:
                    assert not commits, "nothing was started"
                except pfslib.CommitFinishedError:
                    assert commits
            a_new_commit_works(store, "master")
