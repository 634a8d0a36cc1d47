"""Files with holes: every byte of them is right, and only what was written is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pfslib import Repo

MIB = 1 << 20


@pytest.mark.parametrize(
    "written",
    [[], [(0, 5)], [(5 * MIB - 3, 3)], [(MIB, 3 * MIB)], [(1, 1), (2 * MIB + 17, MIB)]],
    ids=["nothing", "begin", "end", "middle", "two"],
)
def test_holes_are_zeros(repo: Repo, tmp_path: Path, written: list[tuple[int, int]]) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as out:
        for at, size in written:
            out.seek(at)
            out.write(os.urandom(size))
        out.truncate(5 * MIB)
    with repo.commit() as made:
        made.put_file("/", tmp_path)
        made.put_file("/alone", file)
    assert made.commit is not None
    files = [made.commit.get_file(path) for path in ("/sparse", "/alone")]
    assert files == [file.read_bytes()] * 2


def test_holes_are_not_read(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sparse"
    file.write_bytes(b"begin")
    os.truncate(file, 256 * MIB)
    counts = []

    def counted(fd: int, buffers: list[memoryview], offset: int) -> int:
        counts.append(preadv(fd, buffers, offset))
        return counts[-1]

    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", counted)
    monkeypatch.delattr(os, "readv")
    with repo.commit() as made:
        made.put_file("/", tmp_path)
    assert sum(counts) <= 64 << 10
