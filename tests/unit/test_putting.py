"""Files put: from whatever holds bytes, over or after what is there, or by reference."""

from __future__ import annotations

import array
import io
import os
import socket
import tempfile
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.tables import Table
from pfslib.model.paths import DEPTH_MAX
from pfslib.testing.strategies import BORDER_SIZES, noise


def put(repo: pfslib.Repo, path: str, data, **how) -> pfslib.Commit:
    with repo.commit(allow_empty=True) as commit:
        commit.put_file(path, data, **how)
    return commit.commit


def files(commit: pfslib.Commit) -> dict[str, bytes]:
    return {info.path: commit.get_file(info.path) for info in commit.walk() if info.kind != "dir"}


def chunk_rows(store: pfslib.Store) -> int:
    with store.kv.read() as txn:
        return txn.count(Table.CHUNKS)


class OddError(Exception):
    pass


# --- from what -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", BORDER_SIZES)
def test_every_source_of_bytes_gives_the_same_file(repo, tmp_path, size):
    data = noise(size)
    (tmp_path / "file").write_bytes(data)
    with repo.commit(allow_empty=True) as commit:
        commit.put_file("/bytes", data)
        commit.put_file("/bytearray", bytearray(data))
        commit.put_file("/memoryview", memoryview(data))
        commit.put_file("/path", tmp_path / "file")
        with (tmp_path / "file").open("rb") as file:
            commit.put_file("/file", file)
        commit.put_file("/bytesio", io.BytesIO(data))
        commit.put_file("/iterable", (data[at : at + 7000] for at in range(0, size, 7000)))
        commit.put_file("/list", [data, b""])
    infos = list(commit.commit.walk())
    assert len({info.digest for info in infos}) == 1
    for info in infos:
        assert commit.commit.get_file(info.path) == data
        assert (info.size, info.kind, info.executable) == (size, "file", False)


def test_text_is_put_as_utf8(repo):
    assert put(repo, "/f", "grün\n").get_file("/f") == "grün\n".encode()
    assert put(repo, "/f", "").get_file("/f") == b""


def test_views_of_larger_items_are_put_whole(repo):
    numbers = array.array("d", range(10_000))
    assert put(repo, "/f", memoryview(numbers)).get_file("/f") == numbers.tobytes()
    assert put(repo, "/f", [numbers, numbers]).get_file("/f") == 2 * numbers.tobytes()
    every_other = memoryview(noise(1000))[::2]
    assert put(repo, "/f", every_other).get_file("/f") == noise(1000)[::2]


def test_a_file_is_put_from_where_it_stands(repo):
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    assert put(repo, "/f", file).get_file("/f") == b"456789"


