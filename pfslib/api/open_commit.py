"""OpenCommit: a commit that still takes edits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from pfslib.api.commit import Commit
from pfslib.commits.finish import check_edits, finish, fold
from pfslib.commits.refs import find_commit
from pfslib.commits.staging import discard, find_open, stage, staged_count
from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import (
    CommitFinishedError,
    CommitNotFoundError,
    InvalidInputError,
    InvalidPathError,
    PfsError,
)
from pfslib.model.history import OpenCommit as OpenRecord
from pfslib.model.nodes import Content, Entry
from pfslib.model.paths import split_path
from pfslib.trees.contents import ContentWriter
from pfslib.trees.edit import Edit, Op
from pfslib.trees.hosttree import entry_of, read_host_file, read_tree

if TYPE_CHECKING:
    from pfslib.api.store import Store

Data = bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes] | Iterable[bytes]
"""What a file can be put from: bytes; text, stored as UTF-8; a path, of a host file or directory;
a binary file object; or an iterable of bytes."""

_EDITS_MAX = 10_000
_STAGED_MAX = 500
"""Edits left unfolded by single puts: each put looks through them for clashes."""

_FILE_BLOCK = 8 << 20


class OpenCommit:
    """A commit in the making; other readers see nothing of it.

    As a context manager it is published, all of it, when the block ends, and discarded when the
    block raises. Otherwise it lasts until `finish` or `discard`, also across processes.

    Not for several threads at once; several processes may each have one on the same commit.
    """

    def __init__(
        self, store: Store, record: OpenRecord, *, durable: bool, allow_empty: bool
    ) -> None:
        self._store = store
        self._record = record
        self._durable = durable
        self._allow_empty = allow_empty
        self._writer = ContentWriter(store.kv)
        self._edits: list[Edit] = []
        self._ended = False
        self._maker = os.getpid()
        self.commit: Commit | None = None
        """The commit, once finished; None before, and when nothing had changed."""

    def __repr__(self) -> str:
        return f"<OpenCommit {self.repo}@{self.id} on {self.branch}>"

    @property
    def id(self) -> str:
        """The id it will have as a commit."""
        return self._record.id

    @property
    def repo(self) -> str:
        """Name of its repo."""
        return self._record.repo

    @property
    def branch(self) -> str:
        """Name of its branch."""
        return self._record.branch

    # --- edits ---------------------------------------------------------------------------

    def put_file(self, path: str, data: Data, *, append: bool = False) -> None:
        """Write a file, or a whole directory of the host.

        Args:
            path: Where, in the commit; directories above it come with it.
            data: The content: see `Data`. A `str` is content; a `pathlib.Path` is a host file or
                directory to read.
            append: Add to what is there instead of replacing it; of a directory, file by file.

        Raises:
            InvalidPathError: Not a path for a file.
            CommitFinishedError: The commit is no longer open.
            UnsupportedFileError: A host file that cannot be stored; nothing of the call is kept.
        """
        self._check_unended()
        parts = split_path(path)
        op = Op.APPEND if append else Op.PUT
        if isinstance(data, os.PathLike) and Path(data).is_dir():
            edits = read_tree(Path(data).resolve(), self._writer, at=parts)
            self._stage([_with_op(edit, op) for edit in edits])
            return
        if not parts:
            raise InvalidPathError(path, "it is the root, not a file")
        if isinstance(data, os.PathLike):
            entry = read_host_file(Path(data), self._writer)
        else:
            content = self._add(data)
            entry = entry_of(content, executable=False, mtime_ns=time.time_ns())
        self._stage([Edit(op, parts, entry)])

    def delete_file(self, path: str) -> None:
        """Remove a file, or a directory with all below it; what is not there stays so."""
        self._check_unended()
        parts = split_path(path)
        if not parts:
            raise InvalidPathError(path, "it is the root; delete what is in it")
        self._stage([Edit(Op.DELETE, parts)])

    def copy_file(self, source: Commit, source_path: str, path: str) -> None:
        """Take a file or directory over from a commit of the same store, by reference.

        Cost: O(1) in the content, also for a whole directory.

        Raises:
            InvalidInputError: The commit is in another store.
            PathNotFoundError: Nothing is there.
        """
        self._check_unended()
        if source.store_path != self._store.path:
            raise InvalidInputError(
                f"commit {source} is in another store, {source.store_path}",
                hint="put what `source.stream_file(path)` gives",
            )
        parts = split_path(path)
        entry: Entry = source.tree.find(source_path)
        if not parts:
            raise InvalidPathError(path, "it is the root; copy what is in it")
        self._stage([Edit(Op.PUT, parts, entry)])

    # --- end -----------------------------------------------------------------------------

    def finish(self) -> Commit | None:
        """Publish: the commit becomes the head of its branch, durably, all of it at once.

        Returns:
            The commit; None when it changed nothing and was not asked for even so.

        Raises:
            CommitFinishedError: It was finished or discarded already.
            HeadMovedError: The branch was moved meanwhile.
            PathClashError: A path would be a file and a directory; the commit stays open.
        """
        self._check_unended()
        self._check_open()
        record = finish(
            self._store.kv,
            self.repo,
            self.id,
            self._store.cache,
            self._writer,
            self._edits,
            allow_empty=self._allow_empty,
        )
        self._drop()
        if record is not None:
            self.commit = Commit(self._store, record)
        return self.commit

    def discard(self) -> None:
        """Throw all of it away; the branch is as if it had never been started. Idempotent."""
        self._drop()
        with self._store.kv.write() as txn:
            found = find_open(txn, self.id)
            if found is not None:
                discard(txn, found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._ended or os.getpid() != self._maker:  # by the block itself; in a forked child
            return
        if kind is not None:
            self._forsake()
            return
        try:
            self.finish()
        except BaseException:
            self._forsake()
            raise

    # --- inside --------------------------------------------------------------------------

    def _add(self, data: Data) -> Content:
        if isinstance(data, str):
            return self._writer.add_bytes(data.encode("utf-8"))
        if isinstance(data, bytes | bytearray | memoryview):
            return self._writer.add_bytes(bytes(data))
        if hasattr(data, "read"):
            return self._writer.add_blocks(_blocks_of(data))
        return self._writer.add_blocks(data)  # type: ignore[arg-type] # an iterable is what is left

    def _stage(self, edits: list[Edit]) -> None:
        before = len(self._edits)
        self._edits.extend(edits)
        try:
            if len(self._edits) >= _EDITS_MAX:
                self._fold()
            elif self._durable:
                self._save()
        except BaseException:
            del self._edits[before:]  # so that the call may be made again
            raise

    def _fold(self) -> None:
        self._check_open()
        fold(self._store.kv, self.repo, self.id, self._store.cache, self._writer, self._edits)
        self._edits.clear()

    def _save(self) -> None:
        with self._writer.writing() as txn:
            record = self._check_open_in(txn)
            check_edits(txn, record, self._edits, self._store.cache)
            stage(txn, record, self._edits)
            many = staged_count(txn, record) > _STAGED_MAX
        self._edits.clear()
        if many:
            with suppress(PfsError):  # they are staged, and finishing folds them, too
                self._fold()

    def _check_unended(self) -> None:
        if self._ended:
            self._check_open()
            raise CommitFinishedError(self.repo, self.id)

    def _check_open(self) -> None:
        with self._store.kv.read() as txn:
            self._check_open_in(txn)

    def _check_open_in(self, txn: ReadTxn) -> OpenRecord:
        record = find_open(txn, self.id)
        if record is not None:
            return record
        if find_commit(txn, self.id) is not None:
            raise CommitFinishedError(self.repo, self.id)
        raise CommitNotFoundError(self.repo, self.id, hint="it was discarded")

    def _forsake(self) -> None:
        """Discard without hiding the error that ended the block.

        If the store cannot be written now, that is done when the branch is wanted again.
        """
        try:
            self.discard()
        except PfsError:
            self._store.forsaken.add(self.id)

    def _drop(self) -> None:
        self._ended = True
        self._writer.close()
        self._edits = []


def _with_op(edit: Edit, op: Op) -> Edit:
    """The edit, appending if that is asked for and the entry is one that can be appended."""
    assert edit.entry is not None
    return Edit(op, edit.path, edit.entry) if edit.entry.is_file else edit


def _blocks_of(file: Any) -> Iterator[bytes]:  # noqa: ANN401 - whatever has a read method
    while block := file.read(_FILE_BLOCK):
        if isinstance(block, str):
            raise InvalidInputError(
                "the file to be put was opened as text", hint='open it with mode "rb"'
            )
        yield block
