"""What is wrong with a node by itself, or an entry by itself; in words, empty for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from pfslib.chunks.split import CHUNK_MAX
from pfslib.model.nodes import DIGEST_SIZE, Child, Entry, Inner, Kind, Leaf, PieceList
from pfslib.model.paths import COMPONENT_MAX, to_text
from pfslib.trees.contents import ends_list
from pfslib.trees.directories import ends_node
from pfslib.trees.splitting import NODE_MAX

_KINDS: Final = frozenset(int(kind) for kind in Kind)


def wrong_in_directory(node: Leaf | Inner) -> str:
    """Of a node of a directory."""
    if isinstance(node, Leaf):
        names = [entry.name for entry in node.items]
        wrong = next(filter(None, map(_wrong_in_named, node.items)), "")
    else:
        names = [child.last for child in node.items]
        wrong = next(filter(None, map(_wrong_in_child, node.items)), "")
        if not names:
            wrong = "it has no children"
    if wrong:
        return wrong
    if any(name >= following for name, following in pairwise(names)):
        return "its names are not in order"
    return _wrong_in_split([ends_node(name, node.level) for name in names])


def wrong_in_list(node: PieceList) -> str:
    """Of a node of a large file."""
    if not node.items:
        return "it has no pieces"
    if any(len(item.digest) != DIGEST_SIZE or item.size <= 0 for item in node.items):
        return "it has a piece that cannot be one"
    if node.level == 0 and any(item.size > CHUNK_MAX for item in node.items):
        return f"it has a piece of more than {CHUNK_MAX} bytes"
    return _wrong_in_split([ends_list(item.digest, node.level) for item in node.items])


def wrong_in_entry(entry: Entry) -> str:
    """Of an entry, its name left out."""
    if entry.kind not in _KINDS:
        return f"it is of the unknown kind {entry.kind}"
    if entry.size < 0 or entry.files < 0:
        return "it has a negative size"
    if entry.is_dir:
        whole = len(entry.node) == len(entry.content) == DIGEST_SIZE
        return "" if whole else "it is a directory without a node or digest"
    if entry.node or entry.files:
        return "it is a file, and has a directory's node"
    if entry.is_inline:
        same = len(entry.content) == entry.size
        return "" if same else f"its content has {len(entry.content)} bytes, not {entry.size}"
    return "" if len(entry.content) == DIGEST_SIZE else "it has no digest"


def _wrong_in_named(entry: Entry) -> str:
    name = entry.name
    if not name or len(name) > COMPONENT_MAX or name in {b".", b".."}:
        return f"an entry cannot be called {to_text(name)!r}"
    if b"/" in name or b"\0" in name:
        return f"an entry cannot be called {to_text(name)!r}"
    wrong = wrong_in_entry(entry)
    return f"entry {to_text(name)!r}: {wrong}" if wrong else ""


def _wrong_in_child(child: Child) -> str:
    if len(child.node) != DIGEST_SIZE or len(child.digest) != DIGEST_SIZE or not child.last:
        return "it has a child that cannot be one"
    return ""


def _wrong_in_split(ends: Sequence[bool]) -> str:
    if len(ends) > NODE_MAX:
        return f"it has {len(ends)} items, more than {NODE_MAX}"
    if any(ends[:-1]):
        return "it goes on after an item that ends a node"
    return ""
