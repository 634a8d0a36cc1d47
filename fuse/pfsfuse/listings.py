"""Directory listings under way: the kernel asks for a page at a time, by position."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from pfsfuse.inodes import Inode

_KEPT: Final = 64
"""Listings that wait to be asked for more. One that is not kept is begun anew, and skipped over."""


class Listing:
    """The names of one directory, from some position on."""

    def __init__(self, children: Iterator[Inode], position: int) -> None:
        self._children = children
        self._held: Inode | None = None
        self.position = position

    def __iter__(self) -> Iterator[Inode]:
        return self

    def __next__(self) -> Inode:
        """The next name; the position is behind it then."""
        held, self._held = self._held, None
        inode = held if held is not None else next(self._children)
        self.position += 1
        return inode

    def put_back(self, inode: Inode) -> None:
        """Give it again the next time: there was no room for it."""
        self._held = inode
        self.position -= 1


class Listings:
    """Listings by directory and position."""

    def __init__(self, children: Callable[[Inode], Iterator[Inode]]) -> None:
        self._children = children
        self._waiting: OrderedDict[tuple[int, int], Listing] = OrderedDict()

    def take(self, directory: Inode, position: int) -> Listing:
        """A listing from a position on. Cost: nothing, or position names if it is not the next."""
        waiting = self._waiting.pop((directory.id, position), None) if position else None
        if waiting is not None:
            return waiting
        return Listing(islice(self._children(directory), position, None), position)

    def keep(self, directory: Inode, listing: Listing) -> None:
        """Keep a listing for when the kernel asks for more."""
        self._waiting[directory.id, listing.position] = listing
        while len(self._waiting) > _KEPT:
            self._waiting.popitem(last=False)
