"""Host directories put, and put again without reading what has not changed."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pfslib import (
    Commit,
    InvalidInputError,
    PathClashError,
    Repo,
    Store,
    UnsupportedFileError,
)
from pfslib.kv.tables import Table
from pfslib.trees import hostfile, hoststats

BIG = random.Random(5).randbytes(400_000)
TICK_NS = 12 * 10**6


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for directory in ("", "d", "d/e"):
        (top / directory).mkdir(exist_ok=True)
        for number in range(40):
            (top / directory / f"f{number:02}").write_bytes(b"%s %d" % (directory.encode(), number))
    (top / "big").write_bytes(BIG)
    (top / "link").symlink_to("big")
    return top


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The names of the host files that were read."""
    names: list[bytes] = []
    read = hostfile.read_file_at

    def noting(fd, name, *rest):
        names.append(name)
        return read(fd, name, *rest)

    monkeypatch.setattr("pfslib.trees.hosttree.read_file_at", noting)
    return names


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is trusted as soon as the clock of its file system must have ticked."""
    monkeypatch.setattr(hoststats, "RACY_NS", TICK_NS)


def put(repo: Repo, tree: Path, path: str = "/", **options) -> Commit | None:
    time.sleep(1.2 * TICK_NS / 10**9)
    with repo.commit() as open_commit:
        open_commit.put_file(path, tree, **options)
    return open_commit.commit


def content(commit: Commit | None) -> dict[str, bytes]:
    assert commit is not None
    return {row.path: commit.get_file(row.path) for row in commit.walk() if row.kind != "dir"}


def host_content(tree: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in tree.rglob("*"):
        name = "/" + str(path.relative_to(tree))
        if path.is_symlink():
            found[name] = os.fsencode(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def test_an_unchanged_tree_is_not_read_and_makes_no_commit(
    repo: Repo, tree: Path, opened: list[bytes], patient: None
) -> None:
    first = put(repo, tree)
    assert content(first) == host_content(tree)
    assert len(opened) == 121
    opened.clear()
    assert put(repo, tree) is None
    assert opened == []


def test_only_what_has_changed_is_read(
    repo: Repo, tree: Path, opened: list[bytes], patient: None
) -> None:
    put(repo, tree)
    opened.clear()
    (tree / "d" / "f07").write_bytes(b"changed")
    (tree / "d" / "new").write_bytes(b"new")
    (tree / "f01").chmod(0o755)
    (tree / "f02").unlink()
    (tree / "link").unlink()
    (tree / "link").symlink_to("f03")
    second = put(repo, tree)
    assert second is not None
    assert sorted(opened) == [b"f01", b"f07", b"new"]
    assert [(row.op, row.path) for row in second.diff()] == [
        ("changed", "/d/f07"),
        ("added", "/d/new"),
        ("changed", "/f01"),
        ("changed", "/link"),
    ]
    assert content(second) == host_content(tree) | {"/f02": b" 2"}


def test_what_is_known_of_a_file_serves_every_path_and_repo(
    store: Store, repo: Repo, tree: Path, opened: list[bytes], patient: None
) -> None:
    put(repo, tree)
    opened.clear()
    made = put(repo, tree, "/elsewhere")
    assert made is not None
    other = put(store.create_repo("other"), tree)
    assert opened == []
    assert content(other) == host_content(tree)
    assert made.inspect_file("/elsewhere").digest == other.inspect_file("/").digest


def test_a_renamed_directory_is_still_known(
    repo: Repo, tree: Path, opened: list[bytes], patient: None
) -> None:
    put(repo, tree)
    opened.clear()
    (tree / "d").rename(tree / "renamed")
    assert content(put(repo, tree))["/renamed/e/f00"] == b"d/e 0"
    assert opened == []


def test_a_change_that_keeps_size_and_mtime_is_seen(repo: Repo, tree: Path, patient: None) -> None:
    put(repo, tree)
    status = (tree / "f05").stat()
    (tree / "f05").write_bytes(b"x" * status.st_size)
    os.utime(tree / "f05", ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert content(put(repo, tree))["/f05"] == b"x" * status.st_size


def test_a_file_changed_just_before_it_was_read_is_read_again(
    repo: Repo, tree: Path, opened: list[bytes]
) -> None:
    put(repo, tree)
    first = len(opened)
    opened.clear()
    put(repo, tree)
    assert len(opened) == first == 121


def test_an_old_file_is_known_without_patience(
    repo: Repo, tree: Path, opened: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = time.time_ns
    monkeypatch.setattr(hoststats.time, "time_ns", lambda: now_ns() + 2 * 10**9)
    put(repo, tree)
    opened.clear()
    put(repo, tree)
    assert opened == []


def test_reread_reads_every_file_and_remembers_it_anew(
    repo: Repo, tree: Path, opened: list[bytes], patient: None
) -> None:
    put(repo, tree)
    opened.clear()
    assert put(repo, tree, reread=True) is None
    assert len(opened) == 121
    opened.clear()
    put(repo, tree)
    assert opened == []


def test_what_was_collected_meanwhile_is_read_and_stored_again(
    store: Store, repo: Repo, tree: Path, opened: list[bytes], patient: None
) -> None:
    put(repo, tree)
    store.delete_repo("data")
    with store.kv.write() as txn:  # what a collection of garbage comes to
        for table in (Table.PLACES, Table.NODES, Table.CHUNKS):
            for key, _ in list(txn.scan(table)):
                txn.delete(table, key)
    opened.clear()
    made = put(store.create_repo("data"), tree)
    assert opened == [b"big"], "the others are so small that their entries hold them"
    assert content(made) == host_content(tree)


def test_the_memory_of_files_is_bounded(
    store: Store, repo: Repo, tree: Path, opened: list[bytes], patient: None, monkeypatch
) -> None:
    monkeypatch.setattr(hoststats, "ROWS_MAX", 130)
    put(repo, tree)
    assert rows_of(store) == 122
    put(repo, tree / "d")
    assert rows_of(store) == 122, "rows that are there already are not counted again"
    (tree / "x").mkdir()
    for number in range(20):
        (tree / "x" / str(number)).write_bytes(b"x")
    put(repo, tree)
    assert rows_of(store) <= 130
    put(repo, tree)
    assert content(put(repo, tree, "/again"))


def rows_of(store: Store) -> int:
    from pfslib.model.encoding import unpack

    with store.kv.read() as txn:
        pages = [unpack(list[hoststats.StatRow], value) for _, value in txn.scan(Table.STATS)]
        counted = int.from_bytes(txn.get(Table.META, b"stat rows") or b"", "big")
    assert counted == sum(map(len, pages))
    return counted


def test_a_changed_file_rewrites_one_page_of_its_directory(
    store: Store, repo: Repo, tmp_path: Path, patient: None
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(2_000):
        (many / f"file{number}").write_bytes(b"")
    put(repo, many)
    with store.kv.read() as txn:
        before = dict(txn.scan(Table.STATS))
    (many / "file999").write_bytes(b"x")
    put(repo, many)
    with store.kv.read() as txn:
        after = dict(txn.scan(Table.STATS))
    assert len(before) > 10
    assert len(after.items() - before.items()) == 1
    for path in many.iterdir():
        if path.name < "file5":
            path.unlink()
    put(repo, many)
    assert rows_of(store) == len(list(many.iterdir()))


def test_damage_to_what_is_known_costs_time_only(
    store: Store, repo: Repo, tree: Path, patient: None
) -> None:
    put(repo, tree)
    with store.kv.write() as txn:
        for key, _ in list(txn.scan(Table.STATS)):
            txn.put(Table.STATS, key, b"\xc1 no msgpack")
    (tree / "f00").write_bytes(b"new")
    assert content(put(repo, tree)) == host_content(tree)


# --- while it is read ------------------------------------------------------------------------


class Changing:
    """Changes a file while it is being read, a number of times."""

    def __init__(self, path: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.left, self.reads = path, times, 0
        real = os.readv

        def readv(fd, buffers):
            if os.fstat(fd).st_ino == self.path.stat().st_ino:
                self.reads += 1
                if self.left:
                    self.left -= 1
                    with self.path.open("r+b") as file:
                        file.write(b"<%d>" % self.left)
            return real(fd, buffers)

        monkeypatch.setattr(hostfile.os, "readv", readv)


def test_a_file_that_changes_while_it_is_read_is_read_once_more(
    repo: Repo,
    tree: Path,
    opened: list[bytes],
    patient: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    changing = Changing(tree / "big", 1, monkeypatch)
    made = put(repo, tree)
    assert changing.reads >= 2
    assert caplog.messages == []
    assert content(made)["/big"] == (tree / "big").read_bytes() == b"<0>" + BIG[3:]
    opened.clear()
    put(repo, tree)
    assert opened == [b"big"], "it had just been changed"
    opened.clear()
    put(repo, tree)
    assert opened == []


def test_a_file_that_keeps_changing_is_stored_as_read_and_not_remembered(
    repo: Repo,
    tree: Path,
    opened: list[bytes],
    patient: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    changing = Changing(tree / "big", 10**6, monkeypatch)
    made = put(repo, tree)
    assert caplog.messages == [f"{tree / 'big'} changed while it was read"]
    assert made is not None
    assert made.inspect_file("/big").size == len(BIG)
    changing.left = 0
    opened.clear()
    assert content(put(repo, tree)) == host_content(tree)
    assert opened == [b"big"]


def test_a_file_that_is_removed_while_the_directory_is_read_is_not_there(
    repo: Repo, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.listdir

    def listdir(fd):
        return [*real(fd), "was-here"]

    monkeypatch.setattr("pfslib.trees.hosttree.os.listdir", listdir)
    assert content(put(repo, tree)) == host_content(tree)


def test_what_is_removed_between_a_look_and_its_opening_is_not_there(
    repo: Repo, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "going").mkdir()
    real = os.open

    def removing(name, flags, *args, **options):
        if name == b"big":
            (tree / "big").unlink()
        if name == b"going":
            (tree / "going").rmdir()
        return real(name, flags, *args, **options)

    monkeypatch.setattr("os.open", removing)
    made = put(repo, tree)
    monkeypatch.undo()
    assert not (tree / "big").exists()
    assert not (tree / "going").exists()
    assert content(made) == host_content(tree)


@pytest.mark.parametrize("size", [1, 20_000, 3_000_000])
def test_a_file_that_grows_as_fast_as_it_is_read_has_an_end(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * size)
    real = os.readv

    def readv(fd, buffers):
        with log.open("ab") as file:
            file.write(b"y" * 1_000_000)
        return real(fd, buffers)

    monkeypatch.setattr(hostfile.os, "readv", readv)
    monkeypatch.setattr(hostfile.os, "read", lambda fd, count: os.pread(fd, count, 0) + b"y")
    with repo.commit() as commit:
        commit.put_file("/log", log)
    made = commit.commit
    assert made is not None
    assert log.read_bytes().startswith(made.get_file("/log"))
    assert made.inspect_file("/log").size < 2 * size + 3_000_000


def test_a_file_that_the_kernel_makes_up_is_read_to_its_end(repo: Repo) -> None:
    with repo.commit() as commit:
        commit.put_file("/version", Path("/proc/version"))
    assert commit.commit is not None
    assert commit.commit.get_file("/version") == Path("/proc/version").read_bytes()


def test_errors_of_the_host_name_the_whole_path(
    repo: Repo, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refusing(name, flags, *args, **options):
        if name in {b"secret", b"closed"}:
            raise PermissionError(13, "Permission denied", name)
        return real(name, flags, *args, **options)

    monkeypatch.setattr("os.open", refusing)
    for deep, what in (("d/secret", "file"), ("d/closed", "directory")):
        path = tree / deep
        path.write_bytes(b"1" * 200) if what == "file" else path.mkdir()
        with pytest.raises(PermissionError) as raised:
            put(repo, tree)
        assert raised.value.filename == str(path)
        path.unlink() if what == "file" else path.rmdir()


def test_an_image_made_of_the_working_directory_leaves_the_store_out(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    assert store.path.parent == tmp_path
    assert store.create_image("here", tmp_path).root.files == 1


# --- special files ---------------------------------------------------------------------------


@pytest.fixture
def special(tree: Path) -> Iterator[Path]:
    os.mkfifo(tree / "d" / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tree / "sock"))
    yield tree
    listening.close()


def test_special_files_are_refused_by_name_and_nothing_is_kept(repo: Repo, special: Path) -> None:
    with repo.commit() as open_commit:
        open_commit.put_file("/kept", b"1")
        with pytest.raises(UnsupportedFileError, match=f"{special}/d/fifo is a fifo") as refused:
            open_commit.put_file("/tree", special)
        assert 'special="skip"' in refused.value.hint
        (special / "d" / "fifo").unlink()
        with pytest.raises(UnsupportedFileError, match=f"{special}/sock is a socket"):
            open_commit.put_file("/tree", special)
        with pytest.raises(UnsupportedFileError, match="is a socket"):
            open_commit.put_file("/one", special / "sock")
    assert content(open_commit.commit) == {"/kept": b"1"}


def test_special_files_are_skipped_if_asked(repo: Repo, special: Path) -> None:
    with repo.commit() as open_commit:
        skipped = open_commit.put_file("/", special, special="skip")
        with pytest.raises(InvalidInputError, match="refuse"):
            open_commit.put_file("/", special, special="ignore")  # type: ignore[arg-type]
    assert sorted(skipped) == [f"{special}/d/fifo", f"{special}/sock"]
    assert len(content(open_commit.commit)) == 122


# --- over what is there ----------------------------------------------------------------------


def test_a_tree_is_laid_over_what_is_there(repo: Repo, tree: Path) -> None:
    with repo.commit() as open_commit:
        open_commit.put_file("/d/kept", b"k")
        open_commit.put_file("/d/f00", b"old")
        open_commit.put_file("/", tree)
        assert open_commit.get_file("/d/f00") == b"d 0"
        open_commit.put_file("/", tree)
    assert content(open_commit.commit) == host_content(tree) | {"/d/kept": b"k"}


@pytest.mark.parametrize("path", ["/d", "/f00/x"])
def test_clashes_with_what_is_there_name_the_path(repo: Repo, tree: Path, path: str) -> None:
    with repo.commit() as first:
        first.put_file(path, b"in the way")
    with repo.commit() as open_commit, pytest.raises(PathClashError, match=r"it is a (file|dir)"):
        open_commit.put_file("/", tree)
    assert open_commit.commit is None


def test_a_tree_can_be_appended_file_by_file(repo: Repo, tree: Path) -> None:
    put(repo, tree)
    made = put(repo, tree, append=True)
    assert made is not None
    assert made.get_file("/big") == BIG + BIG
    assert made.get_file("/d/e/f09") == b"d/e 9d/e 9"
    assert made.get_file("/link") == b"big"


def test_two_writers_of_one_open_commit_lose_nothing(
    store: Store, repo: Repo, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one deletes a file that this one finds unchanged and so would not put."""
    put(repo, tree)
    (tree / "d" / "f12").write_bytes(b"changed")
    mine = repo.start_commit()
    theirs = store.open_commit("data", mine.id)
    add_all, calls = type(mine._editing).add_all, []

    def after_theirs(editing, spool, seen=None):
        if not calls:
            theirs.delete_file("/d/f11")
        calls.append(seen)
        return add_all(editing, spool, seen)

    monkeypatch.setattr(type(mine._editing), "add_all", after_theirs)
    mine.put_file("/", tree)
    assert len(calls) == 2
    assert content(mine.finish()) == host_content(tree)


