"""Create, find, list and delete repos."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.commits.branches import delete_branch, list_branches
from pfslib.commits.open_commits import list_open
from pfslib.commits.provenance import subvenance_repos
from pfslib.commits.staging import discard
from pfslib.commits.tags import delete_tag, list_tags
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, name_key, name_prefix
from pfslib.model.encoding import pack, unpack
from pfslib.model.errors import AlreadyExistsError, RepoNotFoundError, StillNeededError
from pfslib.model.history import Repo
from pfslib.model.names import check_name, check_text
from pfslib.model.removal import Removal


def create_repo(
    txn: WriteTxn, name: str, *, now_ns: int, description: str = "", pipeline: str = ""
) -> Repo:
    """Make an empty repo.

    Raises:
        InvalidNameError: Not a name for a repo.
        AlreadyExistsError: The name is taken.
    """
    check_name("repo", name)
    check_text("description", description)
    repo = Repo(name, now_ns, description, pipeline)
    if not txn.add(Table.REPOS, name_key(name), pack(repo)):
        raise AlreadyExistsError(f"repo {name} exists", hint="`pfs list-repo` lists all")
    return repo


def get_repo(txn: ReadTxn, name: str) -> Repo:
    """A repo by name.

    Raises:
        RepoNotFoundError: There is none.
    """
    repo = find_repo(txn, name)
    if repo is None:
        raise RepoNotFoundError(name, [known.name for known in list_repos(txn)])
    return repo


def find_repo(txn: ReadTxn, name: str) -> Repo | None:
    """A repo by name; None when there is none."""
    value = txn.get(Table.REPOS, name_key(name))
    return unpack(Repo, value) if value is not None else None


def put_repo(txn: WriteTxn, repo: Repo) -> None:
    """Store a repo's record."""
    txn.put(Table.REPOS, name_key(repo.name), pack(repo))


def list_repos(txn: ReadTxn) -> Iterator[Repo]:
    """All repos, by name."""
    for _, value in txn.scan(Table.REPOS):
        yield unpack(Repo, value)


def plan_delete_repo(txn: ReadTxn, name: str, *, force: bool = False) -> Removal:
    """What deleting a repo would take away.

    Raises:
        RepoNotFoundError: There is none.
        StillNeededError: Commits of other repos were made from its commits.
    """
    get_repo(txn, name)
    others = sorted(subvenance_repos(txn, name) - {name})
    if others and not force:
        raise StillNeededError(
            f"cannot delete repo {name}: it is the provenance of {', '.join(others)}",
            hint="delete those first, or use --force and leave their provenance dangling",
        )
    positions = txn.scan(Table.POSITIONS, prefix=name_prefix(name))
    return Removal(
        repos=(name,),
        branches=tuple(f"{name}@{branch.name}" for branch in list_branches(txn, name)),
        tags=tuple(f"{name}@{tag.name}" for tag in list_tags(txn, name)),
        commits=tuple(f"{name}@{commit_id.hex()}" for _, commit_id in positions),
        open_commits=tuple(f"{name}@{open_commit.id}" for open_commit in list_open(txn, name)),
    )


def delete_repo(txn: WriteTxn, name: str, *, force: bool = False) -> None:
    """Remove a repo with its branches, commits and open commits.

    Args:
        txn: The change to make it in.
        name: The repo.
        force: Also when commits of other repos were made from its commits; their provenance then
            names commits that are gone.

    Raises:
        RepoNotFoundError: There is none.
        StillNeededError: Commits of other repos were made from its commits.
    """
    plan_delete_repo(txn, name, force=force)
    for open_commit in list(list_open(txn, name)):
        discard(txn, open_commit)
    for branch in list(list_branches(txn, name)):
        delete_branch(txn, branch)
    for tag in list(list_tags(txn, name)):
        delete_tag(txn, tag)
    for key, commit_id in list(txn.scan(Table.POSITIONS, prefix=name_prefix(name))):
        txn.delete(Table.POSITIONS, key)
        txn.delete(Table.COMMITS, commit_id)
        txn.delete(Table.WORKS, commit_id)
        for edge, _ in list(txn.scan(Table.SUBVENANCE, prefix=commit_id)):
            txn.delete(Table.SUBVENANCE, edge)
    txn.delete(Table.REPOS, name_key(name))
