"""The entries of a tree that a glob matches, in path order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn
from pfslib.model.globs import Glob
from pfslib.model.nodes import Entry
from pfslib.model.paths import join_path, to_text
from pfslib.trees.lookup import scan_directory
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts, walk


def glob_entries(
    txn: ReadTxn, root: Entry, glob: Glob, cache: TreeCache
) -> Iterator[tuple[Parts, Entry]]:
    """Every entry whose path matches; a directory that matches stands for all below it.

    Cost: the directories that the pattern can reach; the whole tree only for ``**``.
    """
    if glob.parts is None:
        for path, entry in walk(txn, root, cache):
            if glob.matches(join_path(path)):
                yield path, entry
        return
    yield from _descend(txn, root, (), glob.parts, cache)


def _descend(
    txn: ReadTxn, entry: Entry, at: Parts, parts: tuple[re.Pattern[str], ...], cache: TreeCache
) -> Iterator[tuple[Parts, Entry]]:
    if not parts:
        yield at, entry
        return
    if not entry.is_dir:
        return
    for child in scan_directory(txn, entry, cache):
        if parts[0].fullmatch(to_text(child.name)):
            yield from _descend(txn, child, (*at, child.name), parts[1:], cache)
