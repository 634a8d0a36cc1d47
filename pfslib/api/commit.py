"""Commit: a finished commit, read-only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Self

from pfslib.api.diff_verbs import DiffVerbs
from pfslib.api.info import FoundCommit
from pfslib.api.pages import commit_html
from pfslib.api.read_verbs import ReadVerbs
from pfslib.api.tree import Tree
from pfslib.commits import provenance
from pfslib.commits.find import find_changes
from pfslib.commits.refs import find_commit
from pfslib.commits.way_back import walk_back
from pfslib.model.errors import CommitFinishedError, CommitNotFoundError
from pfslib.model.history import Commit as CommitRecord
from pfslib.model.paths import split_path
from pfslib.model.times import when
from pfslib.trees.damage import damage_of

if TYPE_CHECKING:
    from pfslib.api.tree_source import TreeSource
    from pfslib.mounts.mounting import Mounted

_GONE: Final = "it was deleted, or another store is now where its store was"


class Commit(ReadVerbs, DiffVerbs):
    """An immutable state of a repo.

    Obtained from ``store["repo@ref"]``, ``store.commit(...)`` or ``repo.list_commit()``. Cheap to
    hold; safe to use from several threads.
    """

    def __init__(self, store: TreeSource, record: CommitRecord) -> None:
        self._store = store
        self.record = record
        where = f"commit {record.id} of repo {record.repo}"
        self.tree = Tree(
            store.kv, record.root, store.cache, where=where, check_there=self.check_there
        )

    def __repr__(self) -> str:
        return f"<Commit {self}>"

    def __str__(self) -> str:
        return self.place

    def _repr_html_(self) -> str:
        return commit_html(self)

    def __reduce__(self) -> tuple[type[Self], tuple[TreeSource, CommitRecord]]:
        return type(self), (self._store, self.record)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Commit) and other.record == self.record

    def __hash__(self) -> int:
        return hash(self.id)

    # --- what it is ----------------------------------------------------------------------

    def _to_edit(self, path: str) -> NoReturn:
        raise CommitFinishedError(
            self.repo,
            self.id,
            hint=f'`with store["{self.repo}"].commit(BRANCH) as c:` begins one on top of a branch,'
            f' and `c.put_file("{path}", …)` writes into it',
        )

    @property
    def store_path(self) -> Path:
        """Directory of the store it is in."""
        return self._store.path

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return self.record.id

    @property
    def repo(self) -> str:
        """Name of its repo."""
        return self.record.repo

    @property
    def place(self) -> str:
        """What means it in all references: ``repo@id``."""
        return f"{self.repo}@{self.id}"

    @property
    def branch(self) -> str:
        """The branch it was made on; empty for the output of a failed job."""
        return self.record.branch

    @property
    def number(self) -> int:
        """Its position on the branch, from 0."""
        return self.record.number

    @property
    def message(self) -> str:
        """Why it was made."""
        return self.record.message

    @property
    def error(self) -> str:
        """Why the job that made it failed; empty for every ordinary commit."""
        return self.record.error

    @property
    def started(self) -> datetime:
        """When it was started, in UTC."""
        return when(self.record.started_ns)

    @property
    def finished(self) -> datetime:
        """When it was finished, in UTC."""
        return when(self.record.finished_ns)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return self.record.root.size

    @property
    def files(self) -> int:
        """Number of its files and links."""
        return self.record.root.files

    @property
    def added_bytes(self) -> int:
        """Bytes that this commit itself put."""
        return self.record.added_bytes

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that cover everything about it, content and history."""
        return self.record.digest.hex()

    # --- history -------------------------------------------------------------------------

    def check_there(self) -> None:
        """See that it has not been deleted.

        Raises:
            CommitNotFoundError: It has.
        """
        with self._store.kv.read() as txn:
            if find_commit(txn, self.id) is None:
                raise CommitNotFoundError(self.repo, self.id, hint=_GONE)

    def parent(self) -> Commit | None:
        """The commit it is on top of by now; None for the first.

        Raises:
            CommitNotFoundError: Both were deleted.
        """
        with self._store.kv.read() as txn:
            now = find_commit(txn, self.id) or self.record  # a squash changes parents
            if not now.parent:
                return None
            parent = find_commit(txn, now.parent)
        if parent is None:
            raise CommitNotFoundError(self.repo, now.parent, hint=_GONE)
        return Commit(self._store, parent)

    def history(self) -> Iterator[Commit]:
        """This commit and those it is on top of, newest first.

        Cost: a few look-ups for each, as the iterator goes on.
        """
        self.check_there()
        for record in walk_back(self._store.kv, self.record):
            yield Commit(self._store, record)

    def provenance(self) -> list[Commit]:
        """The commits it was made from, directly or not; nearest first.

        Those that were deleted since by force are left out; ``record.provenance`` still names them.
        """
        with self._store.kv.read() as txn:
            links = list(provenance.provenance(txn, self.record))
            records = [find_commit(txn, link.id) for link in links]
        return [Commit(self._store, record) for record in records if record is not None]

    def subvenance(self) -> list[Commit]:
        """The commits made from it, directly or not; nearest first."""
        with self._store.kv.read() as txn:
            links = list(provenance.subvenance(txn, self.id))
            records = [find_commit(txn, link.id) for link in links]
        return [Commit(self._store, record) for record in records if record is not None]

    def find_commit(self, path: str) -> Iterator[FoundCommit]:
        """The commits that changed what is at a path, from this one back, newest first.

        Deleting it is a change, too; of a directory, so is any change below it.

        Cost: one look-up of the path for each commit of the history, as the iterator goes on.
        """
        parts, kv, cache = split_path(path), self._store.kv, self._store.cache
        self.check_there()
        with damage_of(f"{self.tree.where}, or of one before it", path):
            for record, old, new in find_changes(kv, self.record, parts, cache):
                yield FoundCommit.of(Commit(self._store, record), old, new)

    def _tree(self) -> Tree:
        return self.tree

    # --- mount ---------------------------------------------------------------------------

    def mount(
        self,
        path: str | Path | None = None,
        *,
        below: str = "/",
        allow_other: bool = False,
        tied: bool = True,
    ) -> Mounted:
        """Make the commit a directory, read-only, through FUSE; gc leaves it alone meanwhile.

        Args:
            path: An empty directory; None for a private one, removed afterwards.
            below: The directory of the commit to show.
            allow_other: Whether other users may look in.
            tied: Whether the mount ends when this process does, however it ends.

        Returns:
            A context manager that gives the directory as a `pathlib.Path` and unmounts at the end.

        Raises:
            MountError: The system cannot, or the directory is unfit; says which and what to do.
            PathNotFoundError: The commit has no such directory.
            CommitNotFoundError: The commit was deleted.

        Cost: starting a process, however much the commit holds.
        """
        from pfslib.api.showing import mount_commit  # most uses of a commit mount nothing

        return mount_commit(self, path, below=below, allow_other=allow_other, tied=tied)
