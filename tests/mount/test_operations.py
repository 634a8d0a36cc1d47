"""The answers of a mount, without a kernel: operations over a tree held in memory."""

from __future__ import annotations

import errno
import logging
import stat
from collections.abc import Iterator

import pytest

from pfsfuse.attributes import attributes_of, inode_number
from pfsfuse.errnos import Refusal, errno_of
from pfsfuse.lookups import Lookups
from pfsfuse.operations import Operations
from pfsfuse.view import RootsView, TreeView, open_view
from pfslib import (
    CorruptionError,
    Entry,
    InvalidInputError,
    Kind,
    NotADirectoryInCommitError,
    NotFoundError,
    PathNotFoundError,
    PfsError,
)

MTIME = 1_700_000_000_123_456_789
ODD = b"caf\xe9 \n\xff"
ROOT = bytes(range(32))


class TreeInMemory:
    """What the mount asks of a `pfslib.Tree`, from a dict; counts what it is asked."""

    def __init__(self, contents: dict[bytes, bytes | dict]) -> None:
        self.contents = contents
        self.calls: list[tuple[str, bytes]] = []

    def _value(self, path: bytes) -> bytes | dict:
        value: bytes | dict = self.contents
        for part in filter(None, path.split(b"/")):
            if not isinstance(value, dict):
                raise NotADirectoryInCommitError("/x")
            if part not in value:
                raise PathNotFoundError("/x")
            value = value[part]
        return value

    def _entry(self, name: bytes, value: bytes | dict) -> Entry:
        if isinstance(value, dict):
            return Entry(name, Kind.DIRECTORY, 4321, b"d" * 32, MTIME, b"", files=7)
        kinds = {b"run": Kind.EXECUTABLE, b"link": Kind.SYMLINK}
        return Entry(name, kinds.get(name, Kind.FILE), len(value), value, MTIME, b"")

    def find(self, path: bytes) -> Entry:
        self.calls.append(("find", path))
        return self._entry(path.rpartition(b"/")[2], self._value(path))

    def scan(self, path: bytes) -> Iterator[Entry]:
        self.calls.append(("scan", path))
        value = self._value(path)
        if not isinstance(value, dict):
            raise NotADirectoryInCommitError("/x")
        return iter([self._entry(name, value[name]) for name in sorted(value)])

    def read(self, entry: Entry, offset: int, size: int) -> bytes:
        self.calls.append(("read", entry.name))
        if entry.content == b"broken":
            raise CorruptionError("piece 12 in chunk 3 is damaged")
        return entry.content[offset : offset + size]

    def read_link(self, entry: Entry) -> bytes:
        return entry.content


class StoreInMemory:
    """What a view asks of a `pfslib.Store`."""

    def __init__(self, trees: dict[bytes, TreeInMemory]) -> None:
        self.trees = trees

    def tree(self, root: bytes) -> TreeInMemory:
        if root not in self.trees:
            raise NotFoundError("no such tree")
        return self.trees[root]

    def pin(self, root: bytes) -> object:
        return None


@pytest.fixture
def tree() -> TreeInMemory:
    return TreeInMemory(
        {
            b"a.txt": b"hello",
            b"broken": b"broken",
            b"dir": {b"run": b"#!/bin/sh\n", b"link": b"../a.txt", ODD: b""},
            b"empty": {},
        }
    )


@pytest.fixture
def operations(tree: TreeInMemory) -> Operations:
    return Operations(TreeView(tree), label="images@1234")


def test_attributes_of_each_kind(operations: Operations) -> None:
    modes = {
        b"/": stat.S_IFDIR | 0o555,
        b"/dir": stat.S_IFDIR | 0o555,
        b"/a.txt": stat.S_IFREG | 0o444,
        b"/dir/run": stat.S_IFREG | 0o555,
        b"/dir/link": stat.S_IFLNK | 0o777,
        b"/dir/" + ODD: stat.S_IFREG | 0o444,
    }
    assert {path: operations.getattr(path).mode for path in modes} == modes


def test_sizes_and_times_are_true(operations: Operations) -> None:
    found = operations.getattr(b"/a.txt")
    assert (found.size, found.blocks, found.mtime_ns) == (5, 1, MTIME)


def test_directories_have_no_size_so_that_du_adds_up(operations: Operations) -> None:
    found = operations.getattr(b"/dir")
    assert (found.size, found.blocks) == (0, 0)


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 1), (512, 1), (513, 2), (2**40, 2**31)])
def test_blocks_are_units_of_512(size: int, blocks: int) -> None:
    entry = Entry(b"f", Kind.FILE, size, b"", 0, b"")
    assert attributes_of(entry, b"/f").blocks == blocks


