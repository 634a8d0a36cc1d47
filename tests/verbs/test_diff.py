"""Differences between commits, and which commits changed a path."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfslib import (
    Commit,
    CommitFinishedError,
    InvalidInputError,
    IsADirectoryInCommitError,
    OpenCommit,
    PathNotFoundError,
    Repo,
    Store,
)
from pfslib.kv.memory import MemoryKV
from pfslib.kv.tables import Table
from pfslib.model.nodes import Entry, Kind
from pfslib.testing.recording import RecordingKV
from pfslib.trees.diff import diff
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, Op, apply_edits
from pfslib.trees.nodestore import TreeCache

Make = Callable[..., Commit]
Model = dict[tuple[bytes, ...], bytes]


def rows(
    new: Commit | OpenCommit, old: Commit | None = None, path: str = "/"
) -> list[tuple[str, str]]:
    return [(row.op, row.path) for row in new.diff(old, path)]


def test_diff_with_the_parent_names_what_was_added_changed_and_removed(commit: Make) -> None:
    commit({"/a": b"1", "/d/b": b"22", "/d/c": b"333"})
    new = commit({"/d/b": b"4444", "/d/c": None, "/e/f": b"5"})
    assert [(r.op, r.path, r.old_size, r.new_size, r.kind) for r in new.diff()] == [
        ("changed", "/d/b", 2, 4, "file"),
        ("removed", "/d/c", 3, 0, "file"),
        ("added", "/e/f", 0, 1, "file"),
    ]


def test_diff_of_the_first_commit_is_all_of_it(commit: Make) -> None:
    first = commit({"/a": b"1", "/b/c": b"2"})
    assert rows(first) == [("added", "/a"), ("added", "/b/c")]


def test_diff_of_an_open_commit_is_what_was_put_so_far(repo: Repo, commit: Make) -> None:
    first = commit({"/a": b"1\n", "/b": b"2"})
    started = repo.start_commit()
    assert started.parent() == first
    assert rows(started) == []
    started.put_file("/a", b"one\n")
    started.put_file("/c", b"3")
    seen = started.diff()
    started.delete_file("/b")
    assert [(row.op, row.path) for row in seen] == [("changed", "/a"), ("added", "/c")]
    assert rows(started) == [("changed", "/a"), ("removed", "/b"), ("added", "/c")]
    assert rows(started, path="/c") == [("added", "/c")]
    assert started.text_diff("/a").endswith("-1\n+one\n")
    with pytest.raises(PathNotFoundError, match=f"open commit data@{started.id}"):
        started.diff(path="/nothing")
    started.finish()
    with pytest.raises(CommitFinishedError):
        started.diff()


def test_diff_of_an_open_commit_without_a_parent_is_all_of_it(repo: Repo, commit: Make) -> None:
    other = commit({"/a": b"1", "/b": b"2"})
    with repo.commit("new") as open_commit:
        open_commit.put_file("/a", b"1")
        assert open_commit.parent() is None
        assert rows(open_commit) == [("added", "/a")]
        assert rows(open_commit, other) == [("removed", "/b")]


def test_diff_of_a_path_looks_at_that_path_only(commit: Make) -> None:
    old = commit({"/a": b"1", "/d/b": b"2"})
    new = commit({"/a": b"3", "/d/b": b"4"})
    assert rows(new, old, "/d") == [("changed", "/d/b")]
    assert rows(new, old, "/a") == [("changed", "/a")]
    assert rows(old, new, "/d/b") == [("changed", "/d/b")]
    with pytest.raises(PathNotFoundError):
        new.diff(old, "/nothing")


def test_diff_with_a_commit_of_another_repo(store: Store, commit: Make) -> None:
    one = commit({"/a": b"1", "/b": b"2"})
    with store.create_repo("other").commit() as made:
        made.copy_file(one, "/a", "/a")
        made.put_file("/c", b"3")
    assert made.commit is not None
    assert rows(made.commit, one) == [("removed", "/b"), ("added", "/c")]


def test_a_file_that_became_a_directory_is_gone_and_its_files_are_new(commit: Make) -> None:
    old = commit({"/x": b"1", "/y/z": b"2"})
    commit({"/x": None, "/y": None})
    new = commit({"/x/a": b"1", "/y": b"2"})
    assert rows(new, old) == [
        ("removed", "/x"),
        ("added", "/x/a"),
        ("added", "/y"),
        ("removed", "/y/z"),
    ]


def test_a_file_made_executable_has_changed_and_a_touched_one_has_not(
    commit: Make, store: Store, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    host.write_bytes(b"same")
    old = commit({"/run": b"same", "/still": b"same"})
    host.chmod(0o755)
    with store.repo("data").commit() as made:
        made.put_file("/run", host)
        host.chmod(0o644)
        made.put_file("/still", host)
    assert made.commit is not None
    assert rows(made.commit, old) == [("changed", "/run")]


names = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(tuple)
trees = st.dictionaries(names, st.binary(max_size=3), max_size=12)


@settings(max_examples=150, deadline=None)
@given(trees, trees)
def test_diff_is_what_a_comparison_of_all_files_gives(old: Model, new: Model) -> None:
    kv, cache = MemoryKV(), TreeCache()
    old, new = without_clashes(old), without_clashes(new)
    with kv.write() as txn:
        before, after = tree_of(txn, old, cache), tree_of(txn, new, cache)
        found = [
            (path, a and a.content, b and b.content)
            for path, a, b in diff(txn, before, after, cache)
        ]
    expected = [
        (path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
    assert found == expected


@pytest.mark.slow
def test_ten_changes_among_many_files_read_few_nodes() -> None:
    for directories in (1, 2_000):
        assert 10 < nodes_read_for_ten_changes(200_000, directories) < 200


def nodes_read_for_ten_changes(files: int, directories: int) -> int:
    kv, cache, choice = MemoryKV(), TreeCache(), random.Random(directories)
    paths = [(b"d%04d" % (n % directories), b"f%06d" % n) for n in range(files)]
    with kv.write() as txn:
        empty = empty_directory(txn, mtime_ns=1, origin=b"")
        old = change(txn, empty, [(path, b"old") for path in paths], cache)
        changed = choice.sample(paths, 10)
        new = change(txn, old, [(path, b"new") for path in changed[:5]], cache)
        new = change(txn, new, [((d, f + b"+"), b"more") for d, f in changed[5:8]], cache)
        new = change(txn, new, [(path, None) for path in changed[8:]], cache)
    recording = RecordingKV(kv)
    with recording.read() as reads:
        assert len(list(diff(reads, old, new, TreeCache()))) == 10
    return recording.read_calls[Table.NODES]


def tree_of(txn, files: Model, cache: TreeCache) -> Entry:
    return change(txn, empty_directory(txn, mtime_ns=1, origin=b""), files.items(), cache)


def change(txn, root: Entry, files, cache: TreeCache) -> Entry:
    edits = [
        Edit(Op.DELETE, path)
        if data is None
        else Edit(Op.PUT, path, Entry(b"", Kind.FILE, len(data), data, 1, b""))
        for path, data in files
    ]
    return apply_edits(txn, root, edits, cache, origin=b"", now_ns=1).root


def without_clashes(files: Model) -> Model:
    """The files that are not below another one."""
    return {
        path: data
        for path, data in files.items()
        if not any(path[:depth] in files for depth in range(1, len(path)))
    }


# --- text ------------------------------------------------------------------------------------


def test_text_diff_is_a_unified_diff(commit: Make) -> None:
    commit({"/t.txt": b"one\ntwo\nthree\n"})
    new = commit({"/t.txt": b"one\n2\nthree"})
    assert new.text_diff("/t.txt") == (
        "--- a/t.txt\n+++ b/t.txt\n@@ -1,3 +1,3 @@\n one\n-two\n-three\n+2\n+three\n"
        "\\ No newline at end of file\n"
    )
    assert new.text_diff("t.txt", new) == ""


def test_text_diff_of_a_new_file_is_all_of_it(commit: Make) -> None:
    commit({"/a": b"1"})
    new = commit({"/b": b"x\r\ny\n"})
    assert new.text_diff("/b") == "--- /dev/null\n+++ b/b\n@@ -0,0 +1,2 @@\n+x\r\n+y\n"


def test_text_diff_says_when_a_file_is_binary(commit: Make) -> None:
    commit({"/b": b"\0\1"})
    assert commit({"/b": b"\0\2"}).text_diff("/b") == "Binary files a/b and b/b differ\n"


def test_text_diff_keeps_bytes_that_are_no_text(commit: Make) -> None:
    commit({"/l": b"caf\xe9\n"})
    text = commit({"/l": b"th\xe9\n"}).text_diff("/l")
    assert b"-caf\xe9\n+th\xe9\n" in text.encode("utf-8", "surrogateescape")


def test_text_diff_refuses_directories_and_what_is_too_long(commit: Make) -> None:
    new = commit({"/d/f": b"1", "/big": bytes((8 << 20) + 1)})
    with pytest.raises(IsADirectoryInCommitError):
        new.text_diff("/d")
    with pytest.raises(InvalidInputError, match="more than"):
        new.text_diff("/big")


# --- find ------------------------------------------------------------------------------------


def test_find_commit_gives_every_change_newest_first(commit: Make) -> None:
    first = commit({"/a": b"1", "/d/x": b"1"})
    commit({"/other": b"1"})
    second = commit({"/a": b"22"})
    third = commit({"/a": None})
    fourth = commit({"/a": b"22", "/d/y": b"2"})
    found = [(row.commit, row.op, row.size) for row in fourth.find_commit("/a")]
    assert found == [
        (fourth, "added", 2),
        (third, "removed", 0),
        (second, "changed", 2),
        (first, "added", 1),
    ]
    assert [row.commit for row in fourth.find_commit("/d")] == [fourth, first]
    assert [row.commit for row in third.find_commit("/d/x")] == [first]
    assert list(fourth.find_commit("/never/there")) == []


def test_find_commit_goes_on_only_as_asked(commit: Make, store: Store) -> None:
    for number in range(5):
        last = commit({"/a": b"%d" % number})
    rows = last.find_commit("/a")
    assert next(rows).commit == last
    store.close()
    with pytest.raises(Exception, match="closed"):
        next(rows)


def test_the_lines_of_a_file_that_was_a_directory(commit: Make) -> None:
    first = commit({"/a/b": b"below\n"})
    second = commit({"/a": None})
    third = commit({"/a": b"a file\n"})
    assert "+a file" in third.text_diff("/a", first)
    assert "-a file" in first.text_diff("/a", third)
    assert third.text_diff("/a", second) == third.text_diff("/a", first)
    with pytest.raises(IsADirectoryInCommitError):
        first.text_diff("/a", second)
