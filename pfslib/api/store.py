"""Store: one open store; where everything begins."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pfslib.api.commit import Commit
from pfslib.api.info import FileInfo, RepoInfo
from pfslib.api.open_commit import Data, OpenCommit
from pfslib.api.repo import Repo
from pfslib.api.tree_source import TreeSource
from pfslib.api.work_verbs import WorkVerbs
from pfslib.chunks.digest import HASH_NAME
from pfslib.chunks.split import PARAMETERS
from pfslib.commits.refs import resolve, resolve_open
from pfslib.commits.repos import create_repo, delete_repo, get_repo, list_repos
from pfslib.commits.staging import discard, is_forsaken
from pfslib.kv.store_dir import check_store, create_store, locate_store
from pfslib.model.errors import (
    AlreadyExistsError,
    BranchBusyError,
    CommitFinishedError,
    CommitNotFoundError,
    CommitOpenError,
    InvalidReferenceError,
)
from pfslib.model.names import parse_file_reference
from pfslib.pipelines.manage import check_unused, delete_all


class Store(TreeSource, WorkVerbs):
    """One open store: repos, commits, pipelines and jobs.

    A context manager. Handles are cheap, thread-safe (but for an `OpenCommit`, which is one
    thread's), and usable in a forked child.

    Attributes:
        path: The store's directory.
        forsaken: Ids of open commits whose `with` block has ended, but which could not be
            discarded then.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.forsaken: set[str] = set()

    # --- repos ---------------------------------------------------------------------------

    def create_repo(self, name: str, *, description: str = "") -> Repo:
        """Make an empty repo.

        Raises:
            InvalidNameError: Not a name for a repo.
            AlreadyExistsError: The name is taken.
        """
        with self.kv.write() as txn:
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

    def delete_repo(self, name: str, *, force: bool = False) -> None:
        """Remove a repo with all its commits.

        Args:
            name: The repo.
            force: Also when other repos' commits were made from it.

        Raises:
            RepoNotFoundError: There is none.
            StillNeededError: A pipeline reads or writes it, or commits were made from it.
        """
        with self.kv.write() as txn:
            check_unused(txn, name)
            delete_repo(txn, name, force=force)

    def delete_all(self) -> None:
        """Remove every repo, pipeline, job and image."""
        with self.kv.write() as txn:
            delete_all(txn)

    # --- commits -------------------------------------------------------------------------

    def __getitem__(self, reference: str) -> Repo | Commit:
        """A repo (``store["projects"]``) or a commit (``store["projects@master^"]``)."""
        return self.commit(reference) if "@" in reference else self.repo(reference)

    def commit(self, reference: str) -> Commit:
        """The finished commit that ``repo@ref`` means.

        ``ref`` is a branch, an id or the beginning of one, any of them with ``^``, ``~2`` (parents)
        or ``.0``, ``/0`` (position on the branch).

        Raises:
            RepoNotFoundError: No such repo.
            CommitNotFoundError: The reference means no commit.
            CommitOpenError: It means a commit that is not finished.
            InvalidReferenceError: Not a reference.
        """
        place = parse_file_reference(reference)
        with self.kv.read() as txn:
            get_repo(txn, place.repo)
            if not place.commit:
                raise InvalidReferenceError(reference, "it names a repo, not a commit")
            if place.path:
                raise InvalidReferenceError(reference, "it names a file, not a commit")
            try:
                return Commit(self, resolve(txn, place.repo, place.commit))
            except CommitNotFoundError:
                unfinished = resolve_open(txn, place.repo, place.commit)
                if unfinished is None:
                    raise
                raise CommitOpenError(place.repo, unfinished.id) from None

    def start_commit(self, repo: str, branch: str = "master", *, message: str = "") -> OpenCommit:
        """Start a commit that lasts until it is finished; see ``Repo.start_commit``."""
        return self.repo(repo).start_commit(branch, message=message)

    def open_commit(self, repo: str, commit: str) -> OpenCommit:
        """Go on with an open commit, also one that another process started.

        Args:
            repo: Its repo.
            commit: Its id, the beginning of that, or its branch.

        Raises:
            CommitFinishedError: It has finished.
            CommitNotFoundError: There is none.
            BranchBusyError: It belongs to a `with` block, which alone may write to it.
        """
        with self.kv.read() as txn:
            get_repo(txn, repo)
            record = resolve_open(txn, repo, commit)
            if record is None or is_forsaken(record):
                raise CommitFinishedError(repo, resolve(txn, repo, commit).id)
            if record.owner:
                raise BranchBusyError(repo, record.branch, record.id)
        return OpenCommit(self, record, durable=True, allow_empty=True)

    def finish_commit(self, repo: str, commit: str) -> Commit:
        """Publish an open commit; see ``OpenCommit.finish``."""
        finished = self.open_commit(repo, commit).finish()
        assert finished is not None  # commits started by name are made also when empty
        return finished

    def delete_commit(self, repo: str, commit: str) -> None:
        """Discard an open commit with all its edits.

        Raises:
            CommitFinishedError: It has finished, and stays.
        """
        with self.kv.write() as txn:
            get_repo(txn, repo)
            record = resolve_open(txn, repo, commit)
            if record is not None:
                discard(txn, record)
                return
            finished = resolve(txn, repo, commit).id
        raise CommitFinishedError(repo, finished, hint="only open commits can be discarded")

    def list_commit(self, repo: str, branch: str = "") -> Iterator[Commit]:
        """The commits of a repo; see ``Repo.list_commit``."""
        return self.repo(repo).list_commit(branch)

    def inspect_commit(self, repo: str, commit: str) -> Commit:
        """The finished commit that a reference means in a repo."""
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

    def delete_file(self, repo: str, commit: str, path: str) -> None:
        """Remove a file or directory in an open commit."""
        self.open_commit(repo, commit).delete_file(path)

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


def init(path: str | os.PathLike[str]) -> Store:
    """Make a new store and open it.

    Args:
        path: A directory that does not exist yet, or is empty.

    Raises:
        AlreadyExistsError: Something is there already.
    """
    directory = Path(path).expanduser().absolute()
    return Store(create_store(directory, {"hash": HASH_NAME, **PARAMETERS}))


def open(path: str | os.PathLike[str] | None = None, *, create: bool = False) -> Store:  # noqa: A001
    """Open a store.

    Args:
        path: Its directory; None means PFS_STORE or, without that, the nearest ``.pfs`` of the
            working directory and those above it.
        create: Make the store when nothing is there yet.

    Raises:
        StoreNotFoundError: No store there; a mistyped path never makes a new one.
        UnknownFormatError: The store was made by a newer pfslib.
    """
    directory = locate_store(path, os.environ)
    if create and not (directory.is_dir() and any(directory.iterdir())):
        with suppress(AlreadyExistsError):  # somebody else was quicker
            return init(directory)
    return Store(check_store(directory))
