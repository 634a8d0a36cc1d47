"""Open commits: read before they are finished, edited, by several writers."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pfslib import (
    BranchBusyError,
    Commit,
    CommitFinishedError,
    InvalidGlobError,
    InvalidPathError,
    IsADirectoryInCommitError,
    OpenCommit,
    PathClashError,
    PathNotFoundError,
    Repo,
    Store,
)
from pfslib.kv.tables import Table
from pfslib.testing.inventory import assert_exact

Make = Callable[..., Commit]


@pytest.fixture(params=["with", "durable"])
def open_commit(request: pytest.FixtureRequest, repo: Repo, commit: Make) -> OpenCommit:
    """Both kinds, on top of a commit."""
    commit({"/a": b"a", "/d/x": b"x", "/d/y": b"y"})
    return repo.commit() if request.param == "with" else repo.start_commit()


def paths(rows) -> list[str]:
    return [row.path for row in rows]


# --- reading ---------------------------------------------------------------------------------


def test_reading_gives_what_was_put_so_far(open_commit: OpenCommit, tmp_path: Path) -> None:
    assert open_commit.get_file("/a") == b"a"
    open_commit.put_file("/a", b"A")
    open_commit.put_file("/new/file", b"n")
    open_commit.put_file("/a", b"+", append=True)
    assert open_commit.get_file("/a") == b"A+"
    assert open_commit.get_file("/a", 1, 1) == b"+"
    assert b"".join(open_commit.stream_file("/new/file")) == b"n"
    assert open_commit.open("/a", "r").read() == "A+"
    assert paths(open_commit.list_file()) == ["/a", "/d", "/new"]
    assert paths(open_commit.walk("/new")) == ["/new/file"]
    assert paths(open_commit.glob("/**x")) == ["/d/x"]
    assert open_commit.inspect_file("/d").files == 2
    assert open_commit.inspect_file("/a").commit == open_commit.id
    open_commit.export(tmp_path / "out")
    assert (tmp_path / "out" / "new" / "file").read_bytes() == b"n"
    open_commit.get_file_to("/a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"A+"
    open_commit.delete_file("/d/x")
    with pytest.raises(PathNotFoundError):
        open_commit.get_file("/d/x")
    made = open_commit.finish()
    assert made is not None
    assert paths(made.walk()) == ["/a", "/d", "/d/y", "/new", "/new/file"]


def test_reading_does_not_show_it_to_others(open_commit: OpenCommit, store: Store) -> None:
    open_commit.put_file("/a", b"A")
    assert open_commit.get_file("/a") == b"A"
    assert store.commit("data@master").get_file("/a") == b"a"


def test_another_handle_sees_what_was_put(store: Store, repo: Repo) -> None:
    mine = repo.start_commit()
    mine.put_file("/a", b"1")
    theirs = store.open_commit("data", "master")
    assert theirs.get_file("/a") == b"1"
    theirs.put_file("/a", b"2", append=True)
    assert mine.get_file("/a") == b"12"
    theirs.finish()
    with pytest.raises(CommitFinishedError):
        mine.get_file("/a")


def test_after_the_end_every_verb_says_so(open_commit: OpenCommit) -> None:
    open_commit.put_file("/a", b"A")
    made = open_commit.finish()
    assert made is not None
    calls: list[Callable[[], object]] = [
        lambda: open_commit.put_file("/z", b""),
        lambda: open_commit.write_at("/z", 0, b""),
        lambda: open_commit.copy_file(made, "/a", "/z"),
        lambda: open_commit.delete_file("/a"),
        lambda: open_commit.delete_glob("*"),
        lambda: open_commit.get_file("/a"),
        lambda: list(open_commit.list_file()),
        open_commit.finish,
    ]
    for call in calls:
        with pytest.raises(CommitFinishedError):
            call()
    open_commit.discard()


def test_a_message_can_be_given_at_either_end(store: Store, repo: Repo) -> None:
    assert repo.start_commit(message="begun").finish().message == "begun"
    assert repo.start_commit(message="begun").finish(message="done").message == "done"
    store.start_commit("data")
    assert store.finish_commit("data", "master", message="by name").message == "by name"
    with repo.commit(message="block", allow_empty=True) as block:
        pass
    assert block.commit is not None
    assert block.commit.message == "block"


# --- deleting --------------------------------------------------------------------------------


def test_deleting_what_is_not_there_is_an_error_unless_allowed(open_commit: OpenCommit) -> None:
    open_commit.put_file("/new", b"")
    open_commit.delete_file("/new")
    for path in ("/nothing", "/d/z", "/a/below", "/new"):
        with pytest.raises(PathNotFoundError, match=path):
            open_commit.delete_file(path)
        open_commit.delete_file(path, missing_ok=True)
    open_commit.delete_file("/d")
    with pytest.raises(PathNotFoundError):
        open_commit.delete_file("/d/x")
    with pytest.raises(InvalidPathError, match="root"):
        open_commit.delete_file("/")
    made = open_commit.finish()
    assert made is not None
    assert paths(made.walk()) == ["/a"]


def test_delete_glob_deletes_what_matches_and_says_what(open_commit: OpenCommit) -> None:
    open_commit.put_file("/d/x2", b"")
    assert open_commit.delete_glob("/d/x*") == ["/d/x", "/d/x2"]
    assert open_commit.delete_glob("/d/x*") == []
    with pytest.raises(InvalidGlobError):
        open_commit.delete_glob("/[")
    with pytest.raises(InvalidPathError, match="root"):
        open_commit.delete_glob("/")
    assert open_commit.delete_glob("/**") == ["/a", "/d"]
    open_commit.put_file("/d", b"now a file")
    made = open_commit.finish()
    assert made is not None
    assert paths(made.walk()) == ["/d"]


def test_many_deletes_of_one_block_are_quick(repo: Repo) -> None:
    with repo.commit() as first:
        for number in range(3_000):
            first.put_file(f"/f{number}", b"")
    began = time.process_time()
    with repo.commit() as second:
        for number in range(1, 3_000):
            second.delete_file(f"/f{number}")
    assert time.process_time() - began < 5
    assert second.commit is not None
    assert second.commit.files == 1


# --- clashes ---------------------------------------------------------------------------------


def test_a_lasting_commit_refuses_a_clash_at_once_and_goes_on(repo: Repo, commit: Make) -> None:
    base = commit({"/a": b"a", "/d/x": b"x"})
    open_commit = repo.start_commit()
    open_commit.put_file("/new/f", b"1")
    for path in ("/a/b", "/a/b/c", "/d", "/new", "/new/f/g"):
        with pytest.raises(PathClashError):
            open_commit.put_file(path, b"clash")
    with pytest.raises(PathClashError):
        open_commit.copy_file(base, "/d", "/a")
    for path in ("/d", "/new"):
        with pytest.raises(IsADirectoryInCommitError):
            open_commit.put_file(path, b"clash", append=True)
    open_commit.delete_file("/d")
    open_commit.put_file("/d", b"a file")
    open_commit.put_file("/new/g", b"2")
    made = open_commit.finish()
    assert made is not None
    assert paths(made.walk()) == ["/a", "/d", "/new", "/new/f", "/new/g"]


def test_a_block_with_a_clash_publishes_nothing(repo: Repo, commit: Make) -> None:
    base = commit({"/a": b"a"})
    with pytest.raises(PathClashError), repo.commit() as open_commit:
        open_commit.put_file("/b", b"b")
        open_commit.put_file("/a/b", b"clash")
    assert repo["master"] == base


def test_a_link_takes_no_bytes(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("x")
    open_commit = repo.start_commit()
    open_commit.put_file("/", tmp_path / "tree")
    with pytest.raises(PathClashError, match="symbolic link"):
        open_commit.put_file("/link", b"x", append=True)
    with pytest.raises(PathClashError, match="symbolic link"):
        open_commit.write_at("/link", 0, b"x")
    assert open_commit.get_file("/link") == b"x"


# --- lasting commits -------------------------------------------------------------------------


def test_the_log_of_edits_stays_short(store: Store, repo: Repo) -> None:
    from pfslib.kv.tables import Table

    open_commit = repo.start_commit()
    longest = 0
    for number in range(200):
        open_commit.put_file(f"/f{number}", b"%d" % number)
        open_commit.put_file("/log", b"%d\n" % number, append=True)
        with store.kv.read() as txn:
            longest = max(longest, txn.count(Table.STAGED))
    assert 32 < longest <= 64
    made = open_commit.finish()
    assert made is not None
    assert made.files == 201
    assert made.get_file("/log") == b"".join(b"%d\n" % number for number in range(200))


def test_writers_of_one_commit_at_the_same_time_lose_nothing(store: Store, repo: Repo) -> None:
    open_commit = repo.start_commit()
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            mine = store.open_commit("data", open_commit.id)
            for number in range(30):
                mine.put_file(f"/w{writer}/f{number}", b"%d" % number)
                mine.put_file("/log", b"%d:%d\n" % (writer, number), append=True)
                if number % 3 == 0:
                    mine.delete_file(f"/w{writer}/f{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    made = open_commit.finish()
    assert made is not None
    assert made.files == 4 * 20 + 1
    lines = made.get_file("/log").splitlines()
    assert sorted(lines) == sorted(b"%d:%d" % (w, n) for w in range(4) for n in range(30))
    for writer in range(4):
        own = [line for line in lines if line.startswith(b"%d:" % writer)]
        assert own == [b"%d:%d" % (writer, n) for n in range(30)]


def test_starting_on_a_busy_branch_waits_as_long_as_asked(repo: Repo, commit: Make) -> None:
    commit({"/a": b"1"})
    first = repo.start_commit()
    began = time.monotonic()
    with pytest.raises(BranchBusyError, match=first.id):
        repo.start_commit(wait_s=0.2)
    assert 0.2 <= time.monotonic() - began < 10
    with pytest.raises(BranchBusyError):
        repo.commit()
    first.put_file("/a", b"2")
    timer = threading.Timer(0.1, first.finish)
    timer.start()
    with repo.commit(wait_s=20) as second:
        assert second.get_file("/a") == b"2"
    timer.join()
    assert time.monotonic() - began < 10


def test_what_was_refused_is_not_kept(store: Store, repo: Repo) -> None:
    """Neither written with the next edit nor, if it was already, held against gc."""
    commit = repo.start_commit()
    commit.put_file("/d/file", b"x")
    for path in ("/d", "/d/file/below"):
        with pytest.raises(PathClashError):
            commit.put_file(path, random.Random(1).randbytes(5_000))
    commit.put_file("/other", b"y")
    store.gc()
    assert_exact(store)
    with store.kv.read() as txn:
        assert txn.count(Table.CHUNKS) == 0
    commit.finish()
