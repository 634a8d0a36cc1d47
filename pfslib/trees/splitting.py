"""Split a sequence into a tree of nodes by its content alone.

Whether a node ends after an item is decided by the item, so equal sequences give equal trees
whatever the order of edits that led to them, and an edit touches the nodes around it, level by
level, and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

ItemT = TypeVar("ItemT")
ParentT = TypeVar("ParentT")


class Shape(Protocol[ItemT, ParentT]):
    """What a kind of tree does its own way."""

    def ends_node(self, item: ItemT | ParentT, level: int) -> bool:
        """Whether a node of this level ends after the item."""
        ...

    def seal(self, items: list[ItemT | ParentT], level: int) -> ParentT:
        """Store a node; what stands for it one level up."""
        ...


NODE_MAX = 128
"""Most items of a node, so that items that never end one cannot make it grow without limit."""


class SplitTree(Generic[ItemT, ParentT]):
    """Builds a tree from its items in order, or from whole nodes of an older tree.

    Each level collects items until one ends the node; then the node is sealed and becomes an item
    one level up.
    """

    __slots__ = ("_levels", "_shape")

    def __init__(self, shape: Shape[ItemT, ParentT]) -> None:
        self._shape = shape
        self._levels: list[list[ItemT | ParentT]] = [[]]

    def add(self, item: ItemT | ParentT, level: int = 0) -> None:
        """Add the next item; at a level above 0, a whole node of level - 1.

        A node may only be added where `at_boundary(level)` holds.
        """
        while len(self._levels) <= level:
            self._levels.append([])
        items = self._levels[level]
        items.append(item)
        if len(items) >= NODE_MAX or self._shape.ends_node(item, level):
            self._levels[level] = []
            self.add(self._shape.seal(items, level), level + 1)

    def at_boundary(self, level: int) -> bool:
        """Whether no node below this level is half full: an old node may be taken over here."""
        return not any(self._levels[:level])

    def finish(self, unwrap: Callable[[ParentT], ParentT | None]) -> ParentT | None:
        """The root, None for an empty sequence.

        Args:
            unwrap: The only child of a node, None when it has several or is a leaf: a root with
                one child would not be what a fresh build gives.
        """
        level = 0
        while True:
            items = self._levels[level]
            top = level + 1 == len(self._levels)
            if top and not items:
                return None
            if top and level > 0 and len(items) == 1:
                break
            if items:
                self._levels[level] = []
                self.add(self._shape.seal(items, level), level + 1)
            level += 1
        root: ParentT = self._levels[level][0]  # type: ignore[assignment] # parents, above level 0
        while (child := unwrap(root)) is not None:
            root = child
        return root
