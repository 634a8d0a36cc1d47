"""Find one entry, or list one directory, below a root."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter

from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import NotADirectoryInCommitError, PathNotFoundError
from pfslib.model.nodes import Entry, Kind, Leaf
from pfslib.model.paths import join_path
from pfslib.trees.nodestore import TreeCache, get_directory_node

_name_of = attrgetter("name")
_last_of = attrgetter("last")


def find_child(txn: ReadTxn, directory: Entry, name: bytes, cache: TreeCache) -> Entry | None:
    """The entry of a name in a directory; None when there is none. Cost: O(log n) nodes."""
    key = directory.node
    while True:
        node = get_directory_node(txn, key, cache)
        if isinstance(node, Leaf):
            at = bisect_left(node.items, name, key=_name_of)
            if at < len(node.items) and node.items[at].name == name:
                return node.items[at]
            return None
        at = bisect_left(node.items, name, key=_last_of)
        if at == len(node.items):
            return None
        key = node.items[at].node


def find_entry(
    txn: ReadTxn, root: Entry, parts: tuple[bytes, ...], cache: TreeCache
) -> Entry | None:
    """The entry at a path below a directory; None when there is none."""
    entry: Entry | None = root
    for name in parts:
        if entry is None or not entry.is_dir:
            return None
        entry = find_child(txn, entry, name, cache)
    return entry


def get_entry(
    txn: ReadTxn, root: Entry, parts: tuple[bytes, ...], cache: TreeCache, *, where: str = ""
) -> Entry:
    """The entry at a path.

    Args:
        txn: The state to read.
        root: The directory to start from.
        parts: Components of the path; none of them is the root itself.
        cache: What is remembered of trees.
        where: What the root is, for the error's sake.

    Raises:
        PathNotFoundError: Nothing there.
        NotADirectoryInCommitError: A file stands where the path needs a directory.
    """
    entry = root
    for depth, name in enumerate(parts):
        if entry.kind != Kind.DIRECTORY:
            raise NotADirectoryInCommitError(join_path(parts[:depth]))
        child = find_child(txn, entry, name, cache)
        if child is None:
            above = join_path(parts[:depth])
            raise PathNotFoundError(
                join_path(parts), where, hint=f"`pfs list-file` shows what is in {above}"
            )
        entry = child
    return entry


def scan_directory(
    txn: ReadTxn, directory: Entry, cache: TreeCache, *, after: bytes | None = None
) -> Iterator[Entry]:
    """The entries of a directory in byte order of their names, those after a name if one is given.

    Cost: one node read every 32 entries on average; starting late skips what is before.
    """
    yield from _scan_node(txn, directory.node, cache, after)


def scan_from(txn: ReadTxn, directory: Entry, position: int, cache: TreeCache) -> Iterator[Entry]:
    """The entries of a directory in byte order of their names, from the one at a position on.

    Cost: O(log n) nodes, which know how many entries are below them, to get there.
    """
    yield from _scan_node_from(txn, directory.node, position, cache)


class Ascending:
    """Finds names in a directory, each greater than the one before; cheap when they are near."""

    __slots__ = ("_at", "_cache", "_items", "_root", "_txn")

    def __init__(self, txn: ReadTxn, directory: Entry, cache: TreeCache) -> None:
        self._txn = txn
        self._cache = cache
        self._root = directory.node
        self._items: tuple[Entry, ...] = ()
        self._at = 0

    def find(self, name: bytes) -> Entry | None:
        """The entry of a name; None when there is none."""
        if not self._items or self._items[-1].name < name:
            self._items, self._at = self._leaf_of(name), 0
        items, at = self._items, self._at
        while at < len(items) and items[at].name < name:
            at += 1
        self._at = at
        return items[at] if at < len(items) and items[at].name == name else None

    def _leaf_of(self, name: bytes) -> tuple[Entry, ...]:
        """The entries of the leaf that the name would be in; none if it is beyond the last."""
        node = get_directory_node(self._txn, self._root, self._cache)
        while not isinstance(node, Leaf):
            at = bisect_left(node.items, name, key=_last_of)
            if at == len(node.items):
                return ()
            node = get_directory_node(self._txn, node.items[at].node, self._cache)
        return node.items


def _scan_node(txn: ReadTxn, key: bytes, cache: TreeCache, after: bytes | None) -> Iterator[Entry]:
    node = get_directory_node(txn, key, cache)
    if isinstance(node, Leaf):
        for entry in node.items:
            if after is None or entry.name > after:
                yield entry
        return
    for child in node.items:
        if after is None or child.last > after:
            yield from _scan_node(txn, child.node, cache, after)
            after = None


def _scan_node_from(txn: ReadTxn, key: bytes, skip: int, cache: TreeCache) -> Iterator[Entry]:
    node = get_directory_node(txn, key, cache)
    if isinstance(node, Leaf):
        yield from node.items[skip:]
        return
    for child in node.items:
        if skip < child.count:
            yield from _scan_node_from(txn, child.node, skip, cache)
        skip = max(0, skip - child.count)
