"""Which commits changed a path."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from pfslib.commits.way_back import WayBack
from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.history import Commit
from pfslib.model.nodes import Entry
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts

Change = tuple[Commit, Entry | None, Entry | None]
"""A commit, with what was at the path before it and what is there in it."""

_COMMITS_A_TXN: Final = 64


def find_changes(kv: KV, commit: Commit, path: Parts, cache: TreeCache) -> Iterator[Change]:
    """The commits that changed what is at a path, from a commit back, newest first.

    Deleting it is a change, too; of a directory, so is any change below it.

    Cost: one look-up of the path a commit of history, no deeper than where the trees are equal.
    """
    way = WayBack(commit)
    while not way.ended:
        with kv.read() as txn:  # the commits are there in it, and so are their trees
            some = islice(way.go_on(txn), _COMMITS_A_TXN)
            changes = (_change(txn, newer, older, path, cache) for newer, older in some)
            change = next(filter(None, changes), None)
        if change is not None:
            yield change


def _change(
    txn: ReadTxn, commit: Commit, parent: Commit | None, path: Parts, cache: TreeCache
) -> Change | None:
    """The commit with what it changed at the path; None if it changed nothing."""
    old = parent.root if parent is not None else None
    new: Entry | None = commit.root
    for name in (*path, None):
        if old is None and new is None:
            return None
        if old is not None and new is not None and old.same_content(new):
            return None
        if name is not None:
            old = find_entry(txn, old, (name,), cache) if old is not None else None
            new = find_entry(txn, new, (name,), cache) if new is not None else None
    return commit, old, new
