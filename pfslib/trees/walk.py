"""Every entry under a directory, in path order."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn
from pfslib.model.nodes import Entry
from pfslib.trees.damage import damage_at
from pfslib.trees.lookup import scan_directory
from pfslib.trees.nodestore import TreeCache

Parts = tuple[bytes, ...]


def walk(
    txn: ReadTxn, directory: Entry, cache: TreeCache, *, at: Parts = ()
) -> Iterator[tuple[Parts, Entry]]:
    """All entries below a directory, each directory before what is in it.

    Yields:
        Path (components, beginning with `at`) and entry.
    """
    with damage_at(at):
        for entry in scan_directory(txn, directory, cache):
            path = (*at, entry.name)
            yield path, entry
            if entry.is_dir:
                yield from walk(txn, entry, cache, at=path)
