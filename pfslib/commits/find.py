"""Which commits changed a path."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.commits.refs import ancestors
from pfslib.kv.protocol import ReadTxn
from pfslib.model.history import Commit
from pfslib.model.nodes import Entry
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts

Change = tuple[Commit, Entry | None, Entry | None]
"""A commit, with what was at the path before it and what is there in it."""


def find_changes(txn: ReadTxn, commit: Commit, path: Parts, cache: TreeCache) -> Iterator[Change]:
    """The commits that changed what is at a path, from a commit back, newest first.

    Deleting it is a change, too; of a directory, so is any change below it.

    Cost: one look-up of the path a commit of history, no deeper than where the trees are equal.
    """
    newer = commit
    for older in ancestors(txn, commit):
        if older is not newer:
            yield from _change(txn, newer, older.root, path, cache)
        newer = older
    yield from _change(txn, newer, None, path, cache)


def _change(
    txn: ReadTxn, commit: Commit, old: Entry | None, path: Parts, cache: TreeCache
) -> Iterator[Change]:
    """The commit with what it changed at the path; nothing if it changed nothing."""
    new: Entry | None = commit.root
    for name in (*path, None):
        if old is None and new is None:
            return
        if old is not None and new is not None and old.same_content(new):
            return
        if name is not None:
            old = find_entry(txn, old, (name,), cache) if old is not None else None
            new = find_entry(txn, new, (name,), cache) if new is not None else None
    yield commit, old, new
