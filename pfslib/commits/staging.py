"""Open commits and their edits, kept durably until the commit finishes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

import msgspec

from pfslib.commits.branches import find_branch
from pfslib.commits.forsaken import is_forsaken
from pfslib.commits.open_commits import find_open, find_open_on
from pfslib.commits.tags import check_no_tag
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import ID_SIZE, Table, id_key, name_key, number_key
from pfslib.model.encoding import pack, unpack
from pfslib.model.errors import BranchBusyError, CommitNotFoundError
from pfslib.model.history import Commit, CommitLink, OpenCommit
from pfslib.model.names import check_name, check_text
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit


def new_commit_id() -> str:
    """A fresh random id: 32 hexadecimal digits."""
    return os.urandom(ID_SIZE).hex()


def start(
    txn: WriteTxn,
    repo: str,
    branch: str,
    *,
    message: str = "",
    provenance: tuple[CommitLink, ...] = (),
    owner: str = "",
) -> OpenCommit:
    """Start a commit on top of a branch.

    Args:
        txn: The change to make it in.
        repo: An existing repo.
        branch: The branch; made by the commit when there is none.
        message: Why.
        provenance: The commits it is made from.
        owner: Process identity when the commit shall not outlive that process.

    Raises:
        BranchBusyError: The branch has an open commit already.
        InvalidNameError: Not a name for a branch.
        AlreadyExistsError: The name is a tag's.
    """
    check_name("branch", branch)
    check_text("message", message)
    check_no_tag(txn, repo, branch)
    free_branch(txn, repo, branch)
    now_ns = time.time_ns()
    commit_id = new_commit_id()
    head = find_branch(txn, repo, branch)
    if head is None:
        root = empty_directory(txn, mtime_ns=now_ns, origin=id_key(commit_id))
    else:
        root = unpack(Commit, txn.get(Table.COMMITS, id_key(head.head)) or b"").root
    open_commit = OpenCommit(
        id=commit_id,
        repo=repo,
        branch=branch,
        parent=head.head if head else "",
        message=message,
        started_ns=now_ns,
        provenance=provenance,
        root=root,
        added_bytes=0,
        folded=0,
        owner=owner,
    )
    put_open(txn, open_commit)
    txn.put(Table.OPEN_BRANCHES, name_key(repo, branch), id_key(commit_id))
    return open_commit


def free_branch(txn: WriteTxn, repo: str, branch: str) -> None:
    """Make sure that a branch has no open commit; one that is forsaken is discarded.

    Raises:
        BranchBusyError: It has one.
    """
    holder = find_open_on(txn, repo, branch)
    if holder is None:
        return
    if not is_forsaken(holder):
        raise BranchBusyError(repo, branch, holder.id)
    discard(txn, holder)


def put_open(txn: WriteTxn, open_commit: OpenCommit) -> None:
    """Store the state of an open commit."""
    txn.put(Table.OPEN, id_key(open_commit.id), pack(open_commit))


def get_open(txn: ReadTxn, repo: str, commit_id: str) -> OpenCommit:
    """An open commit by its full id.

    Raises:
        CommitNotFoundError: There is none: never was, discarded, or finished.
    """
    found = find_open(txn, commit_id)
    if found is None:
        raise CommitNotFoundError(repo, commit_id, hint="it is not open: finished or discarded")
    return found


def stage(txn: WriteTxn, open_commit: OpenCommit, edits: Iterable[Edit]) -> None:
    """Add edits to an open commit. Several processes may; each call's edits stay together."""
    number = staged_end(txn, open_commit)
    for edit in edits:
        txn.put(Table.STAGED, id_key(open_commit.id) + number_key(number), pack(edit))
        number += 1


def staged(txn: ReadTxn, open_commit: OpenCommit) -> list[Edit]:
    """The edits that are staged and not folded into the open commit's root, in order."""
    prefix = id_key(open_commit.id)
    return [unpack(Edit, value) for _, value in txn.scan(Table.STAGED, prefix=prefix)]


def staged_end(txn: ReadTxn, open_commit: OpenCommit) -> int:
    """The number after that of the last staged edit."""
    last = next(txn.scan(Table.STAGED, prefix=id_key(open_commit.id), reverse=True), None)
    return int.from_bytes(last[0][ID_SIZE:], "big") + 1 if last else open_commit.folded


def clear_staged(txn: WriteTxn, open_commit: OpenCommit) -> None:
    """Forget the staged edits: they were folded, or are discarded."""
    for key, _ in list(txn.scan(Table.STAGED, prefix=id_key(open_commit.id))):
        txn.delete(Table.STAGED, key)


def discard(txn: WriteTxn, open_commit: OpenCommit) -> None:
    """Remove an open commit with all its edits."""
    clear_staged(txn, open_commit)
    txn.delete(Table.OPEN, id_key(open_commit.id))
    branch = name_key(open_commit.repo, open_commit.branch)
    txn.swap(Table.OPEN_BRANCHES, branch, id_key(open_commit.id), None)


def with_root(open_commit: OpenCommit, root: object, added: int, folded: int) -> OpenCommit:
    """The open commit after edits were folded into its root."""
    return msgspec.structs.replace(
        open_commit, root=root, added_bytes=open_commit.added_bytes + added, folded=folded
    )
