"""T1: processes killed at random points of everything they do; what they had finished is there.

Workers do what users do, and log each thing they were told is done. After each round of kills the
log is compared with the store, and fsck finds nothing. `PFS_KILLS` makes it other than 200 kills,
`PFS_SEED` another sequence. A worker more is a function more in `WORKER`: see `ACTIONS` there.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pfslib
from pfslib.testing.inventory import assert_clean, assert_exact

KILLS = int(os.environ.get("PFS_KILLS", "200"))
SEED = int(os.environ.get("PFS_SEED", "1"))
AT_ONCE = 3

WORKER = '''
import os, random, sys, time
import pfslib

path, log_path, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
count = 0

def say(*words):
    os.write(log, (" ".join(map(str, words)) + "\\n").encode())

def data_of(key, size):
    return random.Random(key).randbytes(size)

def put_and_finish(store):
    """A commit of small files and sometimes one of many chunks, in a with block."""
    global count
    count += 1
    key = f"{seed}-{count}"
    size = chance.choice([10, 1000, 50_000, 700_000])
    with store.repo("kept").commit(f"worker-{seed}") as commit:
        commit.put_file("/key", key)
        commit.put_file("/data", data_of(key, size))
        for number in range(chance.choice([0, 0, 30])):
            commit.put_file(f"/many/{number}", data_of(key + str(number), 300))
    say("finished", commit.commit.id, key, size)

def long_lived(store):
    """A commit started, filled in steps and finished, each of which is durable."""
    global count
    count += 1
    key = f"{seed}-{count}"
    opened = store.start_commit("kept", f"long-{seed}-{count}")
    for part in range(3):
        opened.put_file("/data", data_of(key + str(part), 40_000), append=True)
    if chance.random() < 0.3:
        opened.delete_file("/data")
        opened.put_file("/data", b"again")
        opened.finish()
        say("again", opened.commit.id)
    else:
        opened.finish()
        say("parts", opened.commit.id, key)

def make_and_delete(store):
    """A repo that comes and goes, with what is in it."""
    global count
    count += 1
    name = f"fleeting-{seed}-{count}"
    repo = store.create_repo(name)
    with repo.commit("master") as commit:
        commit.put_file("/data", data_of(name, 200_000))
    say("made", name)
    store.delete_repo(name)
    say("deleted", name)

def rewrite_history(store):
    """Three commits, of which the middle one is squashed and the last one dropped."""
    global count
    count += 1
    branch = f"rewritten-{seed}-{count}"
    repo = store.repo("kept")
    for number in range(3):
        with repo.commit(branch) as commit:
            commit.put_file(f"/{number}", data_of(branch + str(number), 5_000))
    repo.squash_commit(f"{branch}^")
    repo.drop_commit(branch)
    say("rewritten", branch)

def collect(store):
    """Gc, unless another worker is at it."""
    try:
        store.gc()
    except pfslib.BusyError:
        return
    say("collected")

ACTIONS = [put_and_finish, put_and_finish, long_lived, make_and_delete, rewrite_history, collect]

say("pid", os.getpid())
while True:
    with pfslib.open(path) as store:
        for _ in range(chance.randrange(1, 40)):
            chance.choice(ACTIONS)(store)
'''


@pytest.mark.slow
def test_what_was_finished_outlives_every_kill(tmp_path: Path, forks: Any) -> None:
    path, log = tmp_path / "store", tmp_path / "log"
    log.touch()
    with pfslib.init(path) as store:
        store.create_repo("kept")
    chance = random.Random(SEED)
    workers: list[int] = []

    def kill(worker: int) -> None:
        os.kill(worker, signal.SIGKILL)
        code, output = forks.wait(worker)
        assert code == -signal.SIGKILL, output

    checked = 0
    for number in range(KILLS):
        while len(workers) < AT_ONCE:
            seed = SEED * 1_000_000 + number * 10 + len(workers)
            workers.append(forks.start(WORKER, path, log, seed))
            wait_for_a_sign(log, workers[-1])
        time.sleep(chance.random() ** 2 * 0.3)
        kill(workers.pop(chance.randrange(AT_ONCE)))
        if number % 20 == 19:
            checked = check(path, log, checked)
    for worker in workers:
        kill(worker)
    said = Counter(line.split()[0] for line in log.read_text().splitlines())
    for word in ("finished", "parts", "again", "made", "deleted", "rewritten", "collected"):
        assert said[word] >= KILLS // 20, said
    with pfslib.open(path) as store:  # nobody is left: this opening is the first
        assert_clean(store)
        with store.repo("kept").commit("afterwards") as commit:
            commit.put_file("/on", b"on")
        discard_what_is_open(store)
        store.gc()
        assert_exact(store)
        assert_clean(store)
    check(path, log, 0)
    check_branches(path)


def wait_for_a_sign(log: Path, worker: int) -> None:
    sign = f"pid {worker}\n"
    for _ in range(2000):
        if sign in log.read_text():
            return
        time.sleep(0.005)
    raise AssertionError(f"{worker} does not begin")


def check(path: Path, log: Path, since: int) -> int:
    """Everything in the log, from a line on, is in the store; the number of lines."""
    lines = [line.split() for line in log.read_text().splitlines()]
    with pfslib.open(path) as store:
        for line in lines[since:]:
            check_line(store, line)
        deleted = {line[1] for line in lines if line[0] == "deleted"}
        made = {line[1] for line in lines if line[0] == "made"}
        there = {info.name for info in store.list_repo()}
        assert not deleted & there
        for name in made & there:  # killed before, or in the middle of, its deletion
            data = store.get_file(name, "master", "/data")
            assert data == random.Random(name).randbytes(200_000)
    return len(lines)


def check_line(store: pfslib.Store, line: list[str]) -> None:
    kind, *words = line
    if kind == "finished":
        commit_id, key, size = words
        commit = store.commit(f"kept@{commit_id}")
        assert commit.get_file("/key") == key.encode()
        assert commit.get_file("/data") == random.Random(key).randbytes(int(size))
    elif kind == "parts":
        commit_id, key = words
        parts = [random.Random(key + str(part)).randbytes(40_000) for part in range(3)]
        assert store.commit(f"kept@{commit_id}").get_file("/data") == b"".join(parts)
    elif kind == "again":
        assert store.commit(f"kept@{words[0]}").get_file("/data") == b"again"
    elif kind == "rewritten":
        (first,) = store.list_commit("kept", words[0])
        assert first.get_file("/0") == random.Random(words[0] + "0").randbytes(5_000)


def check_branches(path: Path) -> None:
    """No half commit: each has all its files, and its parent is the one before it."""
    with pfslib.open(path) as store:
        repo = store.repo("kept")
        for branch in repo.list_branch():
            parent = ""
            for commit in repo.list_commit(branch.name):
                assert commit.record.parent == parent
                parent = commit.id
                for info in files_of(commit):
                    assert len(commit.get_file(info.path)) == info.size


def files_of(commit: pfslib.Commit) -> Iterator[pfslib.FileInfo]:
    return (info for info in commit.walk() if info.kind == "file")


def discard_what_is_open(store: pfslib.Store) -> None:
    for opened in store.repo("kept").list_open():
        store.open_commit("kept", opened.id).discard()
    assert not store.repo("kept").list_open()
