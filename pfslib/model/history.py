"""What history is made of: repos, branches, commits, and the log of head moves."""

from __future__ import annotations

import msgspec

from pfslib.model.nodes import Entry


class Repo(msgspec.Struct, array_like=True, frozen=True):
    """A named line of versioned data."""

    name: str
    created_ns: int
    description: str = ""
    pipeline: str = ""
    """The pipeline whose output this repo is; empty for a user's repo."""


class Branch(msgspec.Struct, array_like=True, frozen=True):
    """A movable name in a repo, pointing at its head commit."""

    repo: str
    name: str
    head: str
    created_ns: int


class Tag(msgspec.Struct, array_like=True, frozen=True):
    """A name in a repo for a commit; it never moves."""

    repo: str
    name: str
    commit: str
    created_ns: int


class CommitLink(msgspec.Struct, array_like=True, frozen=True):
    """A commit named from elsewhere: in provenance."""

    repo: str
    id: str


class Commit(msgspec.Struct, array_like=True, frozen=True):
    """An immutable state of a repo."""

    id: str
    repo: str
    branch: str
    number: int
    """Position on its branch, from 0."""

    parent: str
    """Id of the parent; empty for the first."""

    root: Entry
    provenance: tuple[CommitLink, ...]
    """The commits this one was made from, directly."""

    message: str
    started_ns: int
    finished_ns: int
    added_bytes: int
    """Bytes this commit's own puts wrote, whatever was there before."""

    error: str = ""
    """Why the job that made it failed; such a commit is on no branch, its `branch` is empty."""

    digest: bytes = b""
    """BLAKE3 of the record with this field empty: the id is verifiable down to the last byte."""


class OpenCommit(msgspec.Struct, array_like=True, frozen=True):
    """A commit that still takes edits."""

    id: str
    repo: str
    branch: str
    parent: str
    message: str
    started_ns: int
    provenance: tuple[CommitLink, ...]
    root: Entry
    """The tree with all folded edits."""

    added_bytes: int
    folded: int
    """Sequence number of the first staged edit not yet in `root`."""

    owner: str = ""
    """Process that alone holds it (a `with` block); empty for a commit that outlives processes."""


class HeadMoved(msgspec.Struct, array_like=True, frozen=True):
    """One line of the reflog: the only trigger there is."""

    repo: str
    branch: str
    old: str
    new: str
    """Empty when the branch was deleted."""

    when_ns: int
