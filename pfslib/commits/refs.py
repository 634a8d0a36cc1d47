"""Resolve references to commits."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.commits.branches import find_branch, list_branches
from pfslib.commits.open_commits import find_open, find_open_on, list_open
from pfslib.commits.seal import sealed
from pfslib.commits.tags import find_tag
from pfslib.kv.protocol import ReadTxn
from pfslib.kv.tables import Table, id_key, name_prefix, number_key
from pfslib.model.encoding import unpack
from pfslib.model.errors import (
    CommitFinishedError,
    CommitNotFoundError,
    CorruptionError,
    InvalidReferenceError,
)
from pfslib.model.history import Commit, OpenCommit
from pfslib.model.names import Reference, is_commit_id, parse_reference

_PREFIX_MIN = 4


def get_commit(txn: ReadTxn, commit_id: str) -> Commit:
    """A commit that is known to exist in this state of the store, by its full id.

    Raises:
        CorruptionError: It does not.
    """
    commit = find_commit(txn, commit_id)
    if commit is None:
        raise CorruptionError(f"commit {commit_id} is missing from the store")
    return commit


def find_commit(txn: ReadTxn, commit_id: str) -> Commit | None:
    """A commit by its full id; None when there is none."""
    value = txn.get(Table.COMMITS, id_key(commit_id))
    if value is None:
        return None
    commit = unpack(Commit, value)
    if sealed(commit).digest != commit.digest or commit.id != commit_id:
        raise CorruptionError(f"the record of commit {commit_id} is damaged")
    return commit


def resolve(txn: ReadTxn, repo: str, text: str) -> Commit:
    """The finished commit that a reference means in a repo.

    Tried in this order: a branch or tag of that very name, a full id, the unique beginning of one;
    then any of them with a number (`.2`, `/2`) or steps back (`^`, `~3`).

    Raises:
        CommitNotFoundError: It means none.
        InvalidReferenceError: Not a reference, or the beginning of several ids.
    """
    commit = _named(txn, repo, text)
    if commit is None:
        reference = parse_reference(text)
        commit = _relative(txn, repo, text, reference)
    return commit


def resolve_open(txn: ReadTxn, repo: str, text: str) -> OpenCommit | None:
    """The open commit that a reference means: by branch, id or the beginning of its id."""
    on_branch = find_open_on(txn, repo, text)
    if on_branch is not None:
        return on_branch
    if is_commit_id(text):
        found = find_open(txn, text)
        return found if found is not None and found.repo == repo else None
    if not _is_prefix(text):
        return None
    near = [commit for commit in list_open(txn, repo) if commit.id.startswith(text)]
    return near[0] if len(near) == 1 else None


def get_open(txn: ReadTxn, repo: str, text: str) -> OpenCommit:
    """The open commit that a reference means.

    Raises:
        CommitFinishedError: It has finished.
        CommitNotFoundError: There is none.
    """
    record = resolve_open(txn, repo, text)
    if record is None:
        finished = resolve(txn, repo, text).id
        hint = f"`pfs drop-commit {repo} {finished}` removes a finished one"
        raise CommitFinishedError(repo, finished, hint=hint)
    return record


def list_commit_ids(
    txn: ReadTxn, repo: str, *, branch: str = "", newest_first: bool = False
) -> Iterator[str]:
    """Ids of the commits made in a repo, or on one branch, by branch and position."""
    prefix = name_prefix(repo, branch) if branch else name_prefix(repo)
    rows = txn.scan(Table.POSITIONS, prefix=prefix, reverse=newest_first)
    return (commit_id.hex() for _, commit_id in rows)


def _named(txn: ReadTxn, repo: str, name: str) -> Commit | None:
    """The commit of a branch or tag, a full id, or the unique beginning of one."""
    branch = find_branch(txn, repo, name)
    if branch is not None:
        return get_commit(txn, branch.head)
    tag = find_tag(txn, repo, name)
    if tag is not None:
        return get_commit(txn, tag.commit)
    if is_commit_id(name):
        commit = find_commit(txn, name)
        return commit if commit is not None and commit.repo == repo else None
    return _by_prefix(txn, repo, name) if _is_prefix(name) else None


def _is_prefix(text: str) -> bool:
    return len(text) >= _PREFIX_MIN and all(digit in "0123456789abcdef" for digit in text)


def _by_prefix(txn: ReadTxn, repo: str, text: str) -> Commit | None:
    even = text[: len(text) // 2 * 2]
    found: Commit | None = None
    for key, value in txn.scan(Table.COMMITS, prefix=bytes.fromhex(even)):
        if not key.hex().startswith(text):
            continue
        commit = unpack(Commit, value)
        if commit.repo != repo:
            continue
        if found is not None:
            raise InvalidReferenceError(f"{repo}@{text}", "several commit ids begin so; add digits")
        found = commit
    return found


def _relative(txn: ReadTxn, repo: str, text: str, reference: Reference) -> Commit:
    commit = _base(txn, repo, text, reference)
    for _ in range(reference.back):
        if not commit.parent:
            raise CommitNotFoundError(repo, text, hint="the branch has fewer commits")
        commit = get_commit(txn, commit.parent)
    return commit


def _base(txn: ReadTxn, repo: str, text: str, reference: Reference) -> Commit:
    """The commit that a reference's steps back begin from."""
    if reference.number is not None:
        stem = text.partition("^")[0].partition("~")[0]
        branch = find_branch(txn, repo, stem)  # `v1.0^` may be of a branch `v1.0`
        if branch is not None:
            return get_commit(txn, branch.head)
        position = name_prefix(repo, reference.base) + number_key(reference.number)
        commit_id = txn.get(Table.POSITIONS, position)
        if commit_id is not None:
            return get_commit(txn, commit_id.hex())
    named = _named(txn, repo, reference.base)
    # <id>/0 is the commit itself: so a job names its output.
    is_itself = reference.number is None or (
        reference.number == 0 and named is not None and named.id.startswith(reference.base)
    )
    if named is None or not is_itself or reference.base == text:
        known = [branch.name for branch in list_branches(txn, repo)]
        raise CommitNotFoundError(repo, text, known, hint=_why_no_number(named, reference))
    return named


def _why_no_number(named: Commit | None, reference: Reference) -> str:
    """Why a branch has no commit of a number; empty if that is not what is wrong."""
    base, number = reference.base, reference.number
    if named is None or number is None or named.branch != base:
        return ""
    if number < named.number:
        return (
            f"number {number} of {base} was squashed or dropped; `pfs list-commit` lists the others"
        )
    return f"the head of {base} is number {named.number}"
