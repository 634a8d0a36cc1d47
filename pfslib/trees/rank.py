"""Where a name stands in a directory: how many entries are before it, and how many bytes."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import NamedTuple

from pfslib.kv.protocol import ReadTxn
from pfslib.model.nodes import Entry, Leaf
from pfslib.trees.nodestore import TreeCache, get_directory_node

_name_of = attrgetter("name")
_last_of = attrgetter("last")


class Rank(NamedTuple):
    """What comes before a place in a directory."""

    entries: int
    size: int


def rank(txn: ReadTxn, directory: Entry | None, name: bytes, cache: TreeCache) -> Rank:
    """What comes before a name, whether or not it is there; nothing if there is no directory.

    Cost: O(log n) nodes, which know what is below them.
    """
    count = size = 0
    key = directory.node if directory is not None else b""
    while key:
        node = get_directory_node(txn, key, cache)
        if isinstance(node, Leaf):
            before = node.items[: bisect_left(node.items, name, key=_name_of)]
            return Rank(count + len(before), size + sum(entry.size for entry in before))
        at = bisect_left(node.items, name, key=_last_of)
        count += sum(child.count for child in node.items[:at])
        size += sum(child.size for child in node.items[:at])
        key = node.items[at].node if at < len(node.items) else b""
    return Rank(count, size)
