"""Several processes, with several threads each, read while one writes: whole commits, at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pfslib

COMMITS = 60

READER = """
import random, sys, threading, time
import pfslib

store = pfslib.open(sys.argv[1])
failed, seen, longest = [], set(), [0.0]

def read():
    try:
        newest = -1
        while newest < int(sys.argv[2]):
            commit = store.commit("repo@live")
            number = int(commit.get_file("/number"))
            assert number >= newest, "history goes forward"
            newest = number
            data = random.Random(number).randbytes(150_000)
            assert commit.get_file("/data") == data
            with commit.open("/data") as file:
                file.seek(100_000)
                assert file.read() == data[100_000:]
            assert [info.path for info in commit.glob("/files/*")] == [
                f"/files/{n:03}" for n in range(number + 1)]
            assert len(list(store.list_commit("repo", "live"))) >= number + 1
            seen.add(number)
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=read) for _ in range(3)]
for thread in threads:
    thread.start()
print("reading", flush=True)
for thread in threads:
    thread.join()
assert not failed, failed
print(len(seen))
"""


def test_several_processes_and_threads_read_while_one_writes(
    filled: Path, start: Callable[..., object]
) -> None:
    with pfslib.open(filled) as store:
        repo = store.repo("repo")

        def write(number: int) -> None:
            with repo.commit("live") as commit:
                commit.put_file("/number", str(number))
                commit.put_file("/data", random.Random(number).randbytes(150_000))
                commit.put_file(f"/files/{number:03}", f"{number}" * 100)

        write(0)
        readers = [start(READER, filled, COMMITS - 1) for _ in range(3)]
        for reader in readers:
            assert reader.stdout.readline() == "reading\n"
        for number in range(1, COMMITS):
            write(number)
            if number % 20 == 0:
                store.gc()
        for reader in readers:
            output, errors = reader.communicate(timeout=60)
            assert reader.returncode == 0, errors
            assert int(output) >= 3, "it read beside the writing, not only after it"
        assert len(list(repo.list_commit("live"))) == COMMITS
