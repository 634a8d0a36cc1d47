"""Branch heads, moved by compare-and-set; every move is a line of the reflog."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pfslib.commits.reflog import record_move
from pfslib.commits.tags import check_no_tag
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, name_key, name_prefix
from pfslib.model.encoding import pack, unpack
from pfslib.model.errors import BranchNotFoundError, HeadMovedError
from pfslib.model.history import Branch, HeadMoved
from pfslib.model.names import check_name


def find_branch(txn: ReadTxn, repo: str, name: str) -> Branch | None:
    """A branch by name; None when there is none."""
    value = txn.get(Table.BRANCHES, name_key(repo, name))
    return unpack(Branch, value) if value is not None else None


def get_branch(txn: ReadTxn, repo: str, name: str) -> Branch:
    """A branch by name.

    Raises:
        BranchNotFoundError: There is none.
    """
    branch = find_branch(txn, repo, name)
    if branch is None:
        raise BranchNotFoundError(repo, name, [known.name for known in list_branches(txn, repo)])
    return branch


def list_branches(txn: ReadTxn, repo: str) -> Iterator[Branch]:
    """The branches of a repo, by name."""
    for _, value in txn.scan(Table.BRANCHES, prefix=name_prefix(repo)):
        yield unpack(Branch, value)


def advance(txn: WriteTxn, repo: str, name: str, *, expected: str, head: str) -> Branch:
    """Move a branch from the expected head to another; an empty expectation makes the branch.

    Raises:
        HeadMovedError: The head is another one.
        InvalidNameError: Not a name for a branch.
        AlreadyExistsError: The name of a new branch is a tag's.
    """
    old = find_branch(txn, repo, name)
    if (old.head if old else "") != expected:
        raise HeadMovedError(repo, name)
    now_ns = time.time_ns()
    if old is None:
        check_name("branch", name)
        check_no_tag(txn, repo, name)
    branch = Branch(repo, name, head, old.created_ns if old else now_ns)
    txn.put(Table.BRANCHES, name_key(repo, name), pack(branch))
    record_move(txn, HeadMoved(repo, name, expected, head, now_ns))
    return branch


def delete_branch(txn: WriteTxn, branch: Branch) -> None:
    """Remove a branch; its commits stay, reachable by id."""
    txn.delete(Table.BRANCHES, name_key(branch.repo, branch.name))
    record_move(txn, HeadMoved(branch.repo, branch.name, branch.head, "", time.time_ns()))
