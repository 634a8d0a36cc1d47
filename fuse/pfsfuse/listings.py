"""Directory listings under way: the kernel asks for a page at a time, by position.

A directory that never changes can be listed from any position on, for the cost of a look-up; a
listing that waits to be asked for more only spares that. One that changes is listed as it was when
its reader began: a position is a place in that, to this reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from pfsfuse.inodes import Inode

_KEPT: Final = 64
"""Listings that wait to be asked for more."""


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
    """Listings of what never changes, by directory and position."""

    def __init__(self, children: Callable[[Inode, int], Iterator[Inode]]) -> None:
        self._children = children
        self._waiting: list[tuple[int, Listing]] = []

    def take(self, directory: Inode, position: int) -> Listing:
        """A listing from a position on."""
        for at, (number, listing) in enumerate(self._waiting):
            if listing.position == position and number == directory.id:
                del self._waiting[at]
                return listing
        return Listing(self._children(directory, position), position)

    def keep(self, directory: Inode, listing: Listing) -> None:
        """Keep a listing for when the kernel asks for more: several that are equally far, too."""
        self._waiting.append((directory.id, listing))
        del self._waiting[:-_KEPT]

    def drop(self, number: int) -> None:
        """Let go of a directory that a reader has closed: what it is of may be deleted."""
        self._waiting = [waiting for waiting in self._waiting if waiting[0] != number]


class OpenedListings:
    """Listings of what changes, row by row as the kernel wants them, by handle."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._rows: dict[int, list[bytes]] = {}

    def open(self) -> int:
        """A handle for one reader; never 0."""
        return next(self._numbers)

    def rows(self, handle: int, position: int, look: Callable[[], list[bytes]]) -> Iterator[bytes]:
        """The rows from a position on; those at its beginning are looked for anew."""
        if position == 0 or handle not in self._rows:
            self._rows[handle] = look()
        rows = self._rows[handle]
        return (rows[at] for at in range(position, len(rows)))

    def close(self, handle: int) -> None:
        """Forget what the reader saw."""
        self._rows.pop(handle, None)
