"""The way back through history, for iterators that go on while history is rewritten."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final

from pfslib.commits.refs import find_commit, get_commit
from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.errors import CommitNotFoundError
from pfslib.model.history import Commit

_REMEMBERED: Final = 256


class WayBack:
    """A commit and its parents, newest first, a few in each transaction.

    What was dropped or squashed between two transactions is left out of the rest of the way.

    Attributes:
        ended: Whether nothing is left of it.
    """

    def __init__(self, commit: Commit) -> None:
        self._given: deque[str] = deque(maxlen=_REMEMBERED)
        self._next: Commit | None = commit
        self.ended = False

    def go_on(self, txn: ReadTxn) -> Iterator[tuple[Commit, Commit | None]]:
        """The rest of the way, each commit with its parent; it may be left at any of them.

        Raises:
            CommitNotFoundError: So much was dropped that nothing known leads to the rest.
        """
        commit = self._resume(txn)
        while commit is not None:
            parent = get_commit(txn, commit.parent) if commit.parent else None
            self._given.append(commit.id)
            self._next = parent
            yield commit, parent
            commit = parent
        self.ended = True

    def _resume(self, txn: ReadTxn) -> Commit | None:
        following = self._next
        if following is None:
            return None
        now = find_commit(txn, following.id)
        if now is not None:
            return now
        for commit_id in reversed(self._given):
            newer = find_commit(txn, commit_id)
            if newer is not None:  # what stood between the two was squashed
                return get_commit(txn, newer.parent) if newer.parent else None
        if not following.parent:
            return None
        older = find_commit(txn, following.parent)
        if older is None:
            hint = "history was rewritten while it was read: read it again"
            raise CommitNotFoundError(following.repo, following.id, hint=hint)
        return older


def walk_back(kv: KV, commit: Commit) -> Iterator[Commit]:
    """A commit and its parents, newest first, each as it is when the iterator gets there."""
    way = WayBack(commit)
    while True:
        with kv.read() as txn:
            step = next(way.go_on(txn), None)
        if step is None:
            return
        yield step[0]


def list_back(kv: KV, commit: Commit) -> list[str]:
    """The ids of a commit and its parents, newest first."""
    way, found = WayBack(commit), list[str]()
    while True:
        with kv.read() as txn:
            page = [row.id for row, _ in islice(way.go_on(txn), _REMEMBERED)]
        found += page
        if len(page) < _REMEMBERED:
            return found
