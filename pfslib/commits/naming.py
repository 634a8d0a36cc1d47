"""Names given to commits by hand: branches made, moved and deleted, and tags."""

from __future__ import annotations

from pfslib.commits.branches import advance, delete_branch, find_branch, get_branch
from pfslib.commits.staging import free_branch
from pfslib.commits.tags import add_tag, check_no_tag
from pfslib.kv.protocol import WriteTxn
from pfslib.model.errors import AlreadyExistsError, StateError
from pfslib.model.history import Branch, Commit, Tag
from pfslib.model.names import check_name


def create_branch(txn: WriteTxn, name: str, commit: Commit) -> Branch:
    """Make a branch whose head is a commit of the same repo.

    Raises:
        InvalidNameError: Not a name for a branch.
        AlreadyExistsError: There is a branch or tag of that name.
        BranchBusyError: An open commit is about to make the branch.
        StateError: The commit is the output of a failed job.
    """
    check_name("branch", name)
    old = find_branch(txn, commit.repo, name)
    if old is not None:
        raise AlreadyExistsError(
            f"branch {name} of repo {commit.repo} exists, with head {old.head}",
            hint="use another name, or move it: "
            f"`pfs move-branch {commit.repo} {name} --head COMMIT`",
        )
    check_no_tag(txn, commit.repo, name)
    free_branch(txn, commit.repo, name)
    _check_head(commit)
    return advance(txn, commit.repo, name, expected="", head=commit.id)


def move_branch(txn: WriteTxn, name: str, commit: Commit) -> Branch:
    """Make a commit of the same repo the head of a branch, whatever its head was.

    Raises:
        BranchNotFoundError: There is none of that name.
        BranchBusyError: It has an open commit, which would no longer be on top of it.
        StateError: The commit is the output of a failed job.
    """
    branch = get_branch(txn, commit.repo, name)
    free_branch(txn, commit.repo, name)
    _check_head(commit)
    if branch.head == commit.id:
        return branch
    return advance(txn, commit.repo, name, expected=branch.head, head=commit.id)


def remove_branch(txn: WriteTxn, repo: str, name: str) -> None:
    """Delete a branch; its commits stay, reachable by id.

    Raises:
        BranchNotFoundError: There is none of that name.
        BranchBusyError: It has an open commit.
    """
    branch = get_branch(txn, repo, name)
    free_branch(txn, repo, name)
    delete_branch(txn, branch)


def create_tag(txn: WriteTxn, name: str, commit: Commit) -> Tag:
    """Give a commit a name that never moves.

    Raises:
        InvalidNameError: Not a name for a tag.
        AlreadyExistsError: There is a branch or tag of that name.
        BranchBusyError: An open commit is about to make a branch of that name.
    """
    if find_branch(txn, commit.repo, name) is not None:
        raise AlreadyExistsError(
            f"{name} is a branch of repo {commit.repo}", hint="use another name"
        )
    free_branch(txn, commit.repo, name)
    return add_tag(txn, commit.repo, name, commit.id)


def _check_head(commit: Commit) -> None:
    if commit.error:
        raise StateError(
            f"commit {commit.id} of repo {commit.repo} is the output of a failed job",
            hint="no branch may have it as its head: what follows would be made from it",
        )
