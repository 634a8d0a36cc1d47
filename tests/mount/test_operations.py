"""The answers of a mount, without a kernel: operations over a tree held in memory."""

from __future__ import annotations

import errno
import logging
import os
import random
import stat
import struct
from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace

import pytest

from pfsfuse import abi
from pfsfuse.attributes import attributes_of
from pfsfuse.errnos import Refusal, errno_of
from pfsfuse.forgetting import _Forgetting
from pfsfuse.inode_table import InodeTable
from pfsfuse.inodes import Inode
from pfsfuse.kernel_loop import KernelLoop
from pfsfuse.log_queue import QueuedLog
from pfsfuse.operations import Operations
from pfsfuse.views import ShownTree, open_view
from pfslib import (
    CorruptionError,
    Entry,
    InvalidInputError,
    Kind,
    NotFoundError,
    PathNotFoundError,
    PfsError,
)

MTIME = 1_700_000_000_123_456_789
ODD = b"caf\xe9 \n\xff"
ROOT = bytes(range(32))
GOLDEN = 0x46C6792FAB368F1F


class TreeInMemory:
    """What the mount asks of a `pfslib.Tree`, from a dict; counts what it is asked."""

    def __init__(self, contents: dict[bytes, bytes | dict]) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.listed = 0
        self._directories: dict[bytes, dict[bytes, Entry]] = {}
        self.root = self._entry(b"", contents)
        self.contents = contents

    def _entry(self, name: bytes, value: bytes | dict) -> Entry:
        if isinstance(value, dict):
            node = b"%032d" % len(self._directories)
            self._directories[node] = {}
            self._directories[node] |= {n: self._entry(n, value[n]) for n in sorted(value)}
            return Entry(name, Kind.DIRECTORY, 4321, b"d" * 32, MTIME, b"", node, files=7)
        kinds = {b"run": Kind.EXECUTABLE, b"link": Kind.SYMLINK}
        return Entry(name, kinds.get(name, Kind.FILE), len(value), value, MTIME, b"")

    def child(self, directory: Entry, name: bytes) -> Entry:
        self.calls.append(("child", name))
        if name not in self._directories[directory.node]:
            raise PathNotFoundError("/x")
        return self._directories[directory.node][name]

    def children(self, directory: Entry, position: int) -> Iterator[Entry]:
        self.calls.append(("children", directory.name))
        for entry in list(self._directories[directory.node].values())[position:]:
            self.listed += 1
            yield entry

    def read(self, entry: Entry, offset: int, size: int) -> bytes:
        self.calls.append(("read", entry.name))
        if entry.content == b"broken":
            raise CorruptionError("piece 12 in chunk 3 is damaged")
        return entry.content[offset : offset + size]

    def pieces(self, entry: Entry) -> int:
        return 3


class StoreInMemory:
    """What a view asks of a `pfslib.Store`."""

    def __init__(self, trees: dict[bytes, TreeInMemory]) -> None:
        self.trees = trees

    def tree(self, root: bytes) -> TreeInMemory:
        if root not in self.trees:
            raise NotFoundError("no such tree")
        return self.trees[root]

    def pin(self, *roots: bytes) -> object:
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
    return Operations(ShownTree(tree, label=b"images@1234").top())


def walk(operations: Operations, path: bytes) -> Inode:
    inode = operations.top
    for name in filter(None, path.split(b"/")):
        inode = operations.lookup(inode, name)
    return inode


def link_to(target: bytes) -> Inode:
    operations = Operations(ShownTree(TreeInMemory({b"link": target}), label=b"").top())
    return walk(operations, b"/link")


def names(operations: Operations, path: bytes) -> list[bytes]:
    return [inode.entry.name for inode in operations.children(walk(operations, path))]


def test_attributes_of_each_kind(operations: Operations) -> None:
    modes = {
        b"/": stat.S_IFDIR | 0o555,
        b"/dir": stat.S_IFDIR | 0o555,
        b"/a.txt": stat.S_IFREG | 0o444,
        b"/dir/run": stat.S_IFREG | 0o555,
        b"/dir/link": stat.S_IFLNK | 0o777,
        b"/dir/" + ODD: stat.S_IFREG | 0o444,
    }
    assert {path: attributes_of(walk(operations, path).entry).mode for path in modes} == modes


def test_sizes_and_times_are_true(operations: Operations) -> None:
    found = attributes_of(walk(operations, b"/a.txt").entry)
    assert (found.size, found.blocks, found.mtime_ns) == (5, 1, MTIME)


