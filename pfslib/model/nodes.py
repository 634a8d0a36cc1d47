"""What trees are made of: entries of directories, pieces of files, and the nodes that hold them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec
from blake3 import blake3

DIGEST_SIZE: Final = 32

INLINE_MAX: Final = 96
"""Contents up to this many bytes live in the directory entry itself: three digests' worth, where
a place in a pack and its index record would cost as much again."""

PIECE_MAX: Final = 32 * 1024
"""Contents up to this size are one piece, packed with their neighbours; larger ones are cut."""


class Kind(IntEnum):
    """What an entry is. The numbers are part of the format."""

    FILE = 0
    EXECUTABLE = 1
    SYMLINK = 2
    DIRECTORY = 3


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One name in a directory.

    ``name``, ``kind`` and ``content`` are what the directory's digest covers; ``mtime_ns`` and
    ``origin`` are metadata that two equal trees may differ in.
    """

    name: bytes
    """As bytes, without a slash."""

    kind: int
    """A `Kind`."""

    size: int
    """Bytes of the file, of the link's target, or of all files below the directory."""

    content: bytes
    """The bytes themselves up to INLINE_MAX, else their digest; for a directory its digest."""

    mtime_ns: int
    """When it was put, or what was put last changed, in ns since 1970."""

    origin: bytes
    """The 16-byte id of the commit that last changed this entry, or anything below it."""

    node: bytes = b""
    """Directories: key of the root node of their entries."""

    files: int = 0
    """Directories: number of files and links below."""

    @property
    def is_dir(self) -> bool:
        """Whether this is a directory."""
        return self.kind == Kind.DIRECTORY

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file, executable or not."""
        return self.kind <= Kind.EXECUTABLE

    @property
    def is_symlink(self) -> bool:
        """Whether this is a symbolic link."""
        return self.kind == Kind.SYMLINK

    @property
    def executable(self) -> bool:
        """Whether this is an executable file."""
        return self.kind == Kind.EXECUTABLE

    @property
    def is_inline(self) -> bool:
        """Whether the content stands in the entry."""
        return self.size <= INLINE_MAX and self.kind != Kind.DIRECTORY

    @property
    def digest(self) -> bytes:
        """Names the content: equal digests, equal bytes, whatever the store, name or packing."""
        return blake3(self.content).digest() if self.is_inline else self.content

    def same_content(self, other: Entry) -> bool:
        """Whether both have the same kind and content, whatever their names and metadata."""
        return self.kind == other.kind and self.size == other.size and self.content == other.content


class Child(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One child of an inner directory node."""

    last: bytes
    """Greatest name below."""

    node: bytes
    digest: bytes
    count: int
    """Entries of this directory below the child."""

    size: int
    files: int


class Piece(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A run of bytes of a large file: a chunk in a leaf, a node of further pieces above."""

    size: int
    digest: bytes


class Leaf(msgspec.Struct, array_like=True, frozen=True):
    """A directory node of level 0."""

    level: int
    items: tuple[Entry, ...]


class Inner(msgspec.Struct, array_like=True, frozen=True):
    """A directory node above the leaves."""

    level: int
    items: tuple[Child, ...]


class PieceList(msgspec.Struct, array_like=True, frozen=True):
    """A node of a large file, of any level."""

    level: int
    items: tuple[Piece, ...]


class Content(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The bytes of a file, without name or metadata: what entries hold in `size` and `content`."""

    size: int
    ref: bytes


EMPTY = Content(0, b"")
