"""A file of a commit as a Python file: what the standard library does with one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from pfslib import (
    Commit,
    InvalidInputError,
    IsADirectoryInCommitError,
    PathNotFoundError,
    Store,
    StoreClosedError,
)

Make = Callable[..., Commit]
BIG = random.Random(7).randbytes(1_500_000)


@pytest.mark.parametrize("size", [0, 1, 96, 97, 32_768, 32_769, len(BIG)])
def test_reading_and_seeking_is_that_of_a_host_file(commit: Make, size: int) -> None:
    made = commit({"/f": BIG[:size], "/other": b"x"})
    ours, theirs = made.open("/f"), io.BytesIO(BIG[:size])
    choice = random.Random(size)
    for _ in range(60):
        what = choice.choice(["read", "seek", "end", "readinto", "line"])
        count = choice.choice([0, 1, 100, 70_000, 300_000])
        if what == "read":
            assert ours.read(count) == theirs.read(count)
        elif what == "seek":
            place = choice.randint(0, size + 10)
            assert ours.seek(place) == theirs.seek(place)
        elif what == "end":
            assert ours.seek(0, io.SEEK_END) == size
            back = choice.randint(0, size)
            assert ours.seek(-back, io.SEEK_CUR) == theirs.seek(size - back)
        elif what == "readinto":
            one, two = bytearray(count), bytearray(count)
            assert ours.readinto(one) == theirs.readinto(two)
            assert one == two
        else:
            assert ours.readline() == theirs.readline()
        assert ours.tell() == theirs.tell()
    assert ours.read() == theirs.read()
    assert ours.read() == b""


def test_it_is_a_file_for_reading_only(commit: Make) -> None:
    with commit({"/d/f": b"abc"}).open("/d/f") as file:
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.name == "/d/f"
        assert file.mode == "rb"
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_text_has_an_encoding_and_line_ends(commit: Make) -> None:
    made = commit({"/t": "één\r\ntwee\n".encode(), "/l": "één".encode("latin-1")})
    with made.open("/t", "r") as file:
        assert list(file) == ["één\n", "twee\n"]
    with made.open("/t", "rt", newline="") as file:
        assert file.read() == "één\r\ntwee\n"
    with made.open("/l", "r", encoding="latin-1") as file:
        assert file.read() == "één"
    with made.open("/l", "r") as file, pytest.raises(UnicodeDecodeError):
        file.read()
    with made.open("/l", "r", errors="replace") as file:
        assert file.read() == "\N{REPLACEMENT CHARACTER}" * 2 + "n"


def test_the_standard_library_reads_it(commit: Make) -> None:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.bin", BIG[:200_000])
        archive.writestr("b.txt", "text")
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        member = tarfile.TarInfo("c")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"inner"))
    made = commit(
        {
            "/z.zip": zipped.getvalue(),
            "/t.tar": tarred.getvalue(),
            "/g.gz": gzip.compress(BIG),
            "/c.csv": b"a,b\n1,2\n",
            "/j.json": b'{"k": [1]}',
        }
    )
    with made.open("/z.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("b.txt") == b"text"
        assert archive.read("a.bin") == BIG[:200_000]
    with made.open("/t.tar") as file, tarfile.open(fileobj=file) as archive:
        member_file = archive.extractfile("c")
        assert member_file is not None
        assert member_file.read() == b"inner"
    with made.open("/g.gz") as file, gzip.open(file) as unzipped:
        assert unzipped.read() == BIG
    with made.open("/c.csv", "r", newline="") as text:
        assert list(csv.DictReader(text)) == [{"a": "1", "b": "2"}]
    with made.open("/j.json") as file:
        assert json.load(file) == {"k": [1]}


def test_what_cannot_be_opened(commit: Make) -> None:
    made = commit({"/d/f": b"abc"})
    with pytest.raises(PathNotFoundError):
        made.open("/nothing")
    with pytest.raises(IsADirectoryInCommitError):
        made.open("/d")
    with pytest.raises(InvalidInputError, match="not for reading"):
        made.open("/d/f", "wb")  # type: ignore[call-overload]
    with pytest.raises(InvalidInputError, match="takes no encoding"):
        made.open("/d/f", "rb", encoding="utf-8")  # type: ignore[call-overload]


def test_seeking_before_the_beginning_is_an_error(commit: Make) -> None:
    with commit({"/f": b"abc"}).open("/f") as file, pytest.raises(ValueError, match="position -1"):
        file.raw.seek(-4, io.SEEK_END)


def test_after_the_store_was_closed_it_says_so(commit: Make, store: Store) -> None:
    file = commit({"/f": BIG}).open("/f")
    assert file.read(3) == BIG[:3]
    store.close()
    with pytest.raises(StoreClosedError):
        file.read()
