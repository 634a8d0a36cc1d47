"""Edits of a tree: as in a dict of paths, in any batches, and refused where a path would clash."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfslib.kv.memory import MemoryKV
from pfslib.model.errors import (
    IsADirectoryInCommitError,
    NotADirectoryInCommitError,
    PathClashError,
    PathNotFoundError,
)
from pfslib.model.nodes import Entry, Kind
from pfslib.testing.model_store import ModelTree
from pfslib.testing.strategies import components, contents, few_names, noise, paths
from pfslib.trees.assemble import assemble
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Applied, Edit, Op, apply_edits, list_joined
from pfslib.trees.filereader import read_file
from pfslib.trees.lookup import get_entry, scan_directory
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import walk

ORIGIN, OTHER_ORIGIN = b"o" * 16, b"p" * 16


class Trees:
    """Trees in a store in memory, all edited at the same moment by the same commit."""

    def __init__(self) -> None:
        self.kv = MemoryKV()
        self.cache = TreeCache()
        with self.kv.write() as txn:
            self.empty = empty_directory(txn, mtime_ns=1, origin=ORIGIN)

    def put(self, path: str, data: bytes = b"", kind: Kind = Kind.FILE, mtime_ns: int = 1) -> Edit:
        return Edit(Op.PUT, parts(path), self.entry(data, kind, mtime_ns))

    def append(self, path: str, data: bytes, kind: Kind = Kind.FILE) -> Edit:
        return Edit(Op.APPEND, parts(path), self.entry(data, kind))

    def entry(self, data: bytes, kind: Kind = Kind.FILE, mtime_ns: int = 1) -> Entry:
        writer = ContentWriter(self.kv)
        content = writer.add_bytes(data)
        writer.spill()
        writer.close()
        return Entry(b"", kind, content.size, content.ref, mtime_ns, b"")

    def apply(self, root: Entry, *edits: Edit, origin: bytes = ORIGIN, now_ns: int = 1) -> Entry:
        return self.applied(root, *edits, origin=origin, now_ns=now_ns).root

    def applied(
        self, root: Entry, *edits: Edit, origin: bytes = ORIGIN, now_ns: int = 1
    ) -> Applied:
        writer = ContentWriter(self.kv)
        try:
            with self.kv.read() as txn:
                joined = {
                    path: assemble(txn, parts, writer, self.cache)
                    for path, parts in list_joined(txn, root, edits, self.cache).items()
                }
            with writer.writing() as txn:
                return apply_edits(
                    txn,
                    root,
                    edits,
                    self.cache,
                    origin=origin,
                    now_ns=now_ns,
                    joined=joined,
                )
        finally:
            writer.close()

    def files(self, root: Entry) -> dict[tuple[bytes, ...], bytes]:
        with self.kv.read() as txn:
            return {
                path: self.read(entry)
                for path, entry in walk(txn, root, self.cache)
                if not entry.is_dir
            }

    def read(self, entry: Entry) -> bytes:
        with self.kv.read() as txn:
            return read_file(txn, entry, 0, None, self.cache)

    def get(self, root: Entry, path: str) -> Entry:
        with self.kv.read() as txn:
            return get_entry(txn, root, parts(path), self.cache)

    def names(self, root: Entry, path: str) -> list[bytes]:
        directory = self.get(root, path)
        with self.kv.read() as txn:
            return [entry.name for entry in scan_directory(txn, directory, self.cache)]


def parts(path: str) -> tuple[bytes, ...]:
    return tuple(part.encode() for part in path.split("/") if part)


@pytest.fixture
def trees() -> Trees:
    return Trees()


# --- any sequence ----------------------------------------------------------------------------


def steps(names: st.SearchStrategy[bytes], data: st.SearchStrategy[bytes]):
    """What to do, a path, data, and another path."""
    return st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "append", "delete", "copy"]),
            paths(names=names),
            data,
            paths(names=names) | st.just(()),
        ),
        max_size=12,
    )


def take(
    trees: Trees, step, model: ModelTree, source: ModelTree, source_root: Entry
) -> Edit | None:
    """Do a step in the model; the edit that does the same, None for what cannot be done."""
    op, path, data, other = step
    try:
        if op == "put":
            model.put(path, data)
            return Edit(Op.PUT, path, trees.entry(data))
        if op == "append":
            model.append(path, data)
            return Edit(Op.APPEND, path, trees.entry(data))
        if op == "delete":
            model.delete(path)
            return Edit(Op.DELETE, path)
        if other not in source.files and not source.is_directory(other):
            return None
        with trees.kv.read() as txn:
            entry = get_entry(txn, source_root, other, trees.cache)
        model.take_over(source, other, path)
        return Edit(Op.PUT, path, entry)
    except PathClashError:
        return None


@settings(max_examples=300)
@given(batches=st.lists(steps(few_names(), st.sampled_from([b"", b"1", b"22"])), max_size=4))
def test_edits_do_what_a_dict_would(batches):
    trees, model = Trees(), ModelTree()
    root = trees.empty
    for batch in batches:
        source, source_root = model.copy(), root
        edits = [take(trees, step, model, source, source_root) for step in batch]
        root = trees.apply(root, *(edit for edit in edits if edit is not None))
        assert trees.files(root) == model.files
        assert root.files == len(model.files)
        assert root.size == sum(map(len, model.files.values()))


@settings(max_examples=40)
@given(batch=steps(components(), contents()))
def test_edits_do_what_a_dict_would_with_any_names_and_sizes(batch):
    trees, model = Trees(), ModelTree()
    edits = [take(trees, step, model, ModelTree(), trees.empty) for step in batch]
    root = trees.apply(trees.empty, *(edit for edit in edits if edit is not None))
    assert trees.files(root) == model.files
    with trees.kv.read() as txn:
        found = {path: entry for path, entry in walk(txn, root, trees.cache) if entry.is_dir}
        assert found.keys() == model.directories()
        for path, entry in found.items():
            below = model.below(path)
            assert (entry.files, entry.size) == (len(below), sum(map(len, below.values())))


@settings(max_examples=100)
@given(batch=steps(few_names(), st.sampled_from([b"", b"1", b"22"])), draw=st.data())
def test_any_batching_and_any_order_of_paths_gives_the_same_root(batch, draw):
    trees, model = Trees(), ModelTree()
    edits = [take(trees, step, model, ModelTree(), trees.empty) for step in batch]
    edits = [edit for edit in edits if edit is not None]
    cut = draw.draw(st.integers(0, len(edits)))
    in_two = trees.apply(trees.apply(trees.empty, *edits[:cut]), *edits[cut:])
    fresh = [
        Edit(Op.PUT, path, trees.entry(data))
        for path, data in draw.draw(st.permutations(sorted(model.files.items())))
    ]
    assert in_two == trees.apply(trees.empty, *edits) == trees.apply(trees.empty, *fresh)


def test_a_large_tree_edited_in_many_ways_is_as_if_made_at_once():
    trees, model = Trees(), ModelTree()
    source = random.Random(2)
    pool = [
        (*(b"%x" % source.randrange(16) for _ in range(source.randrange(1, 4))), b"f%d" % n)
        for n in range(3000)
    ]
    root = trees.empty
    for number in (3000, 10, 1000, 1, 1, 500):
        edits = []
        for path in source.sample(pool, number):
            if source.random() < 0.4:
                model.delete(path)
                edits.append(Edit(Op.DELETE, path))
            else:
                data = b"%d" % source.randrange(100)
                model.put(path, data)
                edits.append(Edit(Op.PUT, path, trees.entry(data)))
        root = trees.apply(root, *edits)
        fresh = [Edit(Op.PUT, path, trees.entry(data)) for path, data in model.files.items()]
        assert root == trees.apply(trees.empty, *fresh)
    assert trees.files(root) == model.files


# --- one by one ------------------------------------------------------------------------------


def test_directories_come_and_go_with_their_files(trees):
    root = trees.apply(trees.empty, trees.put("a/b/c/file"))
    assert trees.names(root, "a/b") == [b"c"]
    root = trees.apply(root, Edit(Op.DELETE, parts("a/b/c/file")))
    assert trees.names(root, "") == []
    assert root == trees.empty


def test_a_directory_can_be_deleted_and_filled_again_at_once(trees):
    root = trees.apply(trees.empty, trees.put("d/old"), trees.put("d/e/old"))
    root = trees.apply(root, Edit(Op.DELETE, parts("d")), trees.put("d/new", b"1"))
    assert trees.files(root) == {parts("d/new"): b"1"}


def test_a_directory_can_be_copied_and_edited_at_once(trees):
    root = trees.apply(trees.empty, trees.put("d/a", b"1"), trees.put("d/b", b"2"))
    copied = Edit(Op.PUT, parts("e"), trees.get(root, "d"))
    root = trees.apply(root, copied, trees.put("e/c", b"3"), Edit(Op.DELETE, parts("e/a")))
    assert trees.names(root, "d") == [b"a", b"b"]
    assert trees.names(root, "e") == [b"b", b"c"]


def test_a_copy_of_an_empty_root_is_nothing(trees):
    root = trees.apply(trees.empty, Edit(Op.PUT, parts("d"), trees.empty), trees.put("f"))
    assert trees.names(root, "") == [b"f"]
    copies = [Edit(Op.PUT, parts(path), trees.empty) for path in ("d", "d/e", "d/e/f", "g")]
    assert trees.apply(root, *copies) == root


def test_deleting_what_is_not_there_changes_nothing(trees):
    root = trees.apply(trees.empty, trees.put("d/file", b"1"))
    for path in ("x", "d/x", "x/y/z", "d/file/x", "d/file/x/y"):
        assert trees.applied(root, Edit(Op.DELETE, parts(path))) == Applied(root, 0)


@pytest.mark.parametrize(
    ("before", "then"),
    [
        (["a"], ["put a/b"]),
        (["a"], ["put a/b/c"]),
        (["a"], ["append a/b"]),
        (["a/b"], ["put a"]),
        (["a/b"], ["append a"]),
        (["a/b", "a/c"], ["delete a/b", "put a"]),
        ([], ["put a", "put a/b"]),
        ([], ["put a/b", "put a"]),
        ([], ["put a", "append a/b"]),
        (["x/y"], ["copy x to a", "put a"]),
        (["x/y", "a"], ["copy x to a"]),
        (["x/y"], ["put a", "copy x to a"]),
        (["x/y", "a/b"], ["copy x/y to a"]),
    ],
)
def test_a_path_cannot_be_a_file_and_a_directory(trees, before, then):
    root = trees.apply(trees.empty, *(trees.put(path) for path in before))
    edits = [edit_of(trees, root, text) for text in then]
    with pytest.raises((PathClashError, IsADirectoryInCommitError)) as raised:
        trees.apply(root, *edits)
    assert "/a" in str(raised.value)


@pytest.mark.parametrize(
    ("before", "then", "after"),
    [
        (["a"], ["delete a", "put a/b"], ["a/b"]),
        (["a/b"], ["delete a", "put a"], ["a"]),
        (["a/b"], ["delete a/b", "put a"], ["a"]),
        (["a/b/c", "a/d"], ["delete a/b", "delete a/d", "put a"], ["a"]),
        (["a/b"], ["delete a/b", "append a"], ["a"]),
        ([], ["put a/b", "delete a/b", "put a"], ["a"]),
        ([], ["put a/b", "delete a", "put a"], ["a"]),
        ([], ["put a", "delete a", "put a/b"], ["a/b"]),
        (["a"], ["delete a/b", "put a"], ["a"]),
        (["x/y", "a"], ["delete a", "copy x to a"], ["a/y", "x/y"]),
        (["x/y", "a/b"], ["copy x to a"], ["a/y", "x/y"]),
        (["x/y", "a/b"], ["put a/c", "copy x to a"], ["a/y", "x/y"]),
    ],
)
def test_what_was_deleted_is_not_in_the_way(trees, before, then, after):
    root = trees.apply(trees.empty, *(trees.put(path) for path in before))
    root = trees.apply(root, *(edit_of(trees, root, text) for text in then))
    assert sorted(trees.files(root)) == sorted(map(parts, after))


def edit_of(trees: Trees, root: Entry, text: str) -> Edit:
    verb, path, *to = text.split()
    if verb == "copy":
        return Edit(Op.PUT, parts(to[1]), trees.get(root, path))
    if verb == "delete":
        return Edit(Op.DELETE, parts(path))
    return trees.put(path) if verb == "put" else trees.append(path, b"x")


# --- appending -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 5, 200, 40_000, 400_000])
def test_appends_add_to_what_is_there(trees, size):
    root = trees.apply(trees.empty, trees.put("f", noise(size)))
    root = trees.apply(root, trees.append("f", b"1"), trees.append("f", b"22"))
    root = trees.apply(root, trees.append("f", b"3"))
    assert trees.files(root) == {parts("f"): noise(size) + b"1223"}
    assert root == trees.apply(trees.empty, trees.put("f", noise(size) + b"1223"))


@pytest.mark.parametrize(
    ("then", "content"),
    [
        (["put f 1", "append f 2"], b"12"),
        (["append f 2", "put f 1"], b"1"),
        (["append f 2", "put f 1", "append f 3"], b"13"),
        (["append f 2", "delete f"], None),
        (["delete f", "append f 2"], b"2"),
        (["append f 1", "delete f", "append f 2", "append f 3"], b"23"),
        (["put f 1", "delete f", "append f 2"], b"2"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("place", ["f", "d/f", "d/e/f"])
def test_appends_among_other_edits(trees, then, content, there, place):
    root = trees.apply(trees.empty, trees.put(place, b"old")) if there else trees.empty
    edits = []
    for text in then:
        verb, _, *data = text.split()
        edit = {"put": trees.put, "append": trees.append}.get(verb)
        edits.append(edit(place, data[0].encode()) if edit else Edit(Op.DELETE, parts(place)))
    root = trees.apply(root, *edits)
    assert trees.files(root).get(parts(place)) == content


def test_appends_below_a_deleted_directory_begin_anew(trees):
    root = trees.apply(trees.empty, trees.put("d/f", b"old"), trees.put("d/g", b"old"))
    root = trees.apply(
        root,
        Edit(Op.DELETE, parts("d")),
        trees.put("d/f", b"new"),
        trees.append("d/f", b"+"),
        trees.append("d/g", b"+"),
    )
    assert trees.files(root) == {parts("d/f"): b"new+", parts("d/g"): b"+"}


def test_appends_below_a_copied_directory_add_to_the_copy(trees):
    root = trees.apply(trees.empty, trees.put("d/f", b"copied"), trees.put("e/f", b"old"))
    root = trees.apply(
        root,
        trees.put("e/f", b"stale"),
        Edit(Op.DELETE, parts("e")),
        Edit(Op.PUT, parts("e"), trees.get(root, "d")),
        trees.append("e/f", b"+"),
    )
    assert trees.files(root) == {parts("d/f"): b"copied", parts("e/f"): b"copied+"}


def test_only_files_can_be_appended_to(trees):
    root = trees.apply(trees.empty, trees.put("d/f"), trees.put("link", b"target", Kind.SYMLINK))
    with pytest.raises(IsADirectoryInCommitError, match="/d is a directory"):
        trees.apply(root, trees.append("d", b"x"))
    with pytest.raises(PathClashError, match="/link: it is a symbolic link"):
        trees.apply(root, trees.append("link", b"x"))
    with pytest.raises(PathClashError):
        trees.apply(root, trees.put("new", b"target", Kind.SYMLINK), trees.append("new", b"x"))


def test_a_file_stays_executable_when_appended_to(trees):
    root = trees.apply(trees.empty, trees.put("run", b"#!", Kind.EXECUTABLE))
    root = trees.apply(root, trees.append("run", b"/bin/sh"))
    assert trees.get(root, "run").executable
    root = trees.apply(root, trees.put("run", b"#!"), trees.append("run", b"x"))
    assert not trees.get(root, "run").executable


# --- what changes ----------------------------------------------------------------------------


def test_a_put_of_what_is_there_changes_nothing(trees):
    root = trees.apply(
        trees.empty,
        trees.put("d/f", b"1"),
        trees.put("g", noise(5000)),
        trees.put("h", noise(50_000)),
    )
    same = [
        trees.put("d/f", b"1", mtime_ns=5),
        trees.put("g", noise(5000), mtime_ns=5),
        trees.append("h", b""),
    ]
    assert trees.applied(root, *same, origin=OTHER_ORIGIN, now_ns=9) == Applied(root, 0)


def test_only_what_changes_gets_new_times_and_origins(trees):
    root = trees.apply(trees.empty, trees.put("d/f", b"1"), trees.put("e/f", b"1"))
    changes = [trees.put("d/f", b"1", mtime_ns=5), trees.put("e/f", b"2", mtime_ns=5)]
    root = trees.apply(root, *changes, origin=OTHER_ORIGIN, now_ns=9)
    assert [
        (trees.get(root, path).origin, trees.get(root, path).mtime_ns) for path in ("d", "d/f")
    ] == [
        (ORIGIN, 1),
        (ORIGIN, 1),
    ]
    assert (trees.get(root, "e").origin, trees.get(root, "e").mtime_ns) == (OTHER_ORIGIN, 9)
    assert (trees.get(root, "e/f").origin, trees.get(root, "e/f").mtime_ns) == (OTHER_ORIGIN, 5)
    assert (root.origin, root.mtime_ns) == (OTHER_ORIGIN, 9)


def test_what_is_put_again_beside_a_change_keeps_its_time_and_origin(trees):
    root = trees.apply(trees.empty, trees.put("d/same", b"1"), trees.put("d/other", b"1"))
    changes = [trees.put("d/same", b"1", mtime_ns=5), trees.put("d/other", b"2", mtime_ns=5)]
    changed = trees.apply(root, *changes, origin=OTHER_ORIGIN, now_ns=9)
    assert trees.get(changed, "d/same") == trees.get(root, "d/same")
    assert trees.get(changed, "d/other").origin == OTHER_ORIGIN


def test_the_executable_bit_alone_is_a_change(trees):
    root = trees.apply(trees.empty, trees.put("f", b"1"))
    changed = trees.apply(root, trees.put("f", b"1", Kind.EXECUTABLE))
    assert changed.content != root.content


def test_added_bytes_are_those_that_changed_something(trees):
    root = trees.apply(trees.empty, trees.put("d/f", noise(1000)), trees.put("old", noise(2000)))
    directory = trees.get(root, "d")
    for edits, added in [
        ([trees.put("new", b"12345")], 5),
        ([trees.put("new", b"12345"), trees.put("new", b"12")], 2),
        ([trees.put("new", b"12345"), Edit(Op.DELETE, parts("new")), trees.put("x", b"1")], 1),
        ([trees.put("new", b"12"), trees.append("new", b"345")], 5),
        ([trees.append("old", b"12345")], 5),
        ([trees.append("old", b""), trees.put("new", b"12345")], 5),
        ([trees.put("old", noise(2000)), trees.put("new", b"12345")], 5),
        ([Edit(Op.DELETE, parts("old"))], 0),
        ([Edit(Op.PUT, parts("copy"), directory)], 1000),
        ([Edit(Op.PUT, parts("copy"), directory), trees.put("copy/x", b"12")], 1002),
    ]:
        assert trees.applied(root, *edits).added_bytes == added


def test_lookups_say_what_is_wrong(trees):
    root = trees.apply(trees.empty, trees.put("d/f", b"1"))
    with pytest.raises(PathNotFoundError, match="/d/x not found"):
        trees.get(root, "d/x")
    with pytest.raises(PathNotFoundError, match="/x/y not found"):
        trees.get(root, "x/y")
    with pytest.raises(NotADirectoryInCommitError, match="/d/f is not a directory"):
        trees.get(root, "d/f/x")
