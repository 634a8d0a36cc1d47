"""Store: one open store; where everything begins."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pfslib.api.autorun import Autorun
from pfslib.api.commit import Commit
from pfslib.api.commit_source import CommitSource
from pfslib.api.data import Data
from pfslib.api.display_verbs import DisplayVerbs
from pfslib.api.info import FileInfo, HeadMove, RepoInfo
from pfslib.api.keyed import Keyed
from pfslib.api.maintenance_verbs import MaintenanceVerbs
from pfslib.api.open_commit import OpenCommit
from pfslib.api.repo import Repo
from pfslib.api.waiting import rounds
from pfslib.api.work_verbs import WorkVerbs
from pfslib.commits.forsaken import is_forsaken
from pfslib.commits.reflog import read_moves
from pfslib.commits.refs import get_open, resolve, resolve_open
from pfslib.commits.repos import (
    create_repo,
    delete_repo,
    find_repo,
    get_repo,
    list_repos,
    plan_delete_repo,
)
from pfslib.commits.staging import discard
from pfslib.commits.timeline import walk_log
from pfslib.kv.short_reads import ShortReads
from pfslib.kv.store_dir import backup_store
from pfslib.model.errors import (
    BranchBusyError,
    BusyError,
    CommitFinishedError,
    CommitNotFoundError,
    CommitOpenError,
)
from pfslib.model.host_paths import host_path
from pfslib.model.names import parse_file_reference
from pfslib.model.removal import Removal
from pfslib.model.times import when
from pfslib.pipelines.manage import check_unused, delete_all, plan_delete_all

if TYPE_CHECKING:
    from pfslib.api.status import StoreStatus


class Store(
    CommitSource,
    WorkVerbs,
    MaintenanceVerbs,
    DisplayVerbs,
    Keyed[Repo | Commit],
):
    """One open store: repos, commits, pipelines and jobs.

    In brackets, a repo (``store["projects"]``) or a commit (``store["projects@master^"]``); a type
    checker sees either there, and the one meant with ``repo`` and ``commit``. A context manager;
    closed, too, when neither it nor a handle of it is referred to any more. Handles are cheap,
    thread-safe, usable in a forked child, and pickled by the store's path.

    Attributes:
        path: The store's directory.
        kv: The database below; for the library itself.
        cache: What was read of its trees; for the library itself.
    """

    def __init__(
        self,
        path: Path,
        *,
        accept_loss: bool = False,
        autorun: bool = False,
        egress_to: Path | None = None,
    ) -> None:
        super().__init__(path, accept_loss=accept_loss)
        self._background = Autorun(self, partial(Store, path), egress_to) if autorun else None

    def close(self) -> None:
        """Give the store back; its handles raise StoreClosedError from then on. Idempotent.

        With `autorun`, what is being run is given back first, for whoever runs jobs next.
        """
        if self._background is not None:
            self._background.close()
        super().close()

    def backup(self, target: str | os.PathLike[str]) -> Path:
        """Copy the whole store, as it is at one moment, while others go on writing it.

        To restore, open the copy, or move it to where the store was. Copying the directory of an
        open store by other means is no backup: its parts would be of different moments.

        Args:
            target: A directory that does not exist yet, or is empty.

        Returns:
            The copy. It is there whole or, on an error, not at all.

        Raises:
            AlreadyExistsError: Something is there already.
            InvalidInputError: It is the working directory.
            StoreFullError: No room for it.

        Cost: reading and writing all that is stored once; free space is left out.
        """
        with self.kv.read():  # it must not have been closed
            return backup_store(self.path, host_path(target).expanduser().absolute())

    def status(self) -> StoreStatus:
        """What there is and what is going on, at a glance.

        Cost: a few look-ups for each repo, branch, open commit, pipeline and unfinished job, none
        for older commits, and for the newest hundred jobs; a request to the server of each mount
        of the store, which waits two seconds for one that hangs.
        """
        from pfslib.api.status import look_at  # asks the kernel for mounts, which nothing else does

        return look_at(self)

    # --- repos ---------------------------------------------------------------------------

    def create_repo(self, name: str, *, description: str = "", exist_ok: bool = False) -> Repo:
        """Make an empty repo.

        Args:
            name: Letters, digits, ``_``, ``.`` and ``-``; not like an id, not beginning with ``-``
                or ``.``.
            description: For people.
            exist_ok: Take the repo of that name, as it is, if there is one.

        Raises:
            InvalidNameError: Not a name for a repo.
            AlreadyExistsError: The name is taken.
        """
        with self.kv.write() as txn:
            if not (exist_ok and find_repo(txn, name)):
                create_repo(txn, name, now_ns=time.time_ns(), description=description)
        return Repo(self, name)

    def repo(self, name: str) -> Repo:
        """A handle on an existing repo.

        Raises:
            RepoNotFoundError: There is none of that name; says which is near.
        """
        with self.kv.read() as txn:
            get_repo(txn, name)
        return Repo(self, name)

    def list_repo(self) -> list[RepoInfo]:
        """All repos, by name."""
        with self.kv.read() as txn:
            return [RepoInfo.of(txn, repo) for repo in list_repos(txn)]

    def inspect_repo(self, name: str) -> RepoInfo:
        """One repo at a glance."""
        return Repo(self, name).inspect()

    def delete_repo(self, name: str, *, force: bool = False, dry_run: bool = False) -> Removal:
        """Remove a repo with all its commits.

        Args:
            name: The repo.
            force: Also when other repos' commits were made from it.
            dry_run: Only say what would go.

        Returns:
            What went, or would.

        Raises:
            RepoNotFoundError: There is none.
            StillNeededError: A pipeline reads or writes it, or commits were made from it.
        """
        if dry_run:
            with self.kv.read() as reading:
                check_unused(reading, name)
                return plan_delete_repo(reading, name, force=force)
        with self.kv.write() as txn:
            check_unused(txn, name)
            removal = plan_delete_repo(txn, name, force=force)
            delete_repo(txn, name, force=force)
        return removal

    def delete_all(self, *, dry_run: bool = False) -> Removal:
        """Remove every repo, pipeline, job and image.

        Args:
            dry_run: Only say what would go.

        Returns:
            What went, or would.
        """
        if dry_run:
            with self.kv.read() as reading:
                return plan_delete_all(reading)
        with self.kv.write() as txn:
            removal = plan_delete_all(txn)
            delete_all(txn)
        return removal

    # --- commits -------------------------------------------------------------------------

    def _item(self, key: str) -> Repo | Commit:
        return self.commit(key) if "@" in key else self.repo(key)

    def wait(self, reference: str, timeout_s: float | None = None) -> Commit:
        """Wait until ``repo@ref`` means a finished commit.

        An open commit is waited for till it is finished, and what does not exist yet, such as the
        output of a job or the first commit of a branch, till it does.

        Args:
            reference: See `commit`.
            timeout_s: Seconds to wait at most; None for ever.

        Raises:
            RepoNotFoundError: No such repo.
            CommitNotFoundError: The commit was open and has been discarded.
            BusyError: Not within the time; it is a `TimeoutError`, too.
            InvalidReferenceError: Not a reference.
        """
        was_open = ""
        for last in rounds(timeout_s):
            try:
                return self.commit(reference)
            except CommitOpenError as error:
                was_open = error.commit
            except CommitNotFoundError:
                if was_open and was_open.startswith(parse_file_reference(reference).commit):
                    raise
            if last:
                break
        raise BusyError(
            f"{reference} means no finished commit, after {timeout_s:g} s of waiting",
            hint=f"commit {was_open} is still open" if was_open else "look at `pfs list-commit`",
        )

    def reflog(self, start: int = 0) -> Iterator[HeadMove]:
        """The log of all branches made, moved and deleted in all repos, oldest first.

        Args:
            start: Number of the first line wanted; to go on, that of the last one seen plus 1.
        """
        for following, move in read_moves(ShortReads(self.kv), start):
            yield HeadMove(
                number=following - 1,
                repo=move.repo,
                branch=move.branch,
                old=move.old,
                new=move.new,
                when=when(move.when_ns),
            )

    def history(self, repo: str = "") -> Iterator[Commit]:
        """What was committed to any branch of any repo, or of one, in the order of time.

        Newest first. Of a commit that a deleted branch was made of again, it may tell twice; of
        one that was dropped or squashed, it does not.

        Cost: a few look-ups for each line of the reflog, as the iterator goes on.
        """
        for record in walk_log(self.kv, repo):
            yield Commit(self, record)

    def start_commit(
        self, repo: str, branch: str = "master", *, message: str = "", wait_s: float = 0.0
    ) -> OpenCommit:
        """Start a commit that lasts until it is finished; see ``Repo.start_commit``."""
        return self.repo(repo).start_commit(branch, message=message, wait_s=wait_s)

    def open_commit(self, repo: str, commit: str) -> OpenCommit:
        """Go on with an open commit, also one that another process started.

        Args:
            repo: Its repo.
            commit: Its id, the beginning of that, or its branch.

        Raises:
            CommitFinishedError: It has finished.
            CommitNotFoundError: There is none.
            BranchBusyError: It belongs to a ``with`` block, which alone may write to it.
        """
        with self.kv.read() as txn:
            get_repo(txn, repo)
            record = resolve_open(txn, repo, commit)
            if record is None or is_forsaken(record):
                raise CommitFinishedError(repo, resolve(txn, repo, commit).id)
            if record.owner:
                raise BranchBusyError(repo, record.branch, record.id)
        return OpenCommit(self, record, durable=True, allow_empty=True)

    def finish_commit(self, repo: str, commit: str, *, message: str = "") -> Commit:
        """Publish an open commit; see ``OpenCommit.finish``."""
        finished = self.open_commit(repo, commit).finish(message=message)
        assert finished is not None  # commits started by name are made also when empty
        return finished

    def delete_commit(self, repo: str, commit: str, *, dry_run: bool = False) -> Removal:
        """Discard an open commit with all its edits.

        Args:
            repo: Its repo.
            commit: Its id, the beginning of that, or its branch.
            dry_run: Only say what would go.

        Returns:
            What went, or would.

        Raises:
            CommitFinishedError: It has finished, and stays.
        """
        if dry_run:
            with self.kv.read() as reading:
                get_repo(reading, repo)
                record = get_open(reading, repo, commit)
        else:
            with self.kv.write() as txn:
                get_repo(txn, repo)
                record = get_open(txn, repo, commit)
                discard(txn, record)
        return Removal(open_commits=(f"{repo}@{record.id}",))

    def list_commit(self, repo: str, branch: str = "") -> Iterator[Commit]:
        """The commits of a repo; see ``Repo.list_commit``."""
        return self.repo(repo).list_commit(branch)

    def inspect_commit(self, repo: str, commit: str) -> Commit:
        """The finished commit that a reference means in a repo; see `commit`."""
        return self.commit(f"{repo}@{commit}")

    # --- files ---------------------------------------------------------------------------

    def put_file(
        self, repo: str, commit: str, path: str, data: Data, *, append: bool = False
    ) -> None:
        """Write a file into an open commit; durable when this returns. See ``OpenCommit.put_file``.

        Raises:
            CommitFinishedError: The commit has finished.
        """
        self.open_commit(repo, commit).put_file(path, data, append=append)

    def delete_file(self, repo: str, commit: str, path: str, *, missing_ok: bool = False) -> None:
        """Remove a file or directory in an open commit; see ``OpenCommit.delete_file``."""
        self.open_commit(repo, commit).delete_file(path, missing_ok=missing_ok)

    def get_file(
        self, repo: str, commit: str, path: str, offset: int = 0, size: int | None = None
    ) -> bytes:
        """Bytes of a file; see ``Commit.get_file``."""
        return self.commit(f"{repo}@{commit}").get_file(path, offset, size)

    def list_file(self, repo: str, commit: str, path: str = "/") -> Iterator[FileInfo]:
        """What is in a directory; see ``Commit.list_file``."""
        return self.commit(f"{repo}@{commit}").list_file(path)

    def inspect_file(self, repo: str, commit: str, path: str) -> FileInfo:
        """What is at a path; see ``Commit.inspect_file``."""
        return self.commit(f"{repo}@{commit}").inspect_file(path)
