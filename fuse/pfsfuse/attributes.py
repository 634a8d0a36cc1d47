"""Entries to what stat says about them."""

from __future__ import annotations

from stat import S_IFDIR, S_IFLNK, S_IFREG
from typing import Final, NamedTuple

from blake3 import blake3

from pfslib import Entry, Kind

MODES: Final = {
    int(Kind.FILE): S_IFREG | 0o444,
    int(Kind.EXECUTABLE): S_IFREG | 0o555,
    int(Kind.SYMLINK): S_IFLNK | 0o777,
    int(Kind.DIRECTORY): S_IFDIR | 0o555,
}
"""Kind of an entry to its st_mode. Nothing is writable; directories can always be entered."""

_DIRECTORY_MODE: Final = MODES[int(Kind.DIRECTORY)]

_SECTOR: Final = 512
"""The unit of st_blocks, whatever the file system."""


class Attributes(NamedTuple):
    """The part of a stat record that depends on the entry."""

    ino: int
    mode: int
    size: int
    """Bytes. Directories have none, so that `du` adds up to what the files hold."""

    mtime_ns: int

    @property
    def blocks(self) -> int:
        """Units of 512 bytes, as if nothing were compressed or shared."""
        return -(-self.size // _SECTOR)


def attributes_of(entry: Entry, path: bytes) -> Attributes:
    """What stat says about an entry.

    Args:
        entry: The entry.
        path: Its path below the mount point, which decides the inode number.
    """
    mode = MODES[entry.kind]
    size = 0 if mode == _DIRECTORY_MODE else entry.size
    return Attributes(inode_number(path), mode, size, entry.mtime_ns)


def inode_number(path: bytes) -> int:
    """The inode number of a path: the same in every mount, never zero.

    64 bits of a hash: among a million files the chance that any two share a number is 1 in
    30 million, and then only programs that take equal numbers for hard links could notice.
    """
    return int.from_bytes(blake3(path).digest(8), "little") or 1
