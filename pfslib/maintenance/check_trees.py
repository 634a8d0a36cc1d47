"""Whether every tree is whole, says the truth about itself, and is the only one for its entries.

Each node is read once, however many trees it is in. Memory: about 400 bytes a node, which there are
as many of as `reach` says, and 8 bytes a piece.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from pfslib.chunks.chunkstore import find_place
from pfslib.chunks.digest import directory_key, pieces_key
from pfslib.maintenance.findings import Findings
from pfslib.maintenance.node_rules import wrong_in_directory, wrong_in_entry, wrong_in_list
from pfslib.maintenance.prefixes import PrefixSet
from pfslib.model.encoding import unpack
from pfslib.model.errors import CorruptionError
from pfslib.model.nodes import PIECE_MAX, Entry, Inner, Leaf, PieceList
from pfslib.trees.contents import ends_list
from pfslib.trees.directories import child_of, ends_node
from pfslib.trees.nodestore import read_node
from pfslib.trees.splitting import NODE_MAX

_LEVEL_AT: Final = 1  # a node is a 2-array: its second byte is its level
_TELL_EVERY: Final = 1000
_DAMAGED: Final = "its bytes are not what was written"


class _Sums(NamedTuple):
    """What stands for a node one level up, or in an entry."""

    size: int
    files: int = 0
    digest: bytes = b""


class _Place(NamedTuple):
    """Where a node is met, and what is said of it there."""

    key: bytes
    is_list: bool
    sums: _Sums
    level: int | None = None
    """None for a root, of whatever level."""

    last: bytes = b""
    """Of a directory's node below another: its greatest name."""

    above: bytes = b""
    """Every name in it must be greater."""

    is_followed: bool = False
    """Whether a node follows on its level, so that it must end by rule."""


class _Seen(NamedTuple):
    """What a node that was looked at is like."""

    level: int
    sums: _Sums
    first: bytes
    last: bytes
    ends: bool
    """Whether it ends by rule, not only because nothing follows."""

    children: tuple[_Place, ...] = ()
    """The first and the last child, which may be the same: what is asked of a node at its two ends
    is asked of them."""

    is_single: bool = False
    """Whether it has one child only."""