def test_directories_have_no_size_so_that_du_adds_up(operations: Operations) -> None:
    found = attributes_of(walk(operations, b"/dir").entry)
    assert (found.size, found.blocks) == (0, 0)


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 1), (512, 1), (513, 2), (2**40, 2**31)])
def test_blocks_are_units_of_512(size: int, blocks: int) -> None:
    assert attributes_of(Entry(b"f", Kind.FILE, size, b"", 0, b"")).blocks == blocks


def test_inode_numbers_are_golden(operations: Operations) -> None:
    """Backup programs compare them between runs: they must not change from release to release."""
    assert operations.top.id == 1
    assert walk(operations, b"/dir/run").id == GOLDEN
    assert walk(operations, b"/dir/run").path == b"/dir/run"


def test_listing_has_the_inodes_that_lookups_give(operations: Operations) -> None:
    listed = list(operations.children(walk(operations, b"/dir")))
    assert [inode.entry.name for inode in listed] == sorted([b"run", b"link", ODD])
    for inode in listed:
        found = walk(operations, inode.path)
        assert (inode.id, inode.entry) == (found.id, found.entry)


def test_empty_directory(operations: Operations) -> None:
    assert names(operations, b"/empty") == []


def test_read_at_an_offset_and_past_the_end(operations: Operations) -> None:
    file = walk(operations, b"/a.txt")
    assert operations.read(file, 1, 3) == b"ell"
    assert operations.read(file, 3, 100) == b"lo"
    assert operations.read(file, 5, 100) == b""


def test_readlink(operations: Operations) -> None:
    assert operations.readlink(walk(operations, b"/dir/link")) == b"../a.txt"


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda ops: walk(ops, b"/nope"), errno.ENOENT),
        (lambda ops: walk(ops, b"/a.txt/x"), errno.ENOTDIR),
        (lambda ops: walk(ops, b"/dir/" + b"n" * 256), errno.ENAMETOOLONG),
        (lambda ops: walk(ops, b"/dir/" + b"n" * 255), errno.ENOENT),
        (lambda ops: names(ops, b"/a.txt"), errno.ENOTDIR),
        (lambda ops: ops.read(walk(ops, b"/dir"), 0, 1), errno.EISDIR),
        (lambda ops: ops.readlink(walk(ops, b"/a.txt")), errno.EINVAL),
        (lambda ops: ops.readlink(link_to(b"x" * 4096)), errno.ENAMETOOLONG),
        (lambda ops: ops.getxattr(ops.top, b"user.other"), errno.ENODATA),
        (lambda ops: ops.getxattr(ops.top, b"system.posix_acl_access"), errno.EOPNOTSUPP),
        (lambda ops: ops.read(walk(ops, b"/broken"), 0, 6), errno.EIO),
    ],
)
def test_failures_are_answered_with_their_errno(operations: Operations, call, number: int) -> None:
    with pytest.raises((PfsError, Refusal)) as caught:
        call(operations)
    assert errno_of(caught.value, "test", lambda: b"/x") == number


def test_extended_attributes(operations: Operations) -> None:
    file = walk(operations, b"/a.txt")
    names = [b"user.pfs.digest", b"user.pfs.commit", b"user.pfs.pieces"]
    assert operations.listxattr(file) == names
    values = [file.entry.digest.hex().encode(), b"images@1234", b"3"]
    assert [operations.getxattr(file, name) for name in names] == values


def test_without_a_label_there_is_no_commit_attribute(tree: TreeInMemory) -> None:
    operations = Operations(ShownTree(tree).top())
    assert operations.listxattr(operations.top) == [b"user.pfs.digest"]


def test_statfs_is_the_size_of_the_tree(operations: Operations) -> None:
    usage = operations.statfs()
    assert (usage.block, usage.blocks, usage.files) == (4096, 2, 7)


# --- errors ----------------------------------------------------------------------------------


def test_damage_leaves_one_line_that_names_the_file(
    operations: Operations, caplog: pytest.LogCaptureFixture
) -> None:
    file = walk(operations, b"/broken")
    for _ in range(3):
        with pytest.raises(CorruptionError) as caught:
            operations.read(file, 0, 6)
        errno_of(caught.value, "read", lambda: file.path)
    assert [record.getMessage() for record in caplog.records] == [
        "read '/broken': piece 12 in chunk 3 is damaged"
    ]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), KeyboardInterrupt(), OSError(5, "disk")])
