"""A commit that changes one file, and diffs: flat in the number of files and of commits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pfslib
from benchmarks import data, measure
from benchmarks.report import Row, each, row
from benchmarks.scales import Scale
from benchmarks.stores import new_store

_AT_MOST_MS = 5.0
_DIFFERENT = 10


def run(top: Path, scale: Scale) -> Iterator[Row]:
    """Commits of one changed file beside many files, and after many commits; diffs of 10 changes."""
    sync = _fsyncs(top, scale.changes)
    yield each(f"{scale.changes} x 2 x (4 KiB write + fdatasync)", sync, scale.changes)
    for shape, per_folder in (("one folder", 1 << 40), ("100 a folder", 100)):
        for count in scale.tree_files:
            here = top / f"{per_folder}-{count}"
            here.mkdir()
            store = new_store(here)
            step = measure.in_child(partial(_fill, store, count, per_folder))
            yield row(f"fill {count}, {shape}", step)
            last = list(data.names(count, per_folder))[-1][0]
            step = measure.in_child(partial(_commit, store, last, scale.changes))
            name = f"one file of {count}, {shape}: commit"
            yield each(name, step, scale.changes, less=sync, at_most_ms=_AT_MOST_MS)
            if count == scale.tree_files[-1]:
                yield from _diff(store, count, per_folder, shape)
            shutil.rmtree(here)
    store, before = new_store(top), 0
    for length in scale.commits:
        measure.in_child(partial(_commit, store, "/f", length - before))
        step = measure.in_child(lambda: _commit(store, "/f", scale.changes))
        before = length + scale.changes
        name = f"after {length} commits: commit"
        yield each(name, step, scale.changes, less=sync, at_most_ms=_AT_MOST_MS)


def _fsyncs(top: Path, rounds: int) -> measure.Step:
    """What the disk asks for a durable write, to be taken off every commit's time.

    A commit that starts and finishes is two transactions: two such writes.
    """

    def work() -> None:
        with (top / "synced").open("wb") as file:
            for _ in range(rounds):
                for _ in range(2):
                    file.write(b"x" * 4096)
                    file.flush()
                    os.fdatasync(file.fileno())

    return measure.in_child(work)


def _fill(store: Path, count: int, per_folder: int) -> None:
    with pfslib.open(store) as opened, opened.repo("r").commit() as commit:
        for path, content in data.names(count, per_folder):
            commit.put_file(path, content)


def _commit(store: Path, path: str, rounds: int) -> None:
    with pfslib.open(store) as opened:
        repo = opened.repo("r")
        for number in range(rounds):
            with repo.commit() as commit:
                commit.put_file(path, b"changed %d" % number)


def _diff(store: Path, count: int, per_folder: int, shape: str) -> Iterator[Row]:
    """Of two commits of many files with 10 changes, by one who has looked at neither before."""
    with pfslib.open(store) as opened, opened.repo("r").commit() as commit:
        for number, (path, _) in enumerate(data.names(count, per_folder)):
            if number % (count // _DIFFERENT) == 0:
                commit.put_file(path, b"different")
    rounds = 20

    def work(compare: bool) -> None:
        for _ in range(rounds):
            with pfslib.open(store) as opened:
                new, old = opened.commit("r@master"), opened.commit("r@master^")
                if compare:
                    assert len(list(new.diff(old))) == _DIFFERENT

    compared, resolved = measure.fastest(
        3,
        lambda: measure.in_child(lambda: work(compare=True)),
        lambda: measure.in_child(lambda: work(compare=False)),
    )
    yield each("store opened, two commits looked up", resolved, rounds)
    name = f"diff of 10 in {count}, {shape}"
    yield each(name, compared, rounds, less=resolved, at_most_ms=_AT_MOST_MS)
