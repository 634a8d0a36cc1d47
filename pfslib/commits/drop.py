"""Commits taken out of history: dropped from its end, or folded into what follows.

Neither tears anything: a commit that another one was made from, that a tag holds or that an open
commit is on top of stays.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pfslib.commits.branches import advance, delete_branch, list_branches
from pfslib.commits.forsaken import is_forsaken
from pfslib.commits.open_commits import list_open
from pfslib.commits.refs import get_commit
from pfslib.commits.seal import sealed
from pfslib.commits.staging import free_branch
from pfslib.commits.tags import list_tags
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import ID_SIZE, Table, id_key, name_prefix, number_key
from pfslib.model.encoding import pack
from pfslib.model.errors import StateError, StillNeededError
from pfslib.model.history import Branch, Commit
from pfslib.model.removal import Removal


def plan_drop(txn: ReadTxn, commit: Commit) -> Removal:
    """What dropping a commit would take away.

    Raises:
        StillNeededError: The commit has children, or something else needs it; says what.

    Cost: linear in the commits of the repo.
    """
    children = list(_children(txn, commit))
    if children:
        raise _needed(
            commit,
            f"commit {children[0].id} is on top of it",
            hint="drop that first, or squash this one: its content stays in what is on top",
        )
    _check_unneeded(txn, commit)
    names = tuple(f"{branch.repo}@{branch.name}" for branch in _branches_at(txn, commit))
    this = (f"{commit.repo}@{commit.id}",)
    if commit.parent:
        return Removal(commits=this, moved=names)
    return Removal(commits=this, branches=names)


def drop(txn: WriteTxn, commit: Commit) -> Removal:
    """Remove a commit that has no children; branches whose head it is go back to its parent.

    Its number on the branch is given to the next commit there.

    Returns:
        What went: the commit, and branches if it was their only one.

    Raises:
        StillNeededError: The commit has children, or something else needs it.
        BranchBusyError: A branch whose head it is has an open commit.
    """
    removal = plan_drop(txn, commit)
    for branch in _branches_at(txn, commit):
        free_branch(txn, branch.repo, branch.name)
        if commit.parent:
            advance(txn, branch.repo, branch.name, expected=commit.id, head=commit.parent)
        else:
            delete_branch(txn, branch)
    _remove(txn, commit)
    return removal


def plan_squash(txn: ReadTxn, commit: Commit) -> Removal:
    """What squashing a commit would take away.

    Raises:
        StateError: The commit has no children that its content could go into.
        StillNeededError: It is the head of a branch, or something else needs it; says what.

    Cost: linear in the commits of the repo.
    """
    if not any(True for _ in _children(txn, commit)):
        raise StateError(
            f"commit {commit.id} of repo {commit.repo} has nothing on top of it",
            hint="`pfs drop-commit` removes it with its content",
        )
    for branch in _branches_at(txn, commit):
        raise _needed(commit, f"it is the head of branch {branch.name}", hint="move the branch")
    _check_unneeded(txn, commit)
    return Removal(commits=(f"{commit.repo}@{commit.id}",))


def squash(txn: WriteTxn, commit: Commit) -> Removal:
    """Remove a commit from between its parent and its children, which keep their trees.

    The children's numbers, and all others, stay; the commit's own number means nothing from then
    on. Bytes it added count as added by its children.

    Returns:
        What went: the commit.

    Raises:
        StateError: The commit has no children that its content could go into.
        StillNeededError: It is the head of a branch, or something else needs it.
    """
    removal = plan_squash(txn, commit)
    for child in list(_children(txn, commit)):
        adopted = msgspec.structs.replace(
            child, parent=commit.parent, added_bytes=child.added_bytes + commit.added_bytes
        )
        txn.put(Table.COMMITS, id_key(child.id), pack(sealed(adopted)))
    _remove(txn, commit)
    return removal


def _children(txn: ReadTxn, commit: Commit) -> Iterator[Commit]:
    for _, commit_id in txn.scan(Table.POSITIONS, prefix=name_prefix(commit.repo)):
        other = get_commit(txn, commit_id.hex())
        if other.parent == commit.id:
            yield other


def _branches_at(txn: ReadTxn, commit: Commit) -> list[Branch]:
    return [branch for branch in list_branches(txn, commit.repo) if branch.head == commit.id]


def _check_unneeded(txn: ReadTxn, commit: Commit) -> None:
    for open_commit in list_open(txn, commit.repo):
        if open_commit.parent == commit.id and not is_forsaken(open_commit):
            what = f"the open commit {open_commit.id} is on top of it"
            raise _needed(commit, what, hint="finish or discard that first")
    for tag in list_tags(txn, commit.repo):
        if tag.commit == commit.id:
            raise _needed(commit, f"tag {tag.name} holds it", hint="delete the tag first")
    for key, _ in txn.scan(Table.SUBVENANCE, prefix=id_key(commit.id)):
        made_id = key[ID_SIZE:]
        if txn.get(Table.COMMITS, made_id) is not None:
            made = get_commit(txn, made_id.hex())
            what = f"commit {made.id} of repo {made.repo} was made from it"
            raise _needed(commit, what, hint="drop that first")


def _needed(commit: Commit, what: str, *, hint: str) -> StillNeededError:
    message = f"cannot remove commit {commit.id} of repo {commit.repo}: {what}"
    return StillNeededError(message, hint=hint)


def _remove(txn: WriteTxn, commit: Commit) -> None:
    key = id_key(commit.id)
    position = name_prefix(commit.repo, commit.branch) + number_key(commit.number)
    txn.delete(Table.POSITIONS, position)
    txn.delete(Table.COMMITS, key)
    txn.delete(Table.WORKS, key)
    for source in commit.provenance:
        txn.delete(Table.SUBVENANCE, id_key(source.id) + key)
    for edge, _ in list(txn.scan(Table.SUBVENANCE, prefix=key)):
        txn.delete(Table.SUBVENANCE, edge)
