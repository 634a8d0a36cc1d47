"""The entries of a tree that a glob matches, in path order."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn
from pfslib.model.glob_machine import State
from pfslib.model.globs import Glob
from pfslib.model.nodes import Entry
from pfslib.model.paths import to_bytes, to_text
from pfslib.trees.damage import damage_at
from pfslib.trees.lookup import find_child, scan_directory
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts


def glob_entries(
    txn: ReadTxn, root: Entry, glob: Glob, cache: TreeCache
) -> Iterator[tuple[Parts, Entry]]:
    """Every entry whose path matches; a directory that matches stands for all below it.

    Cost: the directories that the pattern can reach, and of each those entries whose names begin
    as the pattern asks for; the whole tree only for ``**``.
    """
    if glob.depth == 0:
        yield (), root
    yield from _below(txn, root, (), glob.start.feed("/"), cache)


def _below(
    txn: ReadTxn, directory: Entry, at: Parts, state: State, cache: TreeCache
) -> Iterator[tuple[Parts, Entry]]:
    if state.is_dead:
        return
    with damage_at(at):
        for child in _beginning(txn, directory, state.must_begin(), cache):
            reached = state.feed(to_text(child.name))
            if reached.is_dead:
                continue
            path = (*at, child.name)
            if reached.accepts:
                yield path, child
            if child.is_dir:
                yield from _below(txn, child, path, reached.feed("/"), cache)


def _beginning(txn: ReadTxn, directory: Entry, prefix: str, cache: TreeCache) -> Iterator[Entry]:
    """The entries that may match a pattern which goes on with a prefix."""
    name, slash, _ = prefix.partition("/")
    beginning = to_bytes(name)
    if not beginning:
        yield from scan_directory(txn, directory, cache)
        return
    found = find_child(txn, directory, beginning, cache)
    if found is not None:
        yield found
    if slash:
        return
    for entry in scan_directory(txn, directory, cache, after=beginning):
        if not entry.name.startswith(beginning):
            return
        yield entry
