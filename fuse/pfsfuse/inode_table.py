"""The inodes that the kernel knows, by number, until it forgets them."""

from __future__ import annotations

import errno
from typing import Final

from pfsfuse.errnos import Refusal
from pfsfuse.inodes import ROOT_ID, Inode, Shown

_IDS: Final = 2**64


class InodeTable:
    """Inodes by number. Changed by one thread."""

    def __init__(self, top: Inode) -> None:
        self._inodes = {ROOT_ID: top}

    def __len__(self) -> int:
        return len(self._inodes)

    def __getitem__(self, number: int) -> Inode:
        """The inode that the kernel means.

        Raises:
            Refusal: It has been told of none of that number.
        """
        try:
            return self._inodes[number]
        except KeyError:
            raise Refusal(errno.ESTALE) from None

    def tell(self, inode: Inode) -> Inode:
        """Note that the kernel is told of an inode; the one to tell it of.

        Should two share a number, the one that comes second gets the next: the kernel must never
        take one for the other, or it would show the bytes of the one under the name of the other.
        """
        known = self._inodes.setdefault(inode.id, inode)
        while known is not inode and not _are_same(known, inode):
            inode.id = (inode.id + 1) % _IDS or ROOT_ID + 1
            known = self._inodes.setdefault(inode.id, inode)
        known.entry = inode.entry  # of what changes, with its new time
        known.lookups += 1
        return known

    def forget(self, number: int, lookups: int) -> None:
        """Take lookups back; after the last, the kernel knows the inode no more."""
        inode = self._inodes.get(number)
        if inode is None or number == ROOT_ID:
            return
        inode.lookups -= lookups
        if inode.lookups <= 0:
            del self._inodes[number]

    def shown_by(self, shown: Shown) -> list[Inode]:
        """The inodes of one thing that is shown; other threads may ask. Cost: a look at each."""
        return [inode for inode in list(self._inodes.values()) if inode.shown is shown]


def _are_same(one: Inode, other: Inode) -> bool:
    if not (one.shown.is_final or other.shown.is_final):
        return one.path == other.path
    return one.entry == other.entry and one.shown.label == other.shown.label
