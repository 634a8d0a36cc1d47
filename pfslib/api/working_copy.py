"""WorkingCopy: a directory of plain files, copied from a branch, edited, and committed back.

What is edited are ordinary files, on any file system, by any user and program; a crash leaves them
as they are.
A marker file in the directory says what it is a copy of: see `copy_origin`.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote_from_bytes

import msgspec

from pfslib.api.copy_origin import (
    ASIDE,
    MARKER,
    Origin,
    our_files,
    read_origin,
    store_of,
    write_origin,
)
from pfslib.api.copy_register import forget_copy, note_copy
from pfslib.api.copy_removal import (
    alone,
    check_nothing_mounted,
    check_removed,
    claimed,
    clock_ns,
    put_aside,
    put_back,
    remove_empty,
    remove_held,
    removed_on_failure,
)
from pfslib.api.mapped_writes import shows_mapped_writes
from pfslib.kv.syncing import sync_file_system
from pfslib.model.errors import (
    AlreadyExistsError,
    BranchNotFoundError,
    BusyError,
    CommitNotFoundError,
    CommitOpenError,
    ConflictError,
    InvalidInputError,
    InvalidNameError,
    NotFoundError,
    PathNotFoundError,
    StateError,
)
from pfslib.model.names import check_name
from pfslib.model.paths import join_path, split_path

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.store import Store

_ROUNDS: Final = 5
"""How often what was put aside is committed before it counts as being changed all the time."""


class WorkingCopy:
    """A directory of files to edit. A context manager that gives it, and commits when it ends.

    Not for several threads or processes at once.

    Attributes:
        path: The directory.
    """

    def __init__(self, store: Store, path: Path) -> None:
        """Go on with what `make_copy` has made.

        Raises:
            NotFoundError: The directory is no working copy of that store.
        """
        self.path = path
        self._store = store
        theirs = store_of(path)
        if not (theirs.exists() and theirs.samefile(store.path)):
            raise NotFoundError(
                f"{path} is a working copy of the store {theirs}, not of {store.path}"
            )
        note_copy(store.path, path)

    def __repr__(self) -> str:
        return f"<WorkingCopy {self.path}>"

    @property
    def origin(self) -> Origin:
        """What it is a copy of, and of which commit."""
        origin = read_origin(self.path)
        if origin.pending:
            try:
                self._store.commit(f"{origin.repo}@{origin.pending}")
                made = origin.pending
            except (CommitNotFoundError, CommitOpenError):
                made = origin.base  # what was being made when somebody died never was
            origin = msgspec.structs.replace(origin, base=made, pending="")
        return origin

    def commit(
        self, message: str = "", *, branch: str | None = None, reread: bool = False
    ) -> Commit | None:
        """Make one commit of all changes: files changed, added and removed.

        Args:
            message: Why.
            branch: A new branch for it, which this is a copy of from then on; None for its own.
            reread: Read every file, whatever is known of it.

        Returns:
            The commit; None when nothing has changed.

        Raises:
            ConflictError: Others have committed to the branch since. Their work is on the branch,
                yours in the directory: commit it to a branch of its own.
            AlreadyExistsError: The branch named is there already.
            UnsupportedFileError: There is a device, fifo or socket in the directory.
            StateError: An `unmount` or `discard` has begun to remove the files.
            BusyError: Another process commits or unmounts it.

        Cost: the file system is synced, and every file looked at; those that changed since they
        were last committed are read. Elsewhere than on ext, xfs, btrfs and f2fs, all are.
        """
        with alone(self.path):
            our_files(self.path)  # else nothing is begun
            self._check_whole(self.origin)
            put_back(self.path)  # somebody was killed while he unmounted
            return self._commit(message, self.path, branch=branch, reread=reread)

    def unmount(self, message: str = "") -> Commit | None:
        """Commit what has changed, and remove the files: the directory is left empty.

        Between the two the files are put aside, and committed again if they are still changed.
        One that is changed even later, by a program that had it open, is left lying there.

        What was cut short, a `discard` too, is only finished.

        Raises:
            ConflictError: See `commit`; everything is left as it is.
            StateError: Something is mounted inside; everything is committed and left. Or it is
                no working copy any more, but files were changed too late, and are kept.
            BusyError: Files are being changed all the time; everything is committed and left. Or
                another process is at it.

        Cost: see `commit`. Files changed in the last seconds, and those at the top, are read once
        more; elsewhere than on ext, xfs, btrfs and f2fs, all are.
        """
        with alone(self.path):
            our_files(self.path)  # else nothing is begun
            origin = self.origin
            if origin.discarding or origin.removing:
                self._finish(origin)
                return None
            put_back(self.path)
            committed_ns = clock_ns(self.path) if shows_mapped_writes(self.path) else 0
            made = self._commit(message, self.path)  # whatever is refused, is before all else
            put_aside(self.path)
            try:
                made = self._commit_last(message) or made
            except BaseException:
                put_back(self.path)
                raise
            origin = msgspec.structs.replace(self.origin, removing=True)
            write_origin(self.path, origin)
            self._finish(origin, committed_ns=committed_ns)
            return made

    def discard(self) -> None:
        """Remove the files, with all changes that are not committed.

        Raises:
            StateError: Something is mounted inside; nothing has been removed. Or files have been
                made since the removal began, and are kept.
            BusyError: Another process is at it.
        """
        with alone(self.path):
            our_files(self.path)  # else nothing is begun
            origin = self.origin
            if not (origin.discarding or origin.removing):
                put_back(self.path)
                put_aside(self.path)
            # What is made from now on is not in what is put aside, so it is somebody's new work.
            origin = msgspec.structs.replace(origin, discarding=True)
            write_origin(self.path, origin)
            self._finish(origin)

    def _commit(
        self, message: str, files: Path, *, branch: str | None = None, reread: bool = False
    ) -> Commit | None:
        origin = self.origin
        if branch is not None:
            origin = self._fork(origin, branch)
        repo = self._store.repo(origin.repo)
        with repo.commit(origin.branch, message=message) as making:
            parent = making.parent()
            head = parent.id if parent is not None else ""
            if head != origin.base:
                raise _moved(origin, head)
            write_origin(self.path, msgspec.structs.replace(origin, pending=making.id))
            self._put(making, origin.below, files, reread=reread)
        if making.commit is not None:
            origin = msgspec.structs.replace(origin, base=making.commit.id)
        write_origin(self.path, origin)
        return making.commit

    def _check_whole(self, origin: Origin) -> None:
        if origin.discarding or origin.removing:
            raise StateError(
                f"some files in {self.path} have been discarded already"
                if origin.discarding
                else f"some files in {self.path} have been committed and removed already",
                hint=f"`pfs unmount {self.path}` removes the rest",
            )

    def _commit_last(self, message: str) -> Commit | None:
        """Commit what was put aside, until it is not being changed any more."""
        last = None
        for _ in range(_ROUNDS):
            made = self._commit(message, self.path / ASIDE)
            if made is None:
                return last
            last = made
        raise BusyError(
            f"files in {self.path} are being changed", hint="end the program that does, then retry"
        )

    def _finish(self, origin: Origin, *, committed_ns: int = 0) -> None:
        """Remove what was put aside, and the marker."""
        check_nothing_mounted(self.path)
        aside = self.path / ASIDE
        if origin.discarding:
            if aside.is_dir():
                shutil.rmtree(aside)
        elif aside.is_dir():
            base = self._store.commit(f"{origin.repo}@{origin.base}") if origin.base else None
            remove_held(aside, base, origin.below, committed_ns=committed_ns)
            remove_empty(aside)
        (self.path / MARKER).unlink()
        forget_copy(self._store.path, self.path)
        check_removed(self.path, origin.shown)

    def _fork(self, origin: Origin, branch: str) -> Origin:
        repo = self._store.repo(origin.repo)
        if any(known.name == branch for known in repo.list_branch()):
            raise AlreadyExistsError(f"branch {branch} of repo {origin.repo} exists")
        base = origin.base
        if base:
            try:
                repo.create_branch(branch, at=base)
            except CommitNotFoundError:  # it was dropped: the files are all that there is
                base = ""
        return msgspec.structs.replace(origin, branch=branch, base=base)

    def _put(self, making: OpenCommit, below: str, files: Path, *, reread: bool) -> None:
        """Make the directory of an open commit the same as one of the host."""
        self._delete_gone(making, below, files)
        making.put_file(below, files, reread=reread, mapped=True)
        for name in our_files(files):
            making.delete_file(join_path((*split_path(below), name.encode())))

    def _delete_gone(self, making: OpenCommit, below: str, directory: Path) -> None:
        try:
            known = list(making.list_file(below))
        except PathNotFoundError:
            return
        for entry in known:
            path = directory / entry.path.rpartition("/")[2]
            is_directory = entry.kind == "dir"
            if _is_directory(path) != is_directory:
                making.delete_file(entry.path)
            elif is_directory:
                self._delete_gone(making, entry.path, path)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self.unmount()

    @classmethod
    def make(
        cls,
        store: Store,
        repo: str,
        branch: str,
        path: Path,
        *,
        below: str = "/",
        new: bool = False,
    ) -> Self:
        """Write the files of a branch's head into an empty directory.

        Args:
            store: The store.
            repo: The repo.
            branch: The branch. In a repo without any, the first one.
            path: The directory.
            below: The directory of the commit to copy; it need not be there yet.
            new: Begin the branch, with nothing in it.

        Raises:
            BranchNotFoundError: There is none of that name, and `new` is not given.
            InvalidInputError: It is a commit that is named, not a branch; or the directory is
                inside another working copy.
            AlreadyExistsError: The directory is not empty, or the new branch is there already.
            OSError: It is not there, or cannot be written to.

        Cost: reading and writing all of it; where the file system can, it shares what is equal.
        """
        with claimed(path):
            heads = {known.name: known.head for known in store.repo(repo).list_branch()}
            _check_branch(store, repo, branch, heads, new=new)
            place = quote_from_bytes(bytes(store.path))
            origin = Origin(place, repo, branch, below, heads.get(branch, ""))
            base = store.commit(f"{repo}@{origin.base}") if origin.base else None
            with removed_on_failure(path, base, below):
                if base is not None:
                    _export(base, path, below)
                # Or the next commit could take for edits what a power loss has left of the files.
                sync_file_system(path)
                write_origin(path, origin)
        return cls(store, path)


def _check_branch(
    store: Store, repo: str, branch: str, heads: Mapping[str, str], *, new: bool
) -> None:
    """See to it that a name means a branch that is there, or one that is to be begun."""
    if branch in heads:
        if new:
            raise AlreadyExistsError(f"branch {branch} of repo {repo} exists")
        return
    try:
        commit = store.commit(f"{repo}@{branch}")
    except (CommitNotFoundError, CommitOpenError) as missing:
        try:
            check_name("branch", branch)
        except InvalidNameError:
            raise missing from None
        if heads and not new:
            begin = "`pfs mount -w --new` begins a branch"
            raise BranchNotFoundError(repo, branch, heads, hint=begin) from None
    else:
        raise InvalidInputError(
            f"{branch} is commit {commit.id} of repo {repo}: what is edited is a branch",
            hint=f"`pfs create-branch {repo} NAME --head {branch}` makes one that begins with it",
        )


def _export(commit: Commit, path: Path, below: str) -> None:
    try:
        for info in commit.list_file(below):
            name = info.path.rpartition("/")[2]
            if name.startswith(MARKER):
                raise AlreadyExistsError(
                    f"{commit} has a file {name}, a name that marks working copies"
                )
        commit.export(path, below)
    except PathNotFoundError:
        return


def _moved(origin: Origin, head: str) -> ConflictError:
    return ConflictError(
        f"branch {origin.branch} of repo {origin.repo} has moved on, from "
        f"{origin.base or 'nothing'} to {head or 'nothing'}, since the files were copied",
        hint="`pfs commit DIR --branch NAME` keeps your changes on a branch of their own",
    )


def _is_directory(path: Path) -> bool | None:
    """Whether a directory is there, not a link to one; None for nothing."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
