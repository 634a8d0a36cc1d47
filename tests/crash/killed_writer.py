"""What the tests of crashes kill: writes as its scenario says, and prints what is acknowledged.

Usage: killed_writer.py SCENARIO STORE
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pfslib

MIB = 1 << 20
BLOCKS = 10
"""Of 4 MiB, in a large put."""


def noise(size: int, seed: str) -> bytes:
    return random.Random(seed).randbytes(size)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def many_commits(store: pfslib.Store) -> Iterator[None]:
    """Small commits, one after the other."""
    repo = store.repo("repo")
    for number in range(1_000_000):
        with repo.commit() as commit:
            for path, data in files_of_commit(number):
                commit.put_file(path, data)
            say("begun", number, commit.id)
        say("finished", number, commit.id)
        yield


def files_of_commit(number: int) -> Iterator[tuple[str, bytes]]:
    """What the commit of a number puts; some of it over what the one before put."""
    yield "/number", b"%d" % number
    yield "/big", noise(400_000, f"big {number}")
    for small in range(20):
        yield f"/small/{small}", noise(1000, f"small {number} {small}")
    yield f"/kept/{number}", noise(200, f"kept {number}")


def one_large_put(store: pfslib.Store) -> Iterator[None]:
    """Files so large that parts of them are written before they are put."""
    repo = store.repo("repo")
    for number in range(1_000_000):
        commit = repo.start_commit(f"branch{number}")
        say("started", number, commit.id)
        commit.put_file("/large", (noise(4 * MIB, f"{number} {n}") for n in range(BLOCKS)))
        say("put", number, commit.id)
        commit.finish()
        say("finished", number, commit.id)
        yield


def many_puts(store: pfslib.Store) -> Iterator[None]:
    """Puts and appends into one commit that lasts."""
    commit = store.open_commit("repo", "lasting")
    for number in range(1_000_000):
        commit.put_file(f"/{number}", noise(3000, f"{number}"))
        commit.put_file("/log", b"%d\n" % number, append=True)
        say("put", number, commit.id)
        yield


SCENARIOS: dict[str, Callable[[pfslib.Store], Iterator[None]]] = {
    "many_commits": many_commits,
    "one_large_put": one_large_put,
    "many_puts": many_puts,
}


def main(scenario: str, path: str) -> None:
    with pfslib.open(Path(path)) as store:
        say("ready")
        for _ in SCENARIOS[scenario](store):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
