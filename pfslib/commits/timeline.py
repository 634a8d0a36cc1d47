"""What was committed to any branch, newest first: the reflog, read backwards."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.commits.reflog import read_back
from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import KV, ReadTxn
from pfslib.kv.short_reads import ShortReads
from pfslib.model.history import Commit, HeadMoved


def walk_log(kv: KV, repo: str = "") -> Iterator[Commit]:
    """The commits that moved the head of a branch when they were made, newest first.

    Args:
        kv: The store; each look-up is a transaction of its own.
        repo: Only those of this repo; empty for all.
    """
    reads = ShortReads(kv)
    for move in read_back(reads):
        commit = find_commit(reads, move.new) if move.new and repo in {"", move.repo} else None
        if commit is not None and _was_made_by(reads, commit, move):
            yield commit


def _was_made_by(txn: ReadTxn, commit: Commit, move: HeadMoved) -> bool:
    """Whether a move published a commit, and not just went to one that was there."""
    if commit.branch != move.branch:
        return False
    squashed = move.old and commit.parent != move.old and find_commit(txn, move.old) is None
    return bool(squashed) or commit.parent == move.old
