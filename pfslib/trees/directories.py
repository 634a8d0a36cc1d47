"""Write one directory: its entries, all new or changed from an older state, as a split tree."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final
from zlib import crc32

from pfslib.chunks.digest import entries_digest
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.model.encoding import pack
from pfslib.model.errors import InvalidInputError
from pfslib.model.nodes import Child, Entry, Inner, Kind, Leaf
from pfslib.trees.nodestore import TreeCache, add_node, encode_directory_node, get_directory_node
from pfslib.trees.splitting import SplitTree

Change = tuple[bytes, Entry | None]
"""A name and its new entry; None removes the name."""

_BITS: Final = 5
"""A node ends after a name whose hash has these many bits zero: 32 entries on average, which keeps
a leaf, compressed, inside one page and an edit at a few nodes."""

_LEVELS: Final = 6
_TOTAL_MAX: Final = 2**63 - 1
_SPREAD: Final = 0x9E3779B1


def ends_node(name: bytes, level: int) -> bool:
    """Whether a node of a directory ends after an entry, or a child whose last entry has the name.

    It also ends when it has NODE_MAX items, or where the directory does.
    """
    # The multiplication breaks CRC's linearity, which regular names (0001, 0002, …) would meet.
    if level >= _LEVELS:
        return False
    bits = (crc32(name) * _SPREAD & 0xFFFFFFFF) >> (32 - _BITS * (level + 1))
    return bits & ((1 << _BITS) - 1) == 0


class _DirectoryShape:
    """Nodes of a directory, stored as they are sealed."""

    def __init__(self, txn: WriteTxn) -> None:
        self._txn = txn

    def ends_node(self, item: Entry | Child, level: int) -> bool:
        """See Shape."""
        return ends_node(item.name if isinstance(item, Entry) else item.last, level)

    def seal(self, items: list[Entry | Child], level: int) -> Child:
        """See Shape."""
        return _seal_leaf(self._txn, items) if level == 0 else _seal_inner(self._txn, items, level)


def _seal_leaf(txn: WriteTxn, items: list[Entry | Child]) -> Child:
    entries: list[Entry] = items  # type: ignore[assignment] # level 0 holds entries only
    node = Leaf(0, tuple(entries))
    key, data = encode_directory_node(node)
    add_node(txn, key, data)
    return _countable(child_of(node, key))


def _seal_inner(txn: WriteTxn, items: list[Entry | Child], level: int) -> Child:
    children: list[Child] = items  # type: ignore[assignment] # above level 0 there are children only
    node = Inner(level, tuple(children))
    key, data = encode_directory_node(node)
    add_node(txn, key, data)
    return _countable(child_of(node, key))


def _countable(child: Child) -> Child:
    """The same; copies of copies by reference may be more than anything can count.

    Raises:
        InvalidInputError: It is more than 2^63 files or bytes.
    """
    if max(child.size, child.files) > _TOTAL_MAX:
        raise InvalidInputError(
            f"a directory would have {child.files} files of {child.size} bytes: too many to count",
            hint="look for a directory that is copied into itself, again and again",
        )
    return child


def child_of(node: Leaf | Inner, key: bytes) -> Child:
    """What stands for a node one level up."""
    return _child_of_leaf(node, key) if isinstance(node, Leaf) else _child_of_inner(node, key)


def _child_of_leaf(node: Leaf, key: bytes) -> Child:
    entries = node.items
    return Child(
        last=entries[-1].name if entries else b"",
        node=key,
        digest=entries_digest(pack([(e.name, e.kind, e.size, e.content) for e in entries])),
        count=len(entries),
        size=sum(e.size for e in entries),
        files=sum(e.files if e.kind == Kind.DIRECTORY else 1 for e in entries),
    )


def _child_of_inner(node: Inner, key: bytes) -> Child:
    children = node.items
    return Child(
        last=children[-1].last,
        node=key,
        digest=entries_digest(pack([node.level, [(c.last, c.digest) for c in children]])),
        count=sum(c.count for c in children),
        size=sum(c.size for c in children),
        files=sum(c.files for c in children),
    )


def root_entry(txn: ReadTxn, key: bytes, cache: TreeCache) -> Entry:
    """The entry of the directory whose root node has a key; without a name and an origin."""
    node = get_directory_node(txn, key, cache)
    newest = max((item.mtime_ns for item in node.items if isinstance(item, Entry)), default=0)
    return _entry_of(child_of(node, key), b"", mtime_ns=newest, origin=b"")


def empty_directory(txn: WriteTxn, *, mtime_ns: int, origin: bytes) -> Entry:
    """The entry of a directory without entries: only a root may be one."""
    return _entry_of(_seal_leaf(txn, []), b"", mtime_ns=mtime_ns, origin=origin)


def write_directory(
    txn: WriteTxn,
    base: Entry | None,
    changes: Sequence[Change],
    cache: TreeCache,
    *,
    name: bytes,
    mtime_ns: int,
    origin: bytes,
) -> Entry | None:
    """Change a directory, or make one.

    Args:
        txn: The change to make it in.
        base: The directory as it was; None for a new one.
        changes: New entries and removed names, in byte order of the names, no name twice.
        cache: What is remembered of trees.
        name: Name of the result.
        mtime_ns: Modification time of the result.
        origin: Id of the commit that makes the change.

    Returns:
        The directory's entry; None when nothing is left in it.

    The result depends on the final entries alone, not on the base or the order of changes. Cost:
    O(log n) nodes a change, linear for a new directory.
    """
    tree: SplitTree[Entry, Child] = SplitTree(_DirectoryShape(txn))
    if base is None:
        for _, entry in changes:
            if entry is not None:
                tree.add(entry)
    else:
        _merge_node(txn, base.node, changes, tree, cache)
    root = tree.finish(lambda child: _only_child(txn, child, cache))
    if root is None:
        return None
    return _entry_of(root, name, mtime_ns=mtime_ns, origin=origin)


def _merge_node(
    txn: WriteTxn,
    key: bytes,
    changes: Sequence[Change],
    tree: SplitTree[Entry, Child],
    cache: TreeCache,
) -> None:
    """Add an old node's entries, changed, to the tree; whole old nodes where nothing changed."""
    node = get_directory_node(txn, key, cache)
    if isinstance(node, Leaf):
        _merge_entries(node.items, changes, tree)
        return
    start = 0
    for at, child in enumerate(node.items):
        # Names beyond the last child are the last child's to take in.
        final = at + 1 == len(node.items)
        end = len(changes) if final else bisect_right(changes, child.last, start, key=_changed_name)
        if start == end and tree.at_boundary(node.level):
            tree.add(child, node.level)
        else:
            _merge_node(txn, child.node, changes[start:end], tree, cache)
        start = end


def _changed_name(change: Change) -> bytes:
    return change[0]


def _merge_entries(
    old: Sequence[Entry], changes: Sequence[Change], tree: SplitTree[Entry, Child]
) -> None:
    at = 0
    for name, entry in changes:
        while at < len(old) and old[at].name < name:
            tree.add(old[at])
            at += 1
        if at < len(old) and old[at].name == name:
            at += 1
        if entry is not None:
            tree.add(entry)
    for kept in old[at:]:
        tree.add(kept)


def _only_child(txn: WriteTxn, child: Child, cache: TreeCache) -> Child | None:
    node = get_directory_node(txn, child.node, cache)
    return node.items[0] if isinstance(node, Inner) and len(node.items) == 1 else None


def _entry_of(root: Child, name: bytes, *, mtime_ns: int, origin: bytes) -> Entry:
    return Entry(
        name=name,
        kind=Kind.DIRECTORY,
        size=root.size,
        content=root.digest,
        mtime_ns=mtime_ns,
        origin=origin,
        node=root.node,
        files=root.files,
    )
