"""The verbs of a repo that change history: branches, tags, and commits taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfslib.api.commit import Commit
from pfslib.api.info import BranchInfo, TagInfo
from pfslib.commits.branches import get_branch, list_branches
from pfslib.commits.drop import drop, plan_drop, plan_squash, squash
from pfslib.commits.naming import create_branch, create_tag, move_branch, remove_branch
from pfslib.commits.refs import resolve
from pfslib.commits.repos import get_repo
from pfslib.commits.tags import delete_tag, get_tag, list_tags
from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import InvalidInputError
from pfslib.model.history import Commit as CommitRecord
from pfslib.model.removal import Removal
from pfslib.model.times import when
from pfslib.pipelines.manage import check_commit_unused

if TYPE_CHECKING:
    from pfslib.api.store import Store


class HistoryVerbs:
    """Branches, tags and commits of a repo.

    Where a commit is asked for, a reference in the repo (``master^``, an id) or a `Commit` will do.
    """

    _store: Store
    name: str

    # --- branches ------------------------------------------------------------------------

    def create_branch(self, name: str, at: str | Commit = "master") -> BranchInfo:
        """Make a branch whose head is an existing commit: a line of history that forks there.

        Pipelines that read the branch take its head as a new commit.

        Args:
            name: The branch.
            at: Its head.

        Raises:
            AlreadyExistsError: There is a branch or tag of that name.
            BranchBusyError: An open commit is about to make the branch.
            CommitNotFoundError: ``at`` means no commit.
            StateError: ``at`` is the output of a failed job.
        """
        with self._store.kv.write() as txn:
            row = create_branch(txn, name, self._commit(txn, at))
        return BranchInfo(row.name, row.head, when(row.created_ns))

    def move_branch(self, name: str, to: str | Commit) -> BranchInfo:
        """Make another commit the head of a branch; the old one stays, reachable by id.

        Pipelines that read the branch take the new head as a new commit.

        Args:
            name: The branch.
            to: Its new head.

        Raises:
            BranchNotFoundError: There is none of that name.
            BranchBusyError: It has an open commit.
            CommitNotFoundError: ``to`` means no commit.
            StateError: ``to`` is the output of a failed job.
        """
        with self._store.kv.write() as txn:
            row = move_branch(txn, name, self._commit(txn, to))
        return BranchInfo(row.name, row.head, when(row.created_ns))

    def delete_branch(self, name: str, *, dry_run: bool = False) -> Removal:
        """Remove a branch; its commits stay, reachable by id.

        Args:
            name: The branch.
            dry_run: Only say what would go.

        Raises:
            BranchNotFoundError: There is none of that name.
            BranchBusyError: It has an open commit.
        """
        if dry_run:
            with self._store.kv.read() as txn:
                get_branch(txn, self.name, name)
        else:
            with self._store.kv.write() as txn:
                get_repo(txn, self.name)
                remove_branch(txn, self.name, name)
        return Removal(branches=(f"{self.name}@{name}",))

    def list_branch(self) -> list[BranchInfo]:
        """The branches, by name."""
        with self._store.kv.read() as txn:
            get_repo(txn, self.name)
            return [
                BranchInfo(row.name, row.head, when(row.created_ns))
                for row in list_branches(txn, self.name)
            ]

    # --- tags ----------------------------------------------------------------------------

    def create_tag(self, name: str, at: str | Commit = "master") -> TagInfo:
        """Give a commit a name that never moves; references take it like a branch.

        A commit that a tag holds cannot be removed.

        Args:
            name: The tag.
            at: The commit.

        Raises:
            AlreadyExistsError: There is a branch or tag of that name.
            CommitNotFoundError: ``at`` means no commit.
        """
        with self._store.kv.write() as txn:
            row = create_tag(txn, name, self._commit(txn, at))
        return TagInfo(row.name, row.commit, when(row.created_ns))

    def list_tag(self) -> list[TagInfo]:
        """The tags, by name."""
        with self._store.kv.read() as txn:
            get_repo(txn, self.name)
            return [
                TagInfo(row.name, row.commit, when(row.created_ns))
                for row in list_tags(txn, self.name)
            ]

    def delete_tag(self, name: str, *, dry_run: bool = False) -> Removal:
        """Remove a tag; its commit stays.

        Args:
            name: The tag.
            dry_run: Only say what would go.

        Raises:
            NotFoundError: There is none of that name.
        """
        if dry_run:
            with self._store.kv.read() as txn:
                get_repo(txn, self.name)
                get_tag(txn, self.name, name)
        else:
            with self._store.kv.write() as txn:
                get_repo(txn, self.name)
                delete_tag(txn, get_tag(txn, self.name, name))
        return Removal(tags=(f"{self.name}@{name}",))

    # --- commits -------------------------------------------------------------------------

    def drop_commit(self, commit: str | Commit, *, dry_run: bool = False) -> Removal:
        """Remove a finished commit that nothing is on top of, with its content.

        Branches whose head it is go back to its parent; a branch of which it was the only commit
        goes. The next commit of the branch gets its number.

        Args:
            commit: What to remove.
            dry_run: Only say what would go.

        Returns:
            What went, or would.

        Raises:
            StillNeededError: It has children, was made something from, has a tag, is to be read by
                a job, or has an open commit on top.

        Cost: linear in the commits of the repo.
        """
        if dry_run:
            with self._store.kv.read() as reading:
                return plan_drop(reading, self._unused(reading, commit))
        with self._store.kv.write() as txn:
            return drop(txn, self._unused(txn, commit))

    def squash_commit(self, commit: str | Commit, *, dry_run: bool = False) -> Removal:
        """Remove a finished commit from the middle of history; its content stays in its children.

        The children keep their trees, ids and numbers, and get its parent. Its own number means
        nothing from then on; files that it last changed still name it as the commit that did.

        Args:
            commit: What to remove.
            dry_run: Only say what would go.

        Returns:
            What went, or would.

        Raises:
            StateError: It has no children.
            StillNeededError: It is the head of a branch, was made something from, has a tag, or is
                to be read by a job.

        Cost: linear in the commits of the repo.
        """
        if dry_run:
            with self._store.kv.read() as reading:
                return plan_squash(reading, self._unused(reading, commit))
        with self._store.kv.write() as txn:
            return squash(txn, self._unused(txn, commit))

    def _unused(self, txn: ReadTxn, commit: str | Commit) -> CommitRecord:
        """The commit meant, which no job is to read."""
        record = self._commit(txn, commit)
        check_commit_unused(txn, record.id)
        return record

    def _commit(self, txn: ReadTxn, commit: str | Commit) -> CommitRecord:
        """The commit meant, as it is in the transaction."""
        get_repo(txn, self.name)
        if isinstance(commit, str):
            return resolve(txn, self.name, commit)
        if commit.store_path != self._store.path or commit.repo != self.name:
            raise InvalidInputError(f"commit {commit} is not one of repo {self.name}")
        return resolve(txn, self.name, commit.id)
