"""How a commit is called where people read it; every name is taken back where a commit is wanted.

A user's commit is its place on its branch, `master/0`. The output of a job is its id and, as in
Pachyderm 1.3, a zero: `9c8c1ad2667d44d586818306ec19f1ec/0`. With its repo before it, a name stands
on its own: `projects/master/0`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfslib.model.errors import CommitOpenError, NotFoundError

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.store import Store


def name_of(commit: Commit) -> str:
    """A commit's name in its repo."""
    if commit.record.provenance or not commit.branch:
        return f"{commit.id}/0"
    return f"{commit.branch}/{commit.number}"


def full_name_of(commit: Commit) -> str:
    """A commit's name with its repo."""
    return f"{commit.repo}/{name_of(commit)}"


class CommitNames:
    """Names of commits by their ids; each is looked up once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: dict[tuple[str, str], str] = {}

    def add(self, commit: Commit) -> None:
        """Remember a commit that is at hand."""
        self._names[commit.repo, commit.id] = name_of(commit)

    def of(self, repo: str, commit_id: str) -> str:
        """The name in its repo; the id itself of a commit that is open, gone, or of another."""
        key = repo, commit_id
        if key not in self._names:
            try:
                self._names[key] = name_of(self._store.commit(f"{repo}@{commit_id}"))
            except (NotFoundError, CommitOpenError):
                self._names[key] = commit_id
        return self._names[key]