def test_more_files_than_are_held_in_memory(
    repo: Repo, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pfslib.trees.spool.MEMORY_MAX", "pfslib.api.editing.MEMORY_MAX"):
        monkeypatch.setattr(name, 7)
    durable = repo.start_commit("durable")
    for make in (repo.commit, lambda: durable):
        with make() as open_commit:
            open_commit.put_file("/before", b"1")
            open_commit.put_file("/", tree)
            open_commit.put_file("/after", b"2")
        assert content(open_commit.commit) == host_content(tree) | {
            "/before": b"1",
            "/after": b"2",
        }


def test_progress_counts_files_and_bytes_also_of_those_not_read(
    repo: Repo, tree: Path, patient: None
) -> None:
    for _ in range(2):
        seen: list[tuple[int, int]] = []
        put(repo, tree, progress=lambda files, size, seen=seen: seen.append((files, size)))
        assert seen == sorted(seen)
        assert seen[-1] == (122, sum(map(len, host_content(tree).values())))
    seen = []
    with repo.commit() as open_commit:
        open_commit.put_file("/x", tree / "big", progress=lambda *row: seen.append(row))
    assert seen[-1] == (1, len(BIG))


def test_names_of_any_bytes_are_kept(repo: Repo, tmp_path: Path) -> None:
    top = tmp_path / "odd"
    top.mkdir()
    names = [b"\xff\xfe", b"a\nb", "é".encode(), b"x" * 255, b" ", b"-rf", b"*?[", b"\\"]
    for name in names:
        Path(os.fsdecode(os.fsencode(top) + b"/" + name)).write_bytes(name)
    made = put(repo, top)
    assert made is not None
    assert [os.fsencode(row.path[1:]) for row in made.list_file()] == sorted(names)
    for name in names:
        assert made.get_file("/" + os.fsdecode(name)) == name


def test_a_tree_is_put_beside_readers(repo: Repo, tree: Path) -> None:
    """Reading the commit that is being put on top of waits for nothing."""
    first = put(repo, tree)
    assert first is not None
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            if first.get_file("/big") != BIG:
                wrong.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(5):
        (tree / "big").write_bytes(b"%d" % number * 100_000)
        put(repo, tree)
    done.set()
    reader.join()
    assert wrong == []


@pytest.mark.parametrize("path", ["/file", "/file/below", "/file/deep/below"])
def test_a_tree_below_a_file_is_refused_at_once(repo: Repo, tree: Path, path: str) -> None:
    """Staged, it would keep the commit from ever being finished."""
    commit = repo.start_commit()
    commit.put_file("/file", b"x")
    with pytest.raises(PathClashError, match="/file: it is a file"):
        commit.put_file(path, tree)
    finished = commit.finish()
    assert finished is not None
    assert [info.path for info in finished.walk()] == ["/file"]
