"""Repo: a handle on one repo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pfslib.api.commit import Commit
from pfslib.api.info import BranchInfo, OpenCommitInfo, RepoInfo, when
from pfslib.api.open_commit import OpenCommit
from pfslib.commits.branches import get_branch, list_branches
from pfslib.commits.refs import find_commit, list_commit_ids
from pfslib.commits.repos import get_repo
from pfslib.commits.staging import find_open_on, is_forsaken, list_open, start
from pfslib.kv.process import this_process
from pfslib.model.errors import OutputRepoError

if TYPE_CHECKING:
    from pfslib.api.store import Store


class Repo:
    """A named line of versioned data. Obtained from ``store.create_repo`` or ``store["name"]``."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    def __repr__(self) -> str:
        return f"<Repo {self.name}>"

    def __getitem__(self, reference: str) -> Commit:
        """The commit that a reference means: ``repo["master"]``, ``repo["master^"]``."""
        return self._store.commit(f"{self.name}@{reference}")

    def commit(
        self, branch: str = "master", *, message: str = "", allow_empty: bool = False
    ) -> OpenCommit:
        """A commit for a ``with`` block: published when the block ends, discarded if it raises.

        Args:
            branch: The branch to commit to; made when there is none.
            message: Why.
            allow_empty: Make a commit also when the block changes nothing.

        Raises:
            BranchBusyError: The branch has an open commit.
            OutputRepoError: The repo is a pipeline's output.
        """
        return self._start(branch, message, owner=this_process(), allow_empty=allow_empty)

    def start_commit(self, branch: str = "master", *, message: str = "") -> OpenCommit:
        """Start a commit that lasts, with every file put, until it is finished or discarded.

        Any process can go on with it by its id; see ``Store.open_commit``.

        Raises:
            BranchBusyError: The branch has an open commit.
            OutputRepoError: The repo is a pipeline's output.
        """
        return self._start(branch, message, owner="", allow_empty=True)

    def _start(self, branch: str, message: str, *, owner: str, allow_empty: bool) -> OpenCommit:
        with self._store.kv.write() as txn:
            if get_repo(txn, self.name).pipeline:
                raise OutputRepoError(self.name)
            record = start(
                txn,
                self.name,
                branch,
                message=message,
                owner=owner,
                forsaken=self._store.forsaken,
            )
        return OpenCommit(self._store, record, durable=not owner, allow_empty=allow_empty)

    def list_commit(self, branch: str = "", *, newest_first: bool = False) -> Iterator[Commit]:
        """The commits of the repo, or of one branch, by branch and from the oldest on.

        Failed jobs' outputs, which are on no branch, come first.
        """
        with self._store.kv.read() as txn:
            get_repo(txn, self.name)
            if branch and find_open_on(txn, self.name, branch) is None:
                get_branch(txn, self.name, branch)
            ids = list_commit_ids(txn, self.name, branch=branch, newest_first=newest_first)
        for commit_id in ids:
            with self._store.kv.read() as txn:
                record = find_commit(txn, commit_id)
            if record is not None:  # it may have been deleted since
                yield Commit(self._store, record)

    def list_open(self) -> list[OpenCommitInfo]:
        """The open commits, by branch; not those of `with` blocks whose process is gone."""
        with self._store.kv.read() as txn:
            get_repo(txn, self.name)
            return [
                OpenCommitInfo(
                    id=record.id,
                    repo=record.repo,
                    branch=record.branch,
                    parent=record.parent,
                    message=record.message,
                    started=when(record.started_ns),
                )
                for record in list_open(txn, self.name)
                if not is_forsaken(record)
            ]

    def list_branch(self) -> list[BranchInfo]:
        """The branches, by name."""
        with self._store.kv.read() as txn:
            get_repo(txn, self.name)
            return [
                BranchInfo(row.name, row.head, when(row.created_ns))
                for row in list_branches(txn, self.name)
            ]

    def inspect(self) -> RepoInfo:
        """The repo at a glance.

        Raises:
            RepoNotFoundError: It was deleted.
        """
        with self._store.kv.read() as txn:
            return RepoInfo.of(txn, get_repo(txn, self.name))
