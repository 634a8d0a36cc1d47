"""Repo: a handle on one repo."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pfslib.api.commit import Commit
from pfslib.api.data import Data
from pfslib.api.history_verbs import HistoryVerbs
from pfslib.api.info import OpenCommitInfo, RepoInfo
from pfslib.api.keyed import Keyed
from pfslib.api.listing import Listing
from pfslib.api.open_commit import OpenCommit
from pfslib.api.pages import commits_html, repo_html
from pfslib.api.waiting import rounds
from pfslib.commits.branches import find_branch, get_branch
from pfslib.commits.forsaken import is_in_block
from pfslib.commits.open_commits import find_open_on
from pfslib.commits.refs import find_commit, get_commit, list_commit_ids
from pfslib.commits.repos import get_repo
from pfslib.commits.staging import start
from pfslib.commits.way_back import list_back, walk_back
from pfslib.kv.process import this_process
from pfslib.kv.short_reads import ShortReads
from pfslib.model.errors import BranchBusyError, InvalidInputError, OutputRepoError
from pfslib.model.history import Commit as CommitRecord
from pfslib.model.host_paths import host_path

if TYPE_CHECKING:
    from pfslib.api.store import Store
    from pfslib.api.working_copy import WorkingCopy


class Repo(HistoryVerbs, Keyed[Commit]):
    """A named line of versioned data. Obtained from ``store.create_repo`` or ``store["name"]``.

    A reference in brackets means a commit: ``repo["master"]``, ``repo["master^"]``.

    Attributes:
        name: What it is called.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    def __repr__(self) -> str:
        return f"<Repo {self.name}>"

    def _repr_html_(self) -> str:
        return repo_html(self)

    def _item(self, key: str) -> Commit:
        return self._store.commit(f"{self.name}@{key}")

    def commit(
        self,
        branch: str = "master",
        *,
        message: str = "",
        allow_empty: bool = False,
        wait_s: float = 0.0,
        check_at_once: bool = False,
    ) -> OpenCommit:
        """A commit for a ``with`` block: published when the block ends, discarded if it raises.

        Args:
            branch: The branch to commit to; made when there is none.
            message: Why.
            allow_empty: Make a commit also when the block changes nothing.
            wait_s: Seconds to wait for a branch that has an open commit.
            check_at_once: Let what does not fit (a path would be a file and a directory) be an
                error of the call that puts it, and not only of the commit: a look-up for each.

        Raises:
            BranchBusyError: The branch has an open commit; at once if it is that of a block which
                this thread is in.
            OutputRepoError: The repo is a pipeline's output.
        """
        started = self._start(
            branch, message, owner=this_process(), allow_empty=allow_empty, wait_s=wait_s
        )
        started._editing.check_at_once = check_at_once  # noqa: SLF001 - handles of one api
        return started

    def put_file(
        self,
        path: str,
        data: Data,
        *,
        branch: str = "master",
        message: str = "",
        append: bool = False,
    ) -> Commit:
        """Write a file, or a directory of the host, in a commit of its own.

        Args:
            path: Where; see ``OpenCommit.put_file``.
            data: The content, as there.
            branch: The branch to commit to; made when there is none.
            message: Why.
            append: Add to what is there instead of replacing it.

        Returns:
            The commit; that which it would have been on top of, if that says the same.

        Raises:
            BranchBusyError: The branch has an open commit.
            OutputRepoError: The repo is a pipeline's output.
            InvalidInputError: A directory without files, to a branch without commits.
            PfsError: As ``OpenCommit.put_file``; nothing is committed then.

        Cost: that of a commit; put what belongs together in one, by `commit`.
        """
        with self.commit(branch, message=message) as started:
            started.put_file(path, data, append=append)
        commit = started.commit or started.parent()  # the head may be somebody else's by now
        if commit is None:
            raise InvalidInputError(
                f"nothing was put to {self.name}@{branch}, which has no commits yet",
                hint="a directory is there while something is in it: put one with files",
            )
        return commit

    def start_commit(
        self, branch: str = "master", *, message: str = "", wait_s: float = 0.0
    ) -> OpenCommit:
        """Start a commit that lasts, with every file put, until it is finished or discarded.

        Any process can go on with it by its id; see ``Store.open_commit``.

        Args:
            branch: The branch to commit to; made when there is none.
            message: Why.
            wait_s: Seconds to wait for a branch that has an open commit.

        Raises:
            BranchBusyError: The branch has an open commit; at once if it is that of a block which
                this thread is in.
            OutputRepoError: The repo is a pipeline's output.
        """
        return self._start(branch, message, owner="", allow_empty=True, wait_s=wait_s)

    def working_copy(
        self,
        path: str | os.PathLike[str],
        branch: str = "master",
        *,
        below: str = "/",
        new: bool = False,
    ) -> WorkingCopy:
        """Make a directory of ordinary files of a branch, to edit with any program.

        Args:
            path: An empty directory.
            branch: The branch. In a repo without any, the first one.
            below: The directory of the commit to copy; it need not be there yet.
            new: Begin the branch, with nothing in it.

        Returns:
            What commits the changes. As a context manager it gives the directory, commits when the
            block ends, and leaves the directory empty then.

        Raises:
            BranchNotFoundError: There is none of that name, and `new` is not given.
            InvalidInputError: It is a commit that is named, not a branch; or the directory is
                inside another working copy.
            AlreadyExistsError: The directory is not empty, or the new branch is there already.

        Cost: writing all of it; where the file system can, what is equal is shared.
        """
        from pfslib.api.working_copy import WorkingCopy  # few uses of a repo make one

        return WorkingCopy.make(
            self._store, self.name, branch, host_path(path), below=below, new=new
        )

    def _start(
        self, branch: str, message: str, *, owner: str, allow_empty: bool, wait_s: float
    ) -> OpenCommit:
        for last in rounds(wait_s):
            try:
                with self._store.kv.write() as txn:
                    if get_repo(txn, self.name).pipeline:
                        raise OutputRepoError(self.name)
                    record = start(
                        txn,
                        self.name,
                        branch,
                        message=message,
                        owner=owner,
                    )
            except BranchBusyError as error:
                if last or is_in_block(error.commit):
                    raise
            else:
                return OpenCommit(self._store, record, durable=not owner, allow_empty=allow_empty)
        raise AssertionError("the last round ends in one way or the other")

    def list_commit(self, branch: str = "", *, newest_first: bool = False) -> Listing[Commit]:
        """The commits of the repo, by branch and from the oldest on; or those of one branch.

        Those of a branch are its head with all its ancestors, from wherever it forked. Of the
        repo, failed jobs' outputs, which are on no branch, come first.

        Args:
            branch: The branch; empty for all.
            newest_first: From the newest on, instead.

        Raises:
            RepoNotFoundError: It was deleted.
            BranchNotFoundError: There is none of that name.

        Cost: one look-up for each commit, as the iterator goes on; the oldest first of a branch
        also one for each of all its commits before that.
        """
        with self._store.kv.read() as txn:
            get_repo(txn, self.name)
            head = find_branch(txn, self.name, branch) if branch else None
            if branch and head is None and find_open_on(txn, self.name, branch) is None:
                get_branch(txn, self.name, branch)
            newest = get_commit(txn, head.head) if head is not None else None
        if not branch:
            return Listing(lambda: self._list_all(newest_first=newest_first), commits_html)
        if newest is None:
            return Listing(lambda: iter(()), commits_html)
        return Listing(lambda: self._list_branch(newest, newest_first=newest_first), commits_html)

    def _list_branch(self, newest: CommitRecord, *, newest_first: bool) -> Iterator[Commit]:
        if newest_first:
            for record in walk_back(self._store.kv, newest):
                yield Commit(self._store, record)
            return
        txn = ShortReads(self._store.kv)
        for commit_id in reversed(list_back(self._store.kv, newest)):
            if (found := find_commit(txn, commit_id)) is not None:  # it may have been dropped
                yield Commit(self._store, found)

    def _list_all(self, *, newest_first: bool) -> Iterator[Commit]:
        txn = ShortReads(self._store.kv)
        for commit_id in list_commit_ids(txn, self.name, newest_first=newest_first):
            if (found := find_commit(txn, commit_id)) is not None:
                yield Commit(self._store, found)

    def list_open(self) -> list[OpenCommitInfo]:
        """The open commits, by branch; not those of ``with`` blocks that are over."""
        with self._store.kv.read() as txn:
            get_repo(txn, self.name)
            return OpenCommitInfo.of_repo(txn, self.name)

    def inspect(self) -> RepoInfo:
        """The repo at a glance.

        Raises:
            RepoNotFoundError: It was deleted.
        """
        with self._store.kv.read() as txn:
            return RepoInfo.of(txn, get_repo(txn, self.name))