def test_the_unexpected_is_eio_and_one_line(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert errno_of(error, "read", lambda: b"/\xff") == errno.EIO
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.ERROR


def test_plain_answers_leave_no_line(caplog: pytest.LogCaptureFixture) -> None:
    errno_of(PathNotFoundError("/x"), "getattr", lambda: b"/x")
    assert not caplog.records


# --- views -----------------------------------------------------------------------------------


def test_roots_view_shows_trees_by_their_root(tree: TreeInMemory) -> None:
    operations = Operations(open_view(StoreInMemory({ROOT: tree}), "roots"))
    below = b"/" + ROOT.hex().encode()
    assert operations.read(walk(operations, below + b"/a.txt"), 0, 10) == b"hello"
    assert names(operations, below) == sorted(tree.contents)
    assert names(operations, b"/") == []


def test_a_root_that_appears_later_is_found(tree: TreeInMemory) -> None:
    store = StoreInMemory({})
    operations = Operations(open_view(store, "roots"))
    assert not operations.top.shown.is_final
    path = b"/" + ROOT.hex().encode()
    with pytest.raises(NotFoundError):
        walk(operations, path)
    store.trees[ROOT] = tree
    assert walk(operations, path).entry.is_dir
    assert walk(operations, path).shown.is_final


@pytest.mark.parametrize(
    "name", [b"x", b"ab" * 31, b"AB" * 32, b"0x" + b"ab" * 31, b"\xff" * 64, b" " + b"ab" * 32]
)
def test_what_is_no_root_does_not_exist(tree: TreeInMemory, name: bytes) -> None:
    store = StoreInMemory({ROOT: tree, b"\xab" * 32: tree})
    with pytest.raises(NotFoundError):
        walk(Operations(open_view(store, "roots")), b"/" + name)


def test_same_file_in_two_roots_has_two_inode_numbers(tree: TreeInMemory) -> None:
    operations = Operations(open_view(StoreInMemory({ROOT: tree, bytes(32): tree}), "roots"))
    paths = [b"/" + root.hex().encode() + b"/a.txt" for root in (ROOT, bytes(32))]
    assert walk(operations, paths[0]).id != walk(operations, paths[1]).id


def test_side_by_side(tree: TreeInMemory) -> None:
    store = StoreInMemory({ROOT: tree, bytes(32): tree})
    text = f"trees:b={ROOT.hex()}=b@1,a={bytes(32).hex()}=a@2"
    operations = Operations(open_view(store, text))
    assert names(operations, b"/") == [b"a", b"b"]
    assert names(operations, b"/a/dir") == sorted([b"run", b"link", ODD])
    assert walk(operations, b"/a/dir/run").id != walk(operations, b"/b/dir/run").id
    assert operations.getxattr(walk(operations, b"/b/a.txt"), b"user.pfs.commit") == b"b@1"
    assert operations.listxattr(operations.top) == []
    assert operations.statfs().files == 14
    assert operations.top.shown.is_final
    with pytest.raises(PathNotFoundError):
        walk(operations, b"/c")


@pytest.mark.parametrize(
    "text",
    ["", "tree", "tree:", "tree:ab", "roots:", "TREE:" + "ab" * 32, "trees:", "trees:a=ab=x"],
)
def test_views_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInputError):
        open_view(StoreInMemory({}), text)


def test_view_of_a_missing_tree() -> None:
    with pytest.raises(NotFoundError):
        open_view(StoreInMemory({}), "tree:" + "ab" * 32)


# --- what the kernel knows -------------------------------------------------------------------


def test_inodes_are_known_until_as_often_forgotten_as_told(operations: Operations) -> None:
    table = InodeTable(operations.top)
    first = table.tell(walk(operations, b"/a.txt"))
    assert table.tell(walk(operations, b"/a.txt")) is first
    table.forget(first.id, 1)
    assert table[first.id] is first
    table.forget(first.id, 1)
    table.forget(first.id, 1)
    table.forget(operations.top.id, 5)
    assert len(table) == 1
    with pytest.raises(Refusal) as caught:
        _ = table[first.id]
    assert caught.value.errno == errno.ESTALE