def test_inode_numbers_are_golden() -> None:
    """Backup programs compare them between runs: they must not change from release to release."""
    assert inode_number(b"/") == 0xF810636EAC859F32
    assert inode_number(b"/dir/a.txt") == 0xAFB0CE8B4F8F794A


def test_listing_has_name_type_and_the_inode_number_that_stat_gives(operations: Operations) -> None:
    listed = list(operations.readdir(b"/dir"))
    assert [name.name for name in listed] == sorted([b"run", b"link", ODD])
    for name in listed:
        found = operations.getattr(b"/dir/" + name.name)
        assert (name.ino, name.mode) == (found.ino, found.mode)


def test_listing_of_the_root_has_the_inode_numbers_that_stat_gives(operations: Operations) -> None:
    for name in operations.readdir(b"/"):
        assert name.ino == operations.getattr(b"/" + name.name).ino


def test_empty_directory(operations: Operations) -> None:
    assert list(operations.readdir(b"/empty")) == []


def test_read_at_an_offset_and_past_the_end(operations: Operations) -> None:
    assert operations.read(b"/a.txt", 3, 1) == b"ell"
    assert operations.read(b"/a.txt", 100, 3) == b"lo"
    assert operations.read(b"/a.txt", 100, 5) == b""


def test_readlink(operations: Operations) -> None:
    assert operations.readlink(b"/dir/link") == b"../a.txt"


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda operations: operations.getattr(b"/nope"), errno.ENOENT),
        (lambda operations: operations.getattr(b"/a.txt/x"), errno.ENOTDIR),
        (lambda operations: operations.getattr(b"/dir/" + b"n" * 256), errno.ENAMETOOLONG),
        (lambda operations: operations.getattr(b"/dir/" + b"n" * 255), errno.ENOENT),
        (lambda operations: list(operations.readdir(b"/a.txt")), errno.ENOTDIR),
        (lambda operations: operations.read(b"/dir", 1, 0), errno.EISDIR),
        (lambda operations: operations.readlink(b"/a.txt"), errno.EINVAL),
        (lambda operations: operations.getxattr(b"/a.txt", b"user.other"), errno.ENODATA),
        (lambda operations: operations.read(b"/broken", 6, 0), errno.EIO),
        (lambda operations: operations.open(b"/a.txt"), errno.ENOSYS),
    ],
)
def test_failures_are_answered_with_their_errno(operations: Operations, call, number: int) -> None:
    with pytest.raises((PfsError, Refusal)) as caught:
        call(operations)
    assert errno_of(caught.value, "test", b"/x") == number


CHANGES = """
    chmod chown create link mkdir mknod removexattr rename rmdir setxattr symlink truncate unlink
    utimens write
"""


@pytest.mark.parametrize("name", CHANGES.split())
def test_whatever_would_change_something_is_refused(operations: Operations, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        operations(name, "/a.txt", 0, 0)
    assert errno_of(caught.value, name, b"/a.txt") == errno.EROFS


def test_extended_attributes(operations: Operations, tree: TreeInMemory) -> None:
    digest = tree.find(b"/a.txt").digest.hex().encode()
    assert operations.listxattr(b"/a.txt") == [b"user.pfs.digest", b"user.pfs.commit"]
    assert operations.getxattr(b"/a.txt", b"user.pfs.digest") == digest
    assert operations.getxattr(b"/a.txt", b"user.pfs.commit") == b"images@1234"


def test_without_a_label_there_is_no_commit_attribute(tree: TreeInMemory) -> None:
    assert Operations(TreeView(tree)).listxattr(b"/a.txt") == [b"user.pfs.digest"]


def test_statfs_is_the_size_of_the_tree(operations: Operations) -> None:
    usage = operations.statfs(b"/dir")
    assert (usage.block, usage.blocks, usage.files) == (4096, 2, 7)


# --- errors ----------------------------------------------------------------------------------


def test_damage_leaves_one_line_that_names_the_file(
    operations: Operations, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(CorruptionError) as caught:
        operations.read(b"/broken", 6, 0)
    errno_of(caught.value, "read", b"/broken")
    assert [record.getMessage() for record in caplog.records] == [
        "read '/broken': piece 12 in chunk 3 is damaged"
    ]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), KeyboardInterrupt(), OSError(5, "disk")])
