"""One flipped bit of any stored row: never wrong bytes, fsck tells, all else stays readable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import lmdb
import pytest

import pfslib
from pfslib import CorruptionError, Store
from pfslib.kv.tables import Table
from pfslib.maintenance.check import check
from pfslib.maintenance.findings import Problem
from pfslib.model.nodes import INLINE_MAX
from pfslib.testing.full_store import Files, fill

pytestmark = [pytest.mark.sandbox, pytest.mark.mount]

FLIPS = {Table.CHUNKS: 5, Table.NODES: 5, Table.PLACES: 5}
"""Rows of a table, one bit of each; of the others two."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Files]:
    place = tmp_path_factory.mktemp("filled")
    with pfslib.init(place / "store") as store:
        files = fill(store, place)
    return place / "store", files


@contextmanager
def rows(store_dir: Path) -> Iterator[lmdb.Transaction]:
    """The rows as they are on the disk, checksums and all."""
    with (
        lmdb.open(str(store_dir), map_size=1 << 30, lib_version=0) as env,
        env.begin(write=True) as txn,
    ):
        yield txn


def keys_of(store_dir: Path, table: Table) -> list[bytes]:
    with rows(store_dir) as txn:
        keys = [key for key in txn.cursor().iternext(values=False) if key[:1] == table.tag]
    if table is Table.META:
        keys.remove(table.tag + b"created")  # never read again
    return keys


def flip(store_dir: Path, key: bytes, bit: int) -> None:
    with rows(store_dir) as txn:
        value = bytearray(txn.get(key))
        bit %= 8 * len(value)
        value[bit // 8] ^= 1 << bit % 8
        txn.put(key, bytes(value))


def problems_of(store: Store) -> list[Problem]:
    """What fsck finds, in this process."""
    found: list[Problem] = []
    check(store.kv, read_data=True, report=found.append, progress=lambda _what, _done: None)
    return found


def readable(store: Store, files: Files) -> set[tuple[str, str]]:
    """Which files can be read; what can be is right, and what cannot is told as damaged."""
    found = set()
    for (reference, path), expected in files.items():
        try:
            assert store.commit(reference).get_file(path) == expected
        except CorruptionError:
            continue
        found.add((reference, path))
    return found


@pytest.mark.parametrize("table", Table)
def test_a_flipped_bit(filled: tuple[Path, Files], tmp_path: Path, table: Table) -> None:
    original, files = filled
    where = tmp_path / "store"
    shutil.copytree(original, where)
    random = Random(table.value)
    keys = keys_of(where, table)
    assert keys, "the table is not tested"
    for key in random.sample(keys, min(FLIPS.get(table, 2), len(keys))):
        bit = random.randrange(1 << 20)
        flip(where, key, bit)
        with pfslib.open(where) as store:
            problems = problems_of(store)
            assert problems, f"fsck finds nothing at bit {bit} of {key.hex()}"
            left = readable(store, files)
            assert left, "nothing can be read any more"
            told = {where for problem in problems for where in problem.where}
            for reference, path in files.keys() - left:
                if table in {Table.CHUNKS, Table.NODES, Table.PLACES}:
                    assert is_told(told, reference, path)
        flip(where, key, bit)
    with pfslib.open(where) as store:
        assert problems_of(store) == []
        assert readable(store, files) == files.keys()


def is_told(told: set[str], reference: str, path: str) -> bool:
    """Whether a file, or a directory that it is in, is among those told as hit."""
    parts = path.split("/")
    above = {"/".join(parts[:depth]) or "/" for depth in range(1, len(parts) + 1)}
    return any(f"{reference}:{place}" in told for place in above)


def test_the_error_names_commit_and_path(filled: tuple[Path, Files], tmp_path: Path) -> None:
    original, files = filled
    where = tmp_path / "store"
    shutil.copytree(original, where)
    for key in keys_of(where, Table.CHUNKS):
        flip(where, key, 3)  # of the number of the codec
    with pfslib.open(where) as store:
        for (reference, path), expected in files.items():
            if len(expected) > INLINE_MAX:
                repo, commit = reference.split("@")
                named = rf"{path} of commit {commit} of repo {repo} is damaged"
                with pytest.raises(CorruptionError, match=named):
                    store.commit(reference).get_file(path)


def test_a_whole_key_that_is_another(filled: tuple[Path, Files], tmp_path: Path) -> None:
    """A row under a key that it was not written for is no more right than a damaged one."""
    original, _ = filled
    where = tmp_path / "store"
    shutil.copytree(original, where)
    for table in (Table.COMMITS, Table.BRANCHES, Table.PLACES, Table.NODES):
        first, second, *_ = keys_of(where, table)
        with rows(where) as txn:
            one, other = txn.get(first), txn.get(second)
            txn.put(first, other)
            txn.put(second, one)
        with pfslib.open(where) as store:
            assert problems_of(store)
        with rows(where) as txn:
            txn.put(first, one)
            txn.put(second, other)
