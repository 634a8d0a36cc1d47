"""Bad input to the file verbs: each refused with a sentence, and nothing of the call kept."""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable, Iterator

import pytest

from pfslib import (
    Commit,
    InvalidInputError,
    InvalidPathError,
    IsADirectoryInCommitError,
    NotADirectoryInCommitError,
    PathNotFoundError,
    Repo,
)

Make = Callable[..., Commit]

BAD_PATHS = {
    "/a\0b": "NUL",
    "/a/../b": r"'\.\.'",
    "..": r"'\.\.'",
    "/./a": r"'\.'",
    "/" + "x" * 256: "256 bytes",
    "/" + "é" * 128: "256 bytes",
    "/" + "/".join("d" * 300): "components",
    "/\ud800": r"^path .\/\\ud800. invalid: .*UTF-8",
    "/": "root",
    "": "root",
}


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_paths_are_refused_wherever_a_file_is_written(
    repo: Repo, commit: Make, path: str
) -> None:
    made = commit({"/a": b"1"})
    with repo.commit() as open_commit:
        for call in (
            lambda: open_commit.put_file(path, b"x"),
            lambda: open_commit.write_at(path, 0, b"x"),
            lambda: open_commit.delete_file(path),
            lambda: open_commit.copy_file(made, "/a", path),
        ):
            with pytest.raises(InvalidPathError, match=BAD_PATHS[path]):
                call()
    assert open_commit.commit is None


class NotReady(io.RawIOBase):
    """A pipe that does not block, with nothing in it."""

    def read(self, size: int = -1) -> None:
        return None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("\udc80", "UTF-8"),
        (123, "made of int"),
        (None, "made of NoneType"),
        (["a"], "gave str instead of bytes"),
        ([1], "gave int instead of bytes"),
        (io.StringIO("text"), "opened as text"),
        (NotReady(), "does not block"),
    ],
)
def test_what_no_file_can_be_made_of(repo: Repo, data: object, sentence: str) -> None:
    with repo.commit() as open_commit:
        for put in (open_commit.put_file, lambda path, data: open_commit.write_at(path, 0, data)):
            with pytest.raises(InvalidInputError, match=sentence):
                put("/f", data)
    assert open_commit.commit is None


def test_whatever_has_a_buffer(repo: Repo) -> None:
    with repo.commit() as open_commit:
        open_commit.put_file("/array", array("I", [1, 2]))
        open_commit.put_file("/blocks", [bytearray(b"a"), memoryview(b"b")])
    made = open_commit.commit
    assert made is not None
    assert made.get_file("/array") == array("I", [1, 2]).tobytes()
    assert made.get_file("/blocks") == b"ab"


@pytest.mark.parametrize("path", [path for path in BAD_PATHS if path.strip("/")])
def test_bad_paths_are_refused_wherever_a_file_is_read(commit: Make, path: str) -> None:
    made = commit({"/a": b"1"})
    for call in (made.get_file, made.inspect_file, made.list_file, made.open, made.diff):
        with pytest.raises(InvalidPathError):
            call(path if call != made.diff else None, path) if call == made.diff else call(path)


def test_the_longest_names_and_deepest_paths_are_kept(repo: Repo) -> None:
    name, deep = "/" + "x" * 255, "/" + "/".join("d" * 256)
    with repo.commit() as open_commit:
        open_commit.put_file(name, b"1")
        open_commit.put_file(deep, b"2")
    made = open_commit.commit
    assert made is not None
    assert made.get_file(name) == b"1"
    assert made.get_file(deep) == b"2"
    assert [row.op for row in made.diff()] == ["added", "added"]


def test_bytes_that_are_not_utf8_are_kept_byte_for_byte(commit: Make) -> None:
    path = b"/caf\xe9/\xff".decode("utf-8", "surrogateescape")
    made = commit({path: b"1"})
    assert [row.path for row in made.walk()] == [path[:5], path]
    assert made.get_file(path) == b"1"
    assert [row.path for row in made.diff()] == [path]
    assert [row.path for row in made.glob("/*/*")] == [path]


def test_reading_past_the_end_gives_what_there_is(commit: Make) -> None:
    made = commit({"/f": b"12345", "/big": b"x" * 100_000})
    assert made.get_file("/f", 3) == b"45"
    assert made.get_file("/f", 3, 100) == b"45"
    assert made.get_file("/f", 5) == b""
    assert made.get_file("/f", 10**15, 10**15) == b""
    assert made.get_file("/f", 0, 0) == b""
    assert made.get_file("/big", 99_999, 10) == b"x"


@pytest.mark.parametrize(("offset", "size"), [(-1, None), (0, -1), (-5, 5)])
def test_negative_offsets_and_sizes_are_refused(commit: Make, offset: int, size: int) -> None:
    with pytest.raises(InvalidInputError, match="must not be negative"):
        commit({"/f": b"12345"}).get_file("/f", offset, size)


def test_files_and_directories_are_told_apart(commit: Make) -> None:
    made = commit({"/f": b"1", "/d/g": b"2"})
    for call in (made.get_file, made.stream_file, made.open):
        with pytest.raises(IsADirectoryInCommitError):
            call("/d")
        with pytest.raises(PathNotFoundError):
            call("/nothing")
    with pytest.raises(NotADirectoryInCommitError):
        made.get_file("/f/below")
    with pytest.raises(NotADirectoryInCommitError):
        list(made.walk("/f"))


def failing(blocks: int, size: int) -> Iterator[bytes]:
    for _ in range(blocks):
        yield b"x" * size
    raise OSError("the source broke")


@pytest.mark.parametrize(("blocks", "size"), [(0, 0), (3, 10), (40, 1 << 20), (90, 1 << 20)])
@pytest.mark.parametrize("append", [False, True])
def test_a_source_that_breaks_adds_nothing(
    repo: Repo, commit: Make, blocks: int, size: int, append: bool
) -> None:
    commit({"/f": b"before"})
    with repo.commit() as open_commit:
        open_commit.put_file("/g", b"1")
        with pytest.raises(OSError, match="the source broke"):
            open_commit.put_file("/f", failing(blocks, size), append=append)
        with pytest.raises(OSError, match="the source broke"):
            open_commit.write_at("/f", 2, failing(blocks, size))
        assert open_commit.get_file("/f") == b"before"
    made = open_commit.commit
    assert made is not None
    assert [(row.op, row.path) for row in made.diff()] == [("added", "/g")]


def test_a_lasting_commit_goes_on_after_a_source_that_broke(repo: Repo) -> None:
    open_commit = repo.start_commit()
    open_commit.put_file("/f", b"1")
    with pytest.raises(OSError, match="the source broke"):
        open_commit.put_file("/f", failing(3, 100_000))
    open_commit.put_file("/f", b"2", append=True)
    made = open_commit.finish()
    assert made is not None
    assert made.get_file("/f") == b"12"
