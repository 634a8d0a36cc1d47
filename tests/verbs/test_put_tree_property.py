"""Any changes of a host tree, put again and again: the commit is always what is there."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pfslib
from pfslib.trees import hoststats

TICK_NS = 12 * 10**6
"""Longer than the clock of any file system for tests takes to tick."""

names = st.sampled_from(["a", "b", "c", "d"])
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
changes = st.tuples(
    st.sampled_from(["write", "remove", "chmod", "link", "rename"]), paths, st.binary(max_size=2)
)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@settings(max_examples=60, deadline=None)
@given(
    rounds=st.lists(st.lists(changes, max_size=6), min_size=1, max_size=4), lasting=st.booleans()
)
def test_a_commit_is_what_the_tree_was(place: Path, rounds, lasting: bool) -> None:
    top, folder = place / "top", place / "store"
    racy, hoststats.RACY_NS = hoststats.RACY_NS, TICK_NS
    try:
        top.mkdir()
        with pfslib.init(folder) as store:
            repo = store.create_repo("r")
            for round_ in rounds:
                for change in round_:
                    apply(top, *change)
                # Laid over what is there, so what is there is deleted first.
                time.sleep(1.2 * TICK_NS / 10**9)
                commit = repo.start_commit() if lasting else repo.commit(allow_empty=True)
                for row in list(commit.walk()):
                    if row.kind != "dir" and not is_there(top, row.path):
                        commit.delete_file(row.path)
                commit.put_file("/", top)
                made = commit.finish()
                assert made is not None
                found = {
                    row.path: (row.kind, row.executable, made.get_file(row.path))
                    for row in made.walk()
                    if row.kind != "dir"
                }
                assert found == dict(picture(top))
    finally:
        hoststats.RACY_NS = racy
        shutil.rmtree(top, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def apply(top: Path, what: str, path: tuple[str, ...], data: bytes) -> None:
    target = top.joinpath(*path)
    try:
        if what == "write":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data * 60)
        elif what == "remove":
            shutil.rmtree(
                target
            ) if target.is_dir() and not target.is_symlink() else target.unlink()
        elif what == "chmod":
            target.chmod(0o755 if data else 0o644)
        elif what == "link":
            target.symlink_to(data.hex() or "x")
        else:
            target.rename(top / "d")
    except OSError:
        return  # nothing is there, or something is in the way


def is_there(top: Path, path: str) -> bool:
    target = top / path[1:]
    try:
        return target.is_symlink() or target.is_file()
    except NotADirectoryError:
        return False


def picture(top: Path) -> Iterator[tuple[str, tuple[str, bool, bytes]]]:
    for path in top.rglob("*"):
        name = "/" + str(path.relative_to(top))
        if path.is_symlink():
            yield name, ("symlink", False, str(path.readlink()).encode())
        elif path.is_file():
            yield name, ("file", bool(path.stat().st_mode & 0o111), path.read_bytes())
