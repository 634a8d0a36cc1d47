"""What a command left in /pfs/out, taken into the store; nothing there is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pfslib.kv.protocol import KV
from pfslib.model.errors import PfsError
from pfslib.model.nodes import Entry
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import root_entry
from pfslib.trees.edit import Edit
from pfslib.trees.hosttree import TreeReader
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts

_PFS: Final = (b"pfs",)
_OUT: Final = (b"pfs", b"out")


def read_output(out: Path, writer: ContentWriter, inputs: LinkedInputs) -> tuple[list[Edit], str]:
    """What a command wrote, and why it cannot be kept; empty if it can.

    Links to inputs become what they lead to, by reference. Other links out of the directory, and
    whatever is no file, directory or link, are refused.
    """
    try:
        reader = TreeReader(writer, outside=inputs.find)
        return list(reader.read(out, ())), ""
    except (PfsError, OSError) as error:
        return [], f"its output cannot be kept: {error}".replace(str(out), "/pfs/out")


class LinkedInputs:
    """Finds what a link in the output leads to among the inputs, as they are in the store.

    Args:
        kv: The store.
        trees: The key of the root node of each input.
        cache: What is remembered of trees.
    """

    def __init__(self, kv: KV, trees: Mapping[str, bytes], cache: TreeCache) -> None:
        self._kv = kv
        self._trees = trees
        self._cache = cache

    def find(self, path: Parts, target: bytes) -> Entry | None:
        """What a link leads to; None when that is not below an input."""
        place = _resolved((*_OUT, *path[:-1]), target)
        if place is None or place[:1] != _PFS or len(place) < 2:  # noqa: PLR2004 - /pfs/INPUT
            return None
        key = self._trees.get(place[1].decode("utf-8", "surrogateescape"))
        if key is None:
            return None
        with self._kv.read() as txn:
            return find_entry(txn, root_entry(txn, key, self._cache), place[2:], self._cache)


def _resolved(at: Parts, target: bytes) -> Parts | None:
    """Where a link in a directory leads, read lexically; None if beyond the root."""
    parts = [] if target.startswith(b"/") else list(at)
    for part in target.split(b"/"):
        if part == b"..":
            if not parts:
                return None
            parts.pop()
        elif part not in {b"", b"."}:
            parts.append(part)
    return tuple(parts)
