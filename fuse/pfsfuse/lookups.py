"""Finds entries by kernel path, and remembers those that the kernel is about to ask for.

The kernel keeps names and attributes for a day, so nothing is asked for often; but it asks in
bursts: a directory is listed and then each of its names looked up, a file is found and then read
from beginning to end. Two small memories, one for each burst, are all that pays.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from pfsfuse.errnos import Refusal
from pfsfuse.view import Directory, View
from pfslib import Entry

NAME_MAX: Final = 255
"""Longest name in bytes; the kernel lets longer ones through to us."""

_FOUND_KEPT: Final = 4096
"""Entries remembered by path: the files being read."""

_LISTED_KEPT: Final = 65_536
"""Entries remembered by directory, about 20 MB; a directory with more is listed anew each time."""


class Found(NamedTuple):
    """An entry and the tree to read it from."""

    tree: Directory
    entry: Entry


class Listing(NamedTuple):
    """The children of a directory by name, in order, and the tree to read them from."""

    tree: Directory
    entries: dict[bytes, Entry]


class Lookups:
    """The entries of one view. Used by one thread."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._listings: OrderedDict[bytes, Listing] = OrderedDict()
        self._listed = 0
        self.find = lru_cache(maxsize=_FOUND_KEPT)(self._find)

    def _find(self, path: bytes) -> Found:
        """The entry at a kernel path.

        Raises:
            NotFoundError: Nothing is there.
            NotADirectoryInCommitError: The path goes through a file.
            Refusal: The name is longer than any in a tree.
        """
        parent, _, name = path.rpartition(b"/")
        if len(name) > NAME_MAX:
            raise Refusal(errno.ENAMETOOLONG)
        listing = self._listings.get(parent or b"/")
        if listing is not None and name in listing.entries:
            return Found(listing.tree, listing.entries[name])
        tree, inside = self._view.locate(path)
        return Found(tree, tree.find(inside))

    def children(self, path: bytes) -> Iterator[Entry]:
        """The entries of a directory, in byte order of name.

        Raises:
            NotFoundError: Nothing is there.
            NotADirectoryInCommitError: It is a file.
        """
        listing = self._listings.get(path)
        if listing is not None:
            self._listings.move_to_end(path)
            yield from listing.entries.values()
            return
        tree, inside = self._view.locate(path)
        entries: dict[bytes, Entry] = {}
        for entry in tree.scan(inside):
            if len(entries) <= _LISTED_KEPT:
                entries[entry.name] = entry
            yield entry
        self._remember(path, Listing(tree, entries))

    def _remember(self, path: bytes, listing: Listing) -> None:
        if len(listing.entries) > _LISTED_KEPT or path in self._listings:
            return
        self._listings[path] = listing
        self._listed += len(listing.entries)
        while self._listed > _LISTED_KEPT:
            _, gone = self._listings.popitem(last=False)
            self._listed -= len(gone.entries)