class TreeCheck:
    """Checks trees, one after the other.

    Args:
        findings: The state of the store, and where to report.
        progress: Told how many nodes were looked at.
    """

    def __init__(self, findings: Findings, progress: Callable[[str, int], None]) -> None:
        self._findings = findings
        self._txn = findings.txn
        self._progress = progress
        self._seen: dict[bytes, _Seen | None] = {}
        self._todo: list[_Place] = []
        self.pieces = PrefixSet()
        """Those that trees lead to."""

    @property
    def nodes(self) -> int:
        """How many nodes trees lead to."""
        return len(self._seen)

    def has_seen(self, key: bytes) -> bool:
        """Whether a tree leads to a node."""
        return key in self._seen

    def check_root(self, entry: Entry, name: str) -> None:
        """Check what an entry leads to.

        Args:
            entry: The root of a tree, or a file by itself.
            name: What it is, for reports.
        """
        wrong = wrong_in_entry(entry)
        if wrong:
            self._findings.add("tree", f"{name}: {wrong}")
            return
        self._follow(entry)
        while self._todo:
            self._check(self._todo.pop())

    def check_unreached(self, key: bytes) -> None:
        """Check the bytes of a node that no tree leads to: a new tree may come to rely on it."""
        try:
            data = read_node(self._txn, key)
            _refuse("" if key in {directory_key(data), pieces_key(data)} else _DAMAGED)
        except CorruptionError as error:
            self._damaged(key, error.message)

    # --- what is met ---------------------------------------------------------------------

    def _follow(self, entry: Entry) -> None:
        if entry.is_dir:
            sums = _Sums(entry.size, entry.files, entry.content)
            self._todo.append(_Place(entry.node, is_list=False, sums=sums))
        elif entry.size > PIECE_MAX:
            self._todo.append(_Place(entry.content, is_list=True, sums=_Sums(entry.size)))
        elif not entry.is_inline:
            self._check_piece(entry.content, entry.size)

    def _check(self, place: _Place) -> None:
        if place.key not in self._seen:
            self._seen[place.key] = self._look_at(place)
            if len(self._seen) % _TELL_EVERY == 0:
                self._progress("trees", len(self._seen))
        seen = self._seen[place.key]
        if seen is None:
            return
        wrong = _disagreement(place, seen)
        if wrong:
            self._damaged(place.key, wrong)
        elif seen.children:
            head, tail = seen.children
            if place.above:
                self._todo.append(head._replace(above=place.above))
            if place.is_followed:
                self._todo.append(tail._replace(is_followed=True))

    def _check_piece(self, digest: bytes, size: int) -> None:
        self.pieces.add(digest)
        try:
            place = find_place(self._txn, digest)
        except CorruptionError as error:
            wrong = error.message
        else:
            if place is not None and place.size == size:
                return
            wrong = f"it has {place.size} bytes instead of {size}" if place else "it is missing"
        self._findings.add_damaged(digest, "data", f"piece {digest.hex()}: {wrong}")

    def _damaged(self, key: bytes, wrong: str) -> None:
        self._findings.add_damaged(key, "tree", f"node {key.hex()}: {wrong}")

    # --- looking at a node for the first time --------------------------------------------

    def _look_at(self, place: _Place) -> _Seen | None:
        try:
            data = read_node(self._txn, place.key)
            key = (pieces_key if place.is_list else directory_key)(data)
            _refuse("" if key == place.key else _DAMAGED)
            if place.is_list:
                return self._look_at_list(unpack(PieceList, data))
            if data[_LEVEL_AT] == 0:
                return self._look_at_leaf(unpack(Leaf, data), place.key)
            return self._look_at_inner(unpack(Inner, data), place.key)
        except CorruptionError as error:
            self._damaged(place.key, error.message)
            return None

    def _look_at_leaf(self, node: Leaf, key: bytes) -> _Seen:
        _refuse(wrong_in_directory(node))
        for entry in node.items:
            self._follow(entry)
        as_child = child_of(node, key)
        return _Seen(
            level=0,
            sums=_Sums(as_child.size, as_child.files, as_child.digest),
            first=node.items[0].name if node.items else b"",
            last=as_child.last,
            ends=len(node.items) == NODE_MAX or ends_node(as_child.last, 0),
        )

    def _look_at_inner(self, node: Inner, key: bytes) -> _Seen:
        _refuse(wrong_in_directory(node))
        children: list[_Place] = []
        above = b""
        for child in node.items:
            sums = _Sums(child.size, child.files, child.digest)
            children.append(
                _Place(
                    child.node,
                    is_list=False,
                    sums=sums,
                    level=node.level - 1,
                    last=child.last,
                    above=above,
                    is_followed=True,
                )
            )
            above = child.last
        children[-1] = children[-1]._replace(is_followed=False)
        self._todo.extend(children)
        as_child = child_of(node, key)
        return _Seen(
            level=node.level,
            sums=_Sums(as_child.size, as_child.files, as_child.digest),
            first=b"",
            last=as_child.last,
            ends=len(node.items) == NODE_MAX or ends_node(as_child.last, node.level),
            children=(children[0], children[-1]),
            is_single=len(children) == 1,
        )

    def _look_at_list(self, node: PieceList) -> _Seen:
        _refuse(wrong_in_list(node))
        children: list[_Place] = []
        if node.level == 0:
            for item in node.items:
                self._check_piece(item.digest, item.size)
        else:
            children = [
                _Place(
                    item.digest,
                    is_list=True,
                    sums=_Sums(item.size),
                    level=node.level - 1,
                    is_followed=True,
                )
                for item in node.items
            ]
            children[-1] = children[-1]._replace(is_followed=False)
            self._todo.extend(children)
        return _Seen(
            level=node.level,
            sums=_Sums(sum(item.size for item in node.items)),
            first=b"",
            last=b"",
            ends=len(node.items) == NODE_MAX or ends_list(node.items[-1].digest, node.level),
            children=(children[0], children[-1]) if children else (),
            is_single=len(children) == 1,
        )


def _refuse(wrong: str) -> None:
    if wrong:
        raise CorruptionError(wrong)


def _disagreement(place: _Place, seen: _Seen) -> str:
    """In what a node is not what is said of it where it was met; empty when it is."""
    if place.sums != seen.sums:
        return f"its sums are {_shown(seen.sums)}, and said to be {_shown(place.sums)}"
    if place.level is None:
        return "its one child should be the root" if seen.is_single else ""
    if place.level != seen.level:
        return f"it is of level {seen.level} instead of {place.level}"
    if not place.is_list and (place.last != seen.last or not seen.last):
        return "its last name is not the one said"
    if place.above and seen.first and seen.first <= place.above:
        return "it begins before the node before it ends"
    if place.is_followed and not seen.ends:
        return "it ends where no node should"
    return ""


def _shown(sums: _Sums) -> str:
    return f"{sums.size} bytes in {sums.files} files, digest {sums.digest.hex()[:16] or 'none'}"
