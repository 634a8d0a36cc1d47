"""Entries to what stat says about them."""

from __future__ import annotations

from stat import S_IFDIR, S_IFLNK, S_IFREG
from typing import Final, NamedTuple

from pfslib import Entry, Kind

MODES: Final = {
    int(Kind.FILE): S_IFREG | 0o444,
    int(Kind.EXECUTABLE): S_IFREG | 0o555,
    int(Kind.SYMLINK): S_IFLNK | 0o777,
    int(Kind.DIRECTORY): S_IFDIR | 0o555,
}
"""Kind of an entry to its st_mode. Nothing is writable; directories can always be entered."""

BLOCK: Final = 4096
"""Bytes that are well read at once; the unit of statfs."""

_DIRECTORY: Final = int(Kind.DIRECTORY)
_SECTOR: Final = 512
"""The unit of st_blocks, whatever the file system."""


class Attributes(NamedTuple):
    """The part of a stat record that depends on the entry."""

    mode: int
    size: int
    """Bytes. Directories have none, so that `du` adds up to what the files hold."""

    blocks: int
    """Units of 512 bytes, as if nothing were compressed or shared."""

    mtime_ns: int


def attributes_of(entry: Entry) -> Attributes:
    """What stat says about an entry."""
    kind = entry.kind
    size = 0 if kind == _DIRECTORY else entry.size
    return Attributes(MODES[kind], size, -(-size // _SECTOR), entry.mtime_ns)