def test_a_pipe_is_put_to_its_end(repo):
    read, write = os.pipe()
    os.write(write, b"through a pipe")
    os.close(write)
    with open(read, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        assert put(repo, "/f", file).get_file("/f") == b"through a pipe"


def test_a_file_that_grows_is_put_as_far_as_it_is_read(repo):
    with tempfile.NamedTemporaryFile() as file:
        file.write(noise(100))
        file.flush()
        assert put(repo, "/f", Path(file.name)).size == 100
        file.write(noise(100_000))
        file.flush()
        assert put(repo, "/f", Path(file.name)).size == 100_100
    if os.path.exists("/proc/version"):  # noqa: PTH110 - says 0 bytes, and has some
        assert put(repo, "/f", Path("/proc/version")).get_file("/f").startswith(b"Linux")


@pytest.mark.parametrize(
    "data", [io.StringIO("text"), ["text"], [b"x", "text"], [1, 2], 5, None, [None], object()]
)
def test_what_holds_no_bytes_is_refused(repo, data):
    with pytest.raises((TypeError, pfslib.InvalidInputError)):
        put(repo, "/f", data)
    assert list(repo.list_commit()) == []


def test_a_file_opened_as_text_says_how_to_open_it(repo, tmp_path):
    (tmp_path / "file").write_text("text" * 100_000)
    with (tmp_path / "file").open() as file, pytest.raises(pfslib.InvalidInputError) as raised:
        put(repo, "/f", file)
    assert '"rb"' in raised.value.hint


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("size", [1000, 500_000])
def test_an_iterable_that_raises_adds_nothing(repo, durable, size):
    def blocks():
        yield noise(size)
        raise OddError

    commit = repo.start_commit() if durable else repo.commit()
    commit.put_file("/before", b"1")
    with pytest.raises(OddError):
        commit.put_file("/f", blocks())
    with pytest.raises(OddError):
        commit.put_file("/before", blocks(), append=True)
    commit.put_file("/after", noise(size))  # stored, though part of it was taken before
    assert files(commit.finish()) == {"/before": b"1", "/after": noise(size)}


# --- over and after --------------------------------------------------------------------------


def test_put_replaces(repo):
    put(repo, "/f", noise(100_000))
    commit = put(repo, "/f", b"short")
    assert commit.get_file("/f") == b"short"
    assert commit.parent().get_file("/f") == noise(100_000)


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("first", [0, 5, 200, 40_000, 300_000])
def test_append_adds(repo, durable, first):
    put(repo, "/f", noise(first))
    commit = repo.start_commit() if durable else repo.commit()
    expected = noise(first)
    for number in range(5):
        commit.put_file("/f", noise(10_000, number), append=True)
        expected += noise(10_000, number)
    made = commit.finish()
    assert made.get_file("/f") == expected
    assert made.parent().get_file("/f") == noise(first)
    again = put(repo, "/f", expected)
    assert again.tree.root == made.tree.root


@pytest.mark.parametrize("durable", [False, True])
def test_append_begins_a_new_file(repo, durable):
    commit = repo.start_commit() if durable else repo.commit()
    commit.put_file("/d/new", b"1", append=True)
    commit.put_file("/d/new", "2", append=True)
    assert files(commit.finish()) == {"/d/new": b"12"}


@pytest.mark.parametrize("durable", [False, True])
def test_append_after_delete_begins_anew(repo, durable):
    put(repo, "/d/f", b"old")
    commit = repo.start_commit() if durable else repo.commit()
    commit.put_file("/d/f", b"lost", append=True)
    commit.delete_file("/d")
    commit.put_file("/d/f", b"1", append=True)
    commit.put_file("/d/f", b"2", append=True)
    assert files(commit.finish()) == {"/d/f": b"12"}


def test_append_takes_every_source(repo, tmp_path):
    (tmp_path / "file").write_bytes(b"path,")
    with repo.commit() as commit:
        for data in (b"bytes,", "text,", tmp_path / "file", io.BytesIO(b"file,"), [b"it", b"er"]):
            commit.put_file("/f", data, append=True)
    assert commit.commit.get_file("/f") == b"bytes,text,path,file,iter"


def test_appending_nothing_changes_nothing(repo):
    put(repo, "/f", b"1")
    with repo.commit() as commit:
        commit.put_file("/f", b"", append=True)
    assert commit.commit is None


def test_delete_takes_files_and_directories(repo):
    with repo.commit() as commit:
        for path in ("/a", "/d/b", "/d/e/c"):
            commit.put_file(path, path)
    with repo.commit() as commit:
        commit.delete_file("/d/e/c")
        commit.delete_file("/none/at/all", missing_ok=True)
        commit.delete_file("/a/below", missing_ok=True)
    assert sorted(files(commit.commit)) == ["/a", "/d/b"]
    assert [info.path for info in commit.commit.walk()] == ["/a", "/d", "/d/b"]
    with repo.commit() as commit:
        commit.delete_file("d/")
    assert sorted(files(commit.commit)) == ["/a"]


@pytest.mark.parametrize("path", ["", "/", "..", "/a/../b", "a\0b", "/" + "x" * 256])
def test_what_is_no_path_for_a_file_is_refused(repo, path):
    source = put(repo, "/f", b"1")
    with pytest.raises(pfslib.InvalidPathError):
        put(repo, path, b"1")
    with repo.commit() as commit:
        with pytest.raises(pfslib.InvalidPathError):
            commit.delete_file(path)
        with pytest.raises(pfslib.InvalidPathError):
            commit.copy_file(source, "/f", path)


def test_the_deepest_path_can_be_put_and_read(repo):
    deepest = "/d" * DEPTH_MAX
    with repo.commit() as commit:
        commit.put_file(deepest, b"1")
        commit.put_file(deepest, b"2", append=True)
    assert files(commit.commit) == {deepest: b"12"}
    assert len(commit.commit.glob("**")) == DEPTH_MAX
    with repo.commit() as commit:
        commit.delete_file(deepest)
    assert list(commit.commit.walk()) == []


# --- by reference ----------------------------------------------------------------------------


def test_files_and_directories_are_copied(store, repo):
    with repo.commit() as commit:
        commit.put_file("/d/a", noise(1000))
        commit.put_file("/d/e/b", noise(100_000))
    source = commit.commit
    with store.create_repo("other").commit() as commit:
        commit.copy_file(source, "/d", "/copy")
        commit.copy_file(source, "/d/a", "/x/y/a")
        commit.copy_file(source, "/", "/everything")
    assert files(commit.commit) == {
        "/copy/a": noise(1000),
        "/copy/e/b": noise(100_000),
        "/everything/d/a": noise(1000),
        "/everything/d/e/b": noise(100_000),
        "/x/y/a": noise(1000),
    }
    assert commit.commit.inspect_file("/copy").digest == source.inspect_file("/d").digest


def test_a_copy_keeps_times_and_is_a_change_of_its_own(repo):
    source = put(repo, "/a", b"1")
    with repo.commit() as commit:
        commit.copy_file(source, "/a", "/b")
    copied, original = commit.commit.inspect_file("/b"), source.inspect_file("/a")
    assert copied.modified == original.modified
    assert (copied.commit, original.commit) == (commit.id, source.id)


def test_what_is_not_there_cannot_be_copied(repo):
    source = put(repo, "/a", b"1")
    with repo.commit() as commit:
        with pytest.raises(pfslib.PathNotFoundError, match="/x not found"):
            commit.copy_file(source, "/x", "/y")
        with pytest.raises(pfslib.NotADirectoryInCommitError):
            commit.copy_file(source, "/a/x", "/y")
    assert commit.commit is None


def test_a_commit_of_another_store_cannot_be_copied_from(repo, tmp_path):
    with pfslib.init(tmp_path / "other") as other:
        source = put(other.create_repo("repo"), "/a", noise(100_000))
        with repo.commit() as commit:
            with pytest.raises(pfslib.InvalidInputError, match="another store") as raised:
                commit.copy_file(source, "/a", "/a")
            commit.put_file("/a", source.stream_file("/a"))
    assert "stream_file" in raised.value.hint
    assert commit.commit.get_file("/a") == noise(100_000)


# --- trees -----------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path):
    """A host directory with a bit of everything that can be stored."""
    top = tmp_path / "host"
    (top / "d/e").mkdir(parents=True)
    (top / "empty/er").mkdir(parents=True)
    (top / "small").write_bytes(b"small")
    (top / "d/middle").write_bytes(noise(5000))
    (top / "d/e/large").write_bytes(noise(300_000))
    (top / "run.sh").write_bytes(b"#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    (top / os.fsdecode(b"caf\xe9")).write_bytes(b"not UTF-8")
    (top / "link").symlink_to("d/middle")
    (top / "dangling").symlink_to("/no/such/place")
    (top / "linked_directory").symlink_to("d")
    os.utime(top / "small", ns=(1, 1_234_567_890_123_456_789))
    os.utime(top / "d/middle", ns=(1, -1_500_000_000))
    return top


EVERYTHING = {
    "/small": b"small",
    "/d/middle": noise(5000),
    "/d/e/large": noise(300_000),
    "/run.sh": b"#!/bin/sh\n",
    "/caf\udce9": b"not UTF-8",
    "/link": b"d/middle",
    "/dangling": b"/no/such/place",
    "/linked_directory": b"d",
}


def test_a_tree_is_put_whole(repo, host):
    commit = put(repo, "/", host)
    assert files(commit) == EVERYTHING
    info = {entry.path: entry for entry in commit.walk()}
    assert info["/run.sh"].executable
    assert not info["/small"].executable
    assert [path for path, entry in info.items() if entry.kind == "symlink"] == [
        "/dangling",
        "/link",
        "/linked_directory",
    ]
    assert commit.tree.find("/small").mtime_ns == 1_234_567_890_123_456_789
    assert commit.tree.find("/d/middle").mtime_ns == -1_500_000_000
    assert "/empty" not in info


def test_a_tree_is_put_below_a_path_and_over_what_is_there(repo, host):
    put(repo, "/x/y/small", b"old")
    put(repo, "/x/y/kept", b"kept")
    commit = put(repo, "/x/y", host)
    below = {path.removeprefix("/x/y"): data for path, data in files(commit).items()}
    assert below == {**EVERYTHING, "/kept": b"kept"}


def test_a_tree_is_appended_file_by_file(repo, host):
    put(repo, "/small", b"very ")
    commit = put(repo, "/", host, append=True)
    assert files(commit) == {**EVERYTHING, "/small": b"very small"}


def test_a_link_that_one_names_is_followed(repo, host):
    assert put(repo, "/a", host / "link").get_file("/a") == noise(5000)
    assert put(repo, "/b", host / "linked_directory").get_file("/b/middle") == noise(5000)
    with pytest.raises(FileNotFoundError):
        put(repo, "/c", host / "dangling")


def test_a_tree_put_again_changes_nothing(store, repo, host):
    put(repo, "/", host)
    rows = chunk_rows(store)
    with repo.commit() as commit:
        commit.put_file("/", host)
    assert commit.commit is None
    assert chunk_rows(store) == rows


def test_an_empty_directory_puts_nothing(repo, tmp_path):
    (tmp_path / "empty").mkdir()
    assert put(repo, "/d", tmp_path / "empty").files == 0


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(("make", "what"), [(make_fifo, "fifo"), (make_socket, "socket")])
def test_what_is_no_file_is_refused_and_nothing_kept(repo, host, make, what):
    odd = host / "d/odd"
    make(odd)
    for data in (host, odd):
        with repo.commit() as commit:
            commit.put_file("/before", b"1")
            with pytest.raises(
                (pfslib.UnsupportedFileError, OSError), match=f"{what}|No such device"
            ) as raised:
                commit.put_file("/x", data)
            commit.delete_file("/before")
        assert commit.commit is None
        assert str(odd) in str(raised.value)


def test_a_device_is_refused(repo):
    with pytest.raises(pfslib.UnsupportedFileError, match="/dev/null is a character device"):
        put(repo, "/f", Path("/dev/null"))


def test_what_is_not_there_is_refused(repo, tmp_path):
    with pytest.raises(FileNotFoundError):
        put(repo, "/f", tmp_path / "none")
    assert list(repo.list_commit()) == []


def test_a_tree_too_deep_is_refused(repo, tmp_path):
    deepest = tmp_path / "deep"
    names = ["d"] * DEPTH_MAX
    (deepest / "/".join(names)).mkdir(parents=True)
    (deepest / "/".join(names[:-1]) / "file").write_text("1")
    assert put(repo, "/", deepest / "d").files == 1
    with pytest.raises(pfslib.UnsupportedFileError, match="deeper than"):
        put(repo, "/", deepest)
    with pytest.raises(pfslib.UnsupportedFileError, match="deeper than"):
        put(repo, "/a/b", deepest / "d")


# --- the same again --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [200, 32_768, 40_000, 2_000_000])
def test_a_content_is_stored_once(store, repo, size):
    put(repo, "/a", noise(size))
    rows = chunk_rows(store)
    put(repo, "/b", noise(size))
    with store.create_repo("other").commit() as commit:
        commit.put_file("/c", noise(size))
        commit.put_file("/d", noise(size))
    assert chunk_rows(store) == rows


def test_a_content_twice_in_one_put_is_stored_once(store, repo):
    with repo.commit() as commit:
        for number in range(50):
            commit.put_file(f"/small{number}", noise(5000))
            commit.put_file(f"/large{number}", noise(100_000))
    with store.kv.read() as txn:
        sizes = [len(frame) for _, frame in txn.scan(Table.CHUNKS)]
    assert sum(sizes) < 110_000


def test_small_files_are_packed(store, repo):
    with repo.commit() as commit:
        for number in range(1000):
            commit.put_file(f"/{number}", noise(1024, number))
    assert chunk_rows(store) < 50
    for number in (0, 1, 500, 999):
        assert commit.commit.get_file(f"/{number}") == noise(1024, number)


def test_what_repeats_is_compressed(store, repo):
    put(repo, "/f", b"the same line again and again\n" * 100_000)
    with store.kv.read() as txn:
        assert sum(len(frame) for _, frame in txn.scan(Table.CHUNKS)) < 30_000


@pytest.mark.slow
def test_a_put_larger_than_what_is_held_in_memory(store, repo):
    """Over 64 MiB: written on the way, also by a commit that is durable."""
    blocks = [noise(1 << 20, number) for number in range(70)]
    started = repo.start_commit()
    started.put_file("/f", blocks)
    started.put_file("/f", blocks[0], append=True)
    commit = started.finish()
    for block, stored in zip([*blocks, blocks[0]], commit.stream_file("/f"), strict=True):
        assert block == stored
