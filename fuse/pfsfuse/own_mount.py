"""What the kernel says of the mount that this process made, and of others at the same place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

_TYPE: Final = b"fuse.pfs"
_TABLE: Final = Path("/proc/thread-self/mountinfo")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


class OwnMount(NamedTuple):
    """A mount by its two numbers: no other has both, as long as it is mounted."""

    id: bytes
    device: bytes
    """Such as ``0:49``: after a lazy unmount the server lives on for files that are open, and
    something else may be mounted in its place by then."""


def mounts_at(mountpoint: bytes) -> list[OwnMount]:
    """The mounts of pfslib at a path, the one that is seen last; none of them is touched."""
    return [own for own, path, kind in _mounts() if path == mountpoint and kind == _TYPE]


def place_of(own: OwnMount) -> bytes | None:
    """Where a mount is seen: elsewhere, if a directory above was renamed; None for nowhere."""
    seen = {path: other for other, path, _ in _mounts()}
    return next((path for path, other in seen.items() if other == own), None)


def _mounts() -> list[tuple[OwnMount, bytes, bytes]]:
    """Numbers, path and file system of all mounts; of those at one path, the last is seen."""
    found = []
    for line in _TABLE.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        number, _, device, _, path, *_ = before.split(b" ")
        found.append((OwnMount(number, device), _unescape(path), after.split(b" ", 1)[0]))
    return found


def _unescape(field: bytes) -> bytes:
    r"""The kernel writes blanks and backslashes as ``\040``."""
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field)
