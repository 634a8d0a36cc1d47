"""A broken page of LMDB's tree: fsck reads on past it, and names what it hits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.layout import DATA_FILE
from pfslib.kv.tables import Table

PAGE, HEADER, LEAF = 4096, 16, 0x02
FILES = 400
COMMITS = 60


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A store whose tables take many pages each."""
    chance = random.Random(5)
    with pfslib.init(tmp_path / "large") as store:
        repo = store.create_repo("repo")
        for first in range(COMMITS):
            with repo.commit("master") as commit:
                for number in range(first, FILES, COMMITS):
                    commit.put_file(f"/d/{number}", chance.randbytes(500))
    return tmp_path / "large"


def leaves_of(data: bytes, table: Table) -> Iterator[int]:
    """Where leaf pages begin that hold rows of one table only."""
    for at in range(2 * PAGE, len(data), PAGE):
        page = data[at : at + PAGE]
        if int.from_bytes(page[:8], "little") != at // PAGE or page[10:12] != bytes([LEAF, 0]):
            continue
        rows = (int.from_bytes(page[12:14], "little") - HEADER) // 2
        offsets = [int.from_bytes(page[HEADER + 2 * n :][:2], "little") for n in range(rows)]
        if rows > 2 and {page[offset + 8 : offset + 9] for offset in offsets} == {table.tag}:
            yield at


@pytest.mark.parametrize("table", [Table.COMMITS, Table.NODES, Table.PLACES])
def test_fsck_goes_on_past_a_broken_page(large: Path, table: Table) -> None:
    whole = fsck(large)
    assert not whole.problems
    data = (large / DATA_FILE).read_bytes()
    tried = 0
    for at in list(leaves_of(data, table)):
        (large / DATA_FILE).write_bytes(data[: at + 10] + b"\x12" + data[at + 11 :])
        report = fsck(large)
        if report.clean:
            continue  # a page that was free
        tried += 1
        kinds = [problem.kind for problem in report]
        assert any(f"rows of {table.name}" in problem.what for problem in report), kinds
        assert COMMITS // 3 < report.checked.commits <= COMMITS
        assert report.checked.pieces > 200
        if table is not Table.COMMITS:
            assert report.checked.commits == COMMITS
            assert any(where.partition(":/d")[1] for problem in report for where in problem.where)
        if tried == 3:
            break
    assert tried


def fsck(path: Path) -> pfslib.FsckReport:
    with pfslib.open(path) as store:
        return store.fsck()
