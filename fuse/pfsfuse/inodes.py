"""Inodes: what a mount is made of, and what shows them."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, Protocol

from blake3 import blake3

from pfslib import Entry

_NUMBER: Final = Struct("<Q")

ROOT_ID: Final = 1
"""The kernel's name for the top of a mount."""


class Inode:
    """A file, link or directory of a mount; what it shows never changes, unless it says so.

    Attributes:
        id: Its inode number; the same in every mount that shows the same at the same path.
        entry: What it is in its tree; of what changes, as it was when last looked up.
        shown: What it is shown by.
        parent: The directory it was found in; None for the top.
        lookups: How often the kernel was told of it, and has not forgotten since.
        was_listed: Of a directory: whether the kernel has had its names without attributes.
    """

    __slots__ = ("entry", "id", "lookups", "parent", "shown", "was_listed")

    def __init__(
        self, entry: Entry, shown: Shown, parent: Inode | None = None, *, salt: bytes = b""
    ) -> None:
        """Name an entry of a directory.

        Args:
            entry: What it is.
            shown: What it is shown by.
            parent: The directory it is in.
            salt: Tells apart what is shown at one path at different times.
        """
        self.entry = entry
        self.shown = shown
        self.parent = parent
        self.id: int = ROOT_ID if parent is None else inode_number(parent.id, entry.name + salt)
        self.lookups = 0
        self.was_listed = False

    @property
    def path(self) -> bytes:
        """Its path below the mount point."""
        parts: list[bytes] = []
        inode = self
        while inode.parent is not None:
            parts.append(inode.entry.name)
            inode = inode.parent
        return b"/" + b"/".join(reversed(parts))


def inode_number(directory: int, name: bytes) -> int:
    """The number of a name in a directory of some number; neither 0 nor that of the top.

    64 bits of a hash: among a million files the chance that any two share a number is 1 in
    30 million, and then only programs that take equal numbers for hard links could notice.
    """
    number: int = _NUMBER.unpack(blake3(_NUMBER.pack(directory) + name).digest(8))[0]
    return number if number > ROOT_ID else ~number & (2**64 - 1)


class Shown(Protocol):
    """What a mount shows, or a part of it."""

    label: bytes
    """The commit it is of; empty when it is of none."""

    is_final: bool
    """Whether a name in its directories means the same for ever, also when it is missing."""

    def child(self, directory: Inode, name: bytes, /) -> Inode:
        """What a name means.

        Raises:
            NotFoundError: Nothing.
        """
        ...

    def children(self, directory: Inode, position: int = 0, /) -> Iterator[Inode]:
        """All of a directory, in byte order of name, from some position on.

        Cost: of a final one, next to nothing for what is left out.
        """
        ...

    def total(self, top: Inode, /) -> Entry:
        """The top of a mount with the size and number of all files that it shows."""
        ...

    def read(self, file: Inode, offset: int, size: int, /) -> bytes:
        """Bytes of a file or of a link's target, fewer only at its end."""
        ...

    def pieces(self, file: Inode, /) -> int:
        """How many pieces a file is stored in."""
        ...