def test_the_unexpected_is_eio_and_one_line(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert errno_of(error, "read", b"/\xff") == errno.EIO
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.ERROR


def test_plain_answers_leave_no_line(caplog: pytest.LogCaptureFixture) -> None:
    errno_of(PathNotFoundError("/x"), "getattr", b"/x")
    assert not caplog.records


# --- views -----------------------------------------------------------------------------------


def test_roots_view_shows_trees_by_their_root(tree: TreeInMemory) -> None:
    store = StoreInMemory({ROOT: tree})
    operations = Operations(RootsView(store))
    below = b"/" + ROOT.hex().encode()
    assert operations.read(below + b"/a.txt", 10, 0) == b"hello"
    assert operations.getattr(below).mode == stat.S_IFDIR | 0o555
    assert [name.name for name in operations.readdir(below)] == sorted(tree.contents)
    assert list(operations.readdir(b"/")) == []
    assert operations.getattr(b"/").mode == stat.S_IFDIR | 0o555


def test_a_root_that_appears_later_is_found(tree: TreeInMemory) -> None:
    store = StoreInMemory({})
    operations = Operations(RootsView(store))
    path = b"/" + ROOT.hex().encode()
    list(operations.readdir(b"/"))
    with pytest.raises(NotFoundError):
        operations.getattr(path)
    store.trees[ROOT] = tree
    assert operations.getattr(path).mode == stat.S_IFDIR | 0o555


@pytest.mark.parametrize(
    "name", [b"x", b"ab" * 31, b"AB" * 32, b"0x" + b"ab" * 31, b"\xff" * 64, b" " + b"ab" * 32]
)
def test_what_is_no_root_does_not_exist(tree: TreeInMemory, name: bytes) -> None:
    store = StoreInMemory({ROOT: tree, b"\xab" * 32: tree})
    with pytest.raises(NotFoundError):
        Operations(RootsView(store)).getattr(b"/" + name)


def test_same_file_in_two_roots_has_two_inode_numbers(tree: TreeInMemory) -> None:
    operations = Operations(RootsView(StoreInMemory({ROOT: tree, bytes(32): tree})))
    paths = [b"/" + root.hex().encode() + b"/a.txt" for root in (ROOT, bytes(32))]
    assert operations.getattr(paths[0]).ino != operations.getattr(paths[1]).ino


def test_views_by_name(tree: TreeInMemory) -> None:
    store = StoreInMemory({ROOT: tree})
    assert isinstance(open_view(store, "roots"), RootsView)
    assert open_view(store, f"tree:{ROOT.hex()}").locate(b"/x") == (tree, b"/x")


@pytest.mark.parametrize("text", ["", "tree", "tree:", "tree:ab", "roots:", "TREE:" + "ab" * 32])
def test_views_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInputError):
        open_view(StoreInMemory({}), text)


def test_view_of_a_missing_tree() -> None:
    with pytest.raises(NotFoundError):
        open_view(StoreInMemory({}), "tree:" + "ab" * 32)


# --- what is remembered ----------------------------------------------------------------------


def test_stat_after_a_listing_asks_the_tree_nothing(tree: TreeInMemory) -> None:
    """`ls -l` and `find -size` list, then stat each name: one scan must serve them all."""
    operations = Operations(TreeView(tree))
    names = [name.name for name in operations.readdir(b"/dir")]
    tree.calls.clear()
    for name in names:
        operations.getattr(b"/dir/" + name)
    list(operations.readdir(b"/dir"))
    assert tree.calls == []


def test_reading_on_finds_the_entry_once(tree: TreeInMemory) -> None:
    operations = Operations(TreeView(tree))
    for offset in range(5):
        operations.read(b"/a.txt", 1, offset)
    assert [call for call, _ in tree.calls] == ["find", "read", "read", "read", "read", "read"]


def test_names_missing_from_a_listing_are_missing(tree: TreeInMemory) -> None:
    operations = Operations(TreeView(tree))
    list(operations.readdir(b"/dir"))
    with pytest.raises(PathNotFoundError):
        operations.getattr(b"/dir/nope")


def test_memory_of_listings_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pfsfuse.lookups._LISTED_KEPT", 5)
    sizes = {b"two": 2, b"three": 3, b"four": 4, b"six": 6}
    tree = TreeInMemory(
        {name: {b"%d" % i: b"" for i in range(size)} for name, size in sizes.items()}
    )
    lookups = Lookups(TreeView(tree))
    for name, size in sizes.items():
        for _ in range(2):
            assert len(list(lookups.children(b"/" + name))) == size
    scanned = [path for call, path in tree.calls if call == "scan"]
    assert scanned == [b"/two", b"/three", b"/four", b"/six", b"/six"]
    assert list(lookups._listings) == [b"/four"]
    assert lookups._listed == 4


def test_an_unfinished_listing_is_not_remembered(tree: TreeInMemory) -> None:
    lookups = Lookups(TreeView(tree))
    next(lookups.children(b"/dir"))
    tree.calls.clear()
    lookups.find(b"/dir/run")
    assert tree.calls == [("find", b"/dir/run")]