def test_inodes_are_taken_from_the_kernel_directories_last(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a name is known in is in use; what is in use now is told again."""
    told: list[bytes] = []
    monkeypatch.setattr(os, "writev", lambda _fd, parts: told.append(b"".join(parts)))
    table = InodeTable(operations.top)
    known = [table.tell(walk(operations, path)).id for path in (b"/dir", b"/dir/run", b"/a.txt")]
    deleted = SimpleNamespace(deleted=lambda: [operations.top.shown])
    forgetting = _Forgetting(-1, table, deleted, Event())
    for _ in range(2):
        forgetting._forget()
    ids = struct.pack("=4Q", *reversed(known), operations.top.id)
    assert told == [struct.pack("=IiQIIQ", 64, 9, 0, 4, 0, 0) + ids] * 2


def test_names_are_taken_from_the_kernel_once_and_not_while_they_are_looked_up(
    operations: Operations,
) -> None:
    """It waits with that for whoever looks up: for ever, if the server is killed then."""

    class Deleted:
        def deleted(self) -> list[object]:
            return [operations.top.shown]

    told, device = os.pipe2(os.O_NONBLOCK)
    table = InodeTable(operations.top)
    forgetting = _Forgetting(device, table, Deleted(), Event())
    forgetting._can_prune = False

    def is_told() -> bool:
        forgetting._forget()
        try:
            return bool(os.read(told, 1024))
        except BlockingIOError:
            return False

    assert not is_told()  # the top, which has no name
    for name in (b"/a.txt", b"/dir", b"/a.txt"):
        table.tell(walk(operations, name))
        assert not is_told()
    assert [is_told() for _ in range(3)] == [True, False, False]
    table.tell(walk(operations, b"/a.txt"))
    assert [is_told() for _ in range(3)] == [False, True, False]
    os.close(told)
    os.close(device)


def test_two_files_never_share_a_number(operations: Operations) -> None:
    """Or the kernel would show the bytes of the one under the name of the other."""
    table = InodeTable(operations.top)
    one, other = walk(operations, b"/a.txt"), walk(operations, b"/dir/run")
    other.id = one.id = 2**64 - 1
    assert table.tell(one).id == 2**64 - 1
    assert table.tell(other).id == 2
    assert table[2] is other


def read_page(loop: KernelLoop, position: int, handle: int = 0) -> list[tuple[bytes, int]]:
    """Names that the kernel gets for a page, each with the position behind it."""
    page = loop._readdir(1, abi.READ_IN.pack(handle, position, 4096))
    rows = []
    while page:
        _, after, size, _ = abi.DIRENT.unpack_from(page)
        end = abi.DIRENT.size + size
        rows.append((page[abi.DIRENT.size : end], after))
        page = page[end + -end % 8 :]
    return rows


@pytest.mark.parametrize("readers", [1, 8, 100])
def test_readers_of_one_directory_at_once_cost_as_much_as_in_turn(readers: int) -> None:
    """In step, and at random: also when there are more than are kept waiting."""
    expected = [b"%04d" % number for number in range(1000)]
    tree = TreeInMemory(dict.fromkeys(expected, b""))
    loop = KernelLoop(-1, Operations(ShownTree(tree).top()), on_live=lambda: None)
    chosen = random.Random(4)
    positions, seen = [0] * readers, [[] for _ in range(readers)]
    under_way, requests = list(range(readers)), 0
    while under_way:
        for reader in chosen.choices(under_way, k=readers) if requests % 3 else list(under_way):
            rows = read_page(loop, positions[reader])
            requests += 1
            seen[reader] += [name for name, _ in rows]
            if rows:
                positions[reader] = rows[-1][1]
            elif reader in under_way:
                under_way.remove(reader)
    assert seen == [[b".", b"..", *expected]] * readers
    assert tree.listed <= readers * len(expected) + requests
    assert len(loop._listings._waiting) <= 64


@pytest.mark.parametrize("position", [5, 500, 2**40, 2**62, 2**63 - 1])
def test_a_position_far_on_is_not_walked_to(position: int) -> None:
    tree = TreeInMemory({b"%04d" % number: b"" for number in range(1000)})
    loop = KernelLoop(-1, Operations(ShownTree(tree).top()), on_live=lambda: None)
    rows = read_page(loop, position)
    assert [name for name, _ in rows[:1]] == [b"%04d" % (position - 2)] * (position < 1000)
    assert tree.listed <= len(rows) + 1


def test_a_log_that_cannot_be_written_loses_lines_by_count() -> None:
    blocked, written = Event(), []

    def write(line: str) -> None:
        assert blocked.wait(10)
        written.append(line)

    log = QueuedLog(write)
    for number in range(2000):
        log.emit(logging.makeLogRecord({"msg": f"line {number}"}))
    assert not log.drain(0.01)
    blocked.set()
    assert log.drain(10)
    assert written[:2] == ["line 0", "line 1"]
    lost = 2000 - (len(written) - 1)
    assert 0 < lost < 1100
    assert written[-1] == f"{lost} more lines were lost, since nobody read the log"
