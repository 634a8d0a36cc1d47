"""Commit: a finished commit, read-only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pfslib.api.info import FileInfo, when
from pfslib.api.tree import Tree
from pfslib.commits import provenance
from pfslib.commits.refs import find_commit
from pfslib.model.errors import IsADirectoryInCommitError
from pfslib.model.globs import compile_glob
from pfslib.model.history import Commit as CommitRecord
from pfslib.model.paths import join_path, split_path
from pfslib.trees.glob import glob_entries

if TYPE_CHECKING:
    from pfslib.api.store import Store
    from pfslib.mounts.mounting import Mounted


class Commit:
    """An immutable state of a repo.

    Obtained from ``store["repo@ref"]``, ``store.commit(...)`` or ``repo.list_commit()``. Cheap to
    hold; safe to use from several threads.
    """

    def __init__(self, store: Store, record: CommitRecord) -> None:
        self._store = store
        self.record = record
        where = f"commit {record.id} of repo {record.repo}"
        self.tree = Tree(store.kv, record.root, store.cache, where=where)

    def __repr__(self) -> str:
        return f"<Commit {self}>"

    def __str__(self) -> str:
        return f"{self.repo}@{self.id}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Commit) and other.record == self.record

    def __hash__(self) -> int:
        return hash(self.id)

    # --- what it is ----------------------------------------------------------------------

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

    def parent(self) -> Commit | None:
        """The commit it was made on top of; None for the first."""
        if not self.record.parent:
            return None
        return self._store.commit(f"{self.repo}@{self.record.parent}")

    def provenance(self) -> list[Commit]:
        """The commits it was made from, directly or not; nearest first.

        Those that were deleted since by force are left out; `record.provenance` still names them.
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

    # --- files ---------------------------------------------------------------------------

    def get_file(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file.

        Args:
            path: The file.
            offset: First byte; beyond the end gives nothing.
            size: Most bytes; None for all that follow.

        Raises:
            PathNotFoundError: Nothing there.
            IsADirectoryInCommitError: A directory is there.
            CorruptionError: The stored bytes are damaged.
        """
        entry = self.tree.find(path)
        if entry.is_dir:
            raise IsADirectoryInCommitError(join_path(split_path(path)))
        return self.tree.read(entry, offset, size)

    def stream_file(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, in blocks of a MiB; for files larger than memory."""
        entry = self.tree.find(path)
        if entry.is_dir:
            raise IsADirectoryInCommitError(join_path(split_path(path)))
        return self.tree.stream(entry)

    def inspect_file(self, path: str) -> FileInfo:
        """What is at a path.

        Raises:
            PathNotFoundError: Nothing there.
        """
        return FileInfo.of(join_path(split_path(path)), self.tree.find(path))

    def list_file(self, path: str = "/") -> Iterator[FileInfo]:
        """What is in a directory, by name; for a file, the file itself.

        Raises:
            PathNotFoundError: Nothing there.
        """
        parts = split_path(path)
        entry = self.tree.find(path)
        if not entry.is_dir:
            return iter([FileInfo.of(join_path(parts), entry)])
        return (FileInfo.of(join_path((*parts, e.name)), e) for e in self.tree.scan(path))

    def walk(self, path: str = "/") -> Iterator[FileInfo]:
        """Everything below a directory, in path order; a directory comes before its content."""
        return (FileInfo.of(below, entry) for below, entry in self.tree.walk(path))

    def glob(self, pattern: str) -> list[FileInfo]:
        """What a glob matches: ``*``, ``**``, ``?``, ``[…]``, ``{a,b}``; see docs/glossary.md."""
        glob = compile_glob(pattern)
        with self._store.kv.read() as txn:
            rows = glob_entries(txn, self.record.root, glob, self._store.cache)
            return [FileInfo.of(join_path(parts), entry) for parts, entry in rows]

    # --- mount ---------------------------------------------------------------------------

    def mount(
        self, path: str | Path | None = None, *, allow_other: bool = False, tied: bool = True
    ) -> Mounted:
        """Make the commit a directory, read-only, through FUSE.

        Args:
            path: An empty directory; None for a private one, removed afterwards.
            allow_other: Whether other users may look in.
            tied: Whether the mount ends when this process does, however it ends.

        Returns:
            A context manager that gives the directory as a `pathlib.Path` and unmounts at the end.

        Raises:
            MountError: The system cannot, or the directory is unfit; says which and what to do.
        """
        from pfslib.mounts.mounting import mount  # most uses of a commit mount nothing

        return mount(
            self._store.path,
            f"tree:{self.record.root.node.hex()}",
            Path(path) if path is not None else None,
            fsname=f"pfs:{self}",
            label=str(self),
            allow_other=allow_other,
            tied=tied,
        )
