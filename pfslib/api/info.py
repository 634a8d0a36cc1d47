"""What listings and inspections return: plain records with public names and units."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pfslib.commits.branches import list_branches
from pfslib.commits.forsaken import is_forsaken
from pfslib.commits.open_commits import list_open
from pfslib.commits.refs import get_commit
from pfslib.kv.protocol import ReadTxn
from pfslib.model.history import Repo
from pfslib.model.nodes import Entry, Kind
from pfslib.model.times import when

if TYPE_CHECKING:
    from pfslib.api.commit import Commit

KIND_NAMES = {
    Kind.FILE: "file",
    Kind.EXECUTABLE: "file",
    Kind.SYMLINK: "symlink",
    Kind.DIRECTORY: "dir",
}


class FileInfo(msgspec.Struct, frozen=True):
    """A file, directory or link of a commit."""

    path: str
    """Absolute, in the commit."""

    kind: str
    """``file``, ``dir`` or ``symlink``."""

    size: int
    """Bytes; of a directory, those of all files below."""

    files: int
    """Files and links: 1, or for a directory all below."""

    modified: datetime
    """When it was put, or what was put last changed, in UTC."""

    commit: str
    """Id of the commit that last changed it, or anything below it."""

    digest: str
    """64 hexadecimal digits: equal for equal content."""

    executable: bool
    """Whether a file has the bit."""

    @classmethod
    def of(cls, path: str, entry: Entry) -> FileInfo:
        """The public form of a stored entry."""
        return cls(
            path=path,
            kind=KIND_NAMES[Kind(entry.kind)],
            size=entry.size,
            files=entry.files if entry.is_dir else 1,
            modified=when(entry.mtime_ns),
            commit=entry.origin.hex(),
            digest=entry.digest.hex(),
            executable=entry.executable,
        )


class FoundCommit(msgspec.Struct, frozen=True):
    """A commit that changed a path, and how."""

    commit: Commit
    """The commit."""

    op: str
    """``added``, ``removed`` or ``changed``."""

    size: int
    """Bytes at the path after it; 0 if removed."""

    @classmethod
    def of(cls, commit: Commit, old: Entry | None, new: Entry | None) -> FoundCommit:
        """The public form of a change."""
        op = "added" if old is None else "removed" if new is None else "changed"
        return cls(commit, op, new.size if new is not None else 0)


class RepoInfo(msgspec.Struct, frozen=True):
    """A repo at a glance."""

    name: str
    """What it is called."""

    created: datetime
    """When, in UTC."""

    size: int
    """Bytes of the newest commit of its ``master`` branch, or of its only branch."""

    description: str
    """As given."""

    branches: tuple[str, ...]
    """Names of those with a head."""

    pipeline: str
    """The pipeline that writes it; empty for a user's repo."""

    @classmethod
    def of(cls, txn: ReadTxn, repo: Repo) -> RepoInfo:
        """The public form of a stored repo."""
        branches = {row.name: row.head for row in list_branches(txn, repo.name)}
        shown = branches.get("master") or next(iter(branches.values()), "")
        return cls(
            name=repo.name,
            created=when(repo.created_ns),
            size=get_commit(txn, shown).root.size if shown else 0,
            description=repo.description,
            branches=tuple(branches),
            pipeline=repo.pipeline,
        )


class OpenCommitInfo(msgspec.Struct, frozen=True):
    """A commit that still takes edits."""

    id: str
    """32 hexadecimal digits, which it keeps when it is finished."""

    repo: str
    """Where it is."""

    branch: str
    """Whose head it will be."""

    parent: str
    """Id of the commit it is started on top of; empty for the first of a branch."""

    message: str
    """As given."""

    started: datetime
    """When, in UTC."""

    @classmethod
    def of_repo(cls, txn: ReadTxn, repo: str) -> list[OpenCommitInfo]:
        """The open commits of a repo, by branch; not those of `with` blocks that are over."""
        return [
            cls(
                id=record.id,
                repo=record.repo,
                branch=record.branch,
                parent=record.parent,
                message=record.message,
                started=when(record.started_ns),
            )
            for record in list_open(txn, repo)
            if not is_forsaken(record)
        ]


class TagInfo(msgspec.Struct, frozen=True):
    """A name for a commit that never moves."""

    name: str
    """What it is called."""

    commit: str
    """Id of the commit."""

    created: datetime
    """When, in UTC."""


class HeadMove(msgspec.Struct, frozen=True):
    """A line of the reflog: a branch that was made, moved or deleted."""

    number: int
    """Its place in the log, from 0."""

    repo: str
    """Where the branch is."""

    branch: str
    """Its name."""

    old: str
    """Id of the head before; empty if the branch was made."""

    new: str
    """Id of the head after; empty if the branch was deleted."""

    when: datetime
    """In UTC."""


class BranchInfo(msgspec.Struct, frozen=True):
    """A branch and where it points."""

    name: str
    """What it is called."""

    head: str
    """Id of its newest commit."""

    created: datetime
    """When, in UTC."""
