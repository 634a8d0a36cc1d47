"""OpenCommit: a commit that still takes edits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from pfslib.api.commit import Commit
from pfslib.api.copy_verbs import CopyVerbs
from pfslib.api.data import SPECIAL_HINT, Data, Special, add_data
from pfslib.api.delete_verbs import DeleteVerbs
from pfslib.api.diff_verbs import DiffVerbs
from pfslib.api.editing import Editing, Seen, holding
from pfslib.api.exclusive import Turns, one_at_a_time
from pfslib.api.mapped_writes import known_files
from pfslib.api.pages import open_commit_html
from pfslib.api.read_verbs import ReadVerbs
from pfslib.api.tree import Tree
from pfslib.commits.forsaken import enter_block, forsake
from pfslib.kv.short_reads import ShortReads
from pfslib.model.errors import InvalidInputError, InvalidPathError, PfsError, StateError
from pfslib.model.history import OpenCommit as OpenRecord
from pfslib.model.nodes import Entry, Kind
from pfslib.model.paths import split_path
from pfslib.trees.edit import Edit, Op
from pfslib.trees.hostfile import clamped, entry_of, read_host_file
from pfslib.trees.hoststats import HostStats
from pfslib.trees.hosttree import Base, TreeReader
from pfslib.trees.spool import EditSpool
from pfslib.trees.tally import Progress, Tally
from pfslib.trees.walk import Parts

if TYPE_CHECKING:
    from pfslib.api.store import Store

OFFSET_MAX: Final = 1 << 44
"""The largest file that ext4 takes: a gap costs nothing here, but exporting it would."""


class OpenCommit(ReadVerbs, DiffVerbs, CopyVerbs, DeleteVerbs):
    """A commit in the making; other readers see nothing of it.

    As a context manager it is published, all of it, when the block ends, and discarded when the
    block raises. Otherwise it lasts until `finish` or `discard`, also across processes.

    Reading gives what has been put so far, on top of the branch.

    Several threads may share it: each call waits for that of another thread. Several processes may
    each have one on the same commit.
    """

    _store: Store

    def __init__(
        self, store: Store, record: OpenRecord, *, durable: bool, allow_empty: bool
    ) -> None:
        self._store = store
        self._record = record
        self._allow_empty = allow_empty
        self._durable = durable
        self._editing = Editing(store, record, durable=durable)
        self._maker = os.getpid()
        self._shown: Tree | None = None
        self._turns = Turns()
        self.commit: Commit | None = None
        """The commit, once finished; None before, and when nothing had changed."""

    def __repr__(self) -> str:
        return f"<OpenCommit {self}>"

    def __str__(self) -> str:
        return f"{self.repo}@{self.id} on {self.branch}"

    def _repr_html_(self) -> str:
        return open_commit_html(self)

    def __reduce__(self) -> tuple[Callable[..., OpenCommit], tuple[Store, str, str]]:
        if not self._durable:
            raise StateError(
                f"open commit {self} ends with its `with` block and is not pickled",
                hint="`start_commit` makes one that other processes can go on with",
            )
        return type(self._store).open_commit, (self._store, self.repo, self.id)

    def _to_edit(self, path: str) -> Self:  # noqa: ARG002 - a finished one says it
        return self

    @property
    def store_path(self) -> Path:
        """Directory of the store it is in."""
        return self._store.path

    @property
    def tree(self) -> Tree:
        """What has been put so far, on top of the branch; does not change with what is put next."""
        return self._tree()

    @property
    def id(self) -> str:
        """The id it will have as a commit."""
        return self._record.id

    @property
    def repo(self) -> str:
        """Name of its repo."""
        return self._record.repo

    @property
    def place(self) -> str:
        """What means it in all references: ``repo@id``."""
        return f"{self.repo}@{self.id}"

    @property
    def branch(self) -> str:
        """Name of its branch."""
        return self._record.branch

    def parent(self) -> Commit | None:
        """The commit it is on top of; None for the first of a branch."""
        parent = self._record.parent
        return self._store.commit(f"{self.repo}@{parent}") if parent else None

    # --- putting -------------------------------------------------------------------------

    @one_at_a_time
    def put_file(
        self,
        path: str,
        data: Data,
        *,
        append: bool = False,
        special: Special = "refuse",
        reread: bool = False,
        mapped: bool = False,
        progress: Progress | None = None,
    ) -> list[str]:
        """Write a file, or a whole directory of the host.

        A directory is laid over what is there: files that it does not have stay. Its files that
        are unchanged since they were last put, by inode, size and times, are not read again (what
        is written through a memory map changes no time for half a minute: see `mapped`). A file is
        read as far as it went when it was looked at, so that a growing log has an end. One that
        changes while it is read is read once more; if it changes again, what is stored may be
        neither the old nor the new content, which the logger ``pfslib`` is told as a warning.
        Empty directories are not kept, as in git: one is there while something is in it.

        Args:
            path: Where, in the commit; directories above it come with it.
            data: The content: bytes, or what else has a buffer; a `str`, stored as UTF-8; a binary
                file; an iterable of bytes. A `pathlib.Path` is a host file or directory to read.
            append: Add to what is there instead of replacing it; of a directory, file by file.
            special: Of a directory: ``refuse`` or ``skip`` devices, fifos and sockets in it.
            reread: Of a directory: read every file, whatever is known of it.
            mapped: Of a directory: sync its file system first, so that what is written through
                memory maps shows, now and the next time. All files are read instead where it is not
                known to show then: elsewhere than on ext, xfs, btrfs and f2fs.
            progress: Of what is on the host: told files and bytes read so far.

        Returns:
            The host paths that were skipped: special files, and the store's own directory.

        Raises:
            InvalidPathError: Not a path for a file.
            CommitFinishedError: The commit is no longer open.
            PathClashError: A path would be a file and a directory; may come later, in ``finish``.
            UnsupportedFileError: A host file that cannot be stored; nothing of the call is kept.
            InvalidInputError: Not data, or not a value for ``special``.

        Cost: reading and hashing the data, also of an append; only what is new is written.
        """
        self._editing.check()
        parts = split_path(path)
        op = Op.APPEND if append else Op.PUT
        if special not in {"refuse", "skip"}:
            raise InvalidInputError(f'special must be "refuse" or "skip", not {special!r}')
        if isinstance(data, os.PathLike) and Path(data).is_dir():
            host = Path(data).resolve()
            with self._editing.adding(), holding(self._store.kv) as hold:
                seen = self._editing.see_held(parts, hold) if op == Op.PUT else None
                known = known_files(self._store.kv, host, reread=reread, mapped=mapped)
                return self._put_tree(host, parts, op, seen, known, special, progress)
        self._check_file_path(path, parts)
        with self._editing.adding():
            if isinstance(data, os.PathLike):
                tally = Tally(progress)
                entry = read_host_file(Path(data), self._editing.writer, tally)
                tally.add(files=1)
                tally.end()
            else:
                content = add_data(self._editing.writer, data)
                entry = entry_of(content, executable=False, mtime_ns=time.time_ns())
            self._editing.add([Edit(op, parts, entry)])
        return []

    @one_at_a_time
    def write_at(self, path: str, offset: int, data: Data) -> None:
        """Write over a part of a file, from an offset on; what is beyond its end makes it longer.

        A file that is not there begins as an empty one; a gap before the offset becomes zeros.

        Args:
            path: The file.
            offset: First byte to write over.
            data: The bytes: all that `put_file` takes, but no directory.

        Raises:
            InvalidInputError: The offset is negative, or more than OFFSET_MAX.
            IsADirectoryInCommitError, PathClashError: A directory or link is there. In a ``with``
                block this may also come only when the commit is read or finished.

        Cost: O(size of the data), whatever the size of the file, when the commit is next read or
        finished.
        """
        self._editing.check()
        parts = split_path(path)
        self._check_file_path(path, parts)
        if not 0 <= offset <= OFFSET_MAX:
            raise InvalidInputError(f"offset {offset} is not one of 0 to {OFFSET_MAX}")
        with self._editing.adding():
            if isinstance(data, os.PathLike):
                entry = read_host_file(Path(data), self._editing.writer)
            else:
                content = add_data(self._editing.writer, data)
                entry = entry_of(content, executable=False, mtime_ns=time.time_ns())
            self._editing.add([Edit(Op.WRITE, parts, entry, offset)])

    @one_at_a_time
    def put_entry(
        self, path: str, data: Data, kind: Kind, *, modified: datetime | None = None
    ) -> None:
        """Write a file or link as somebody else has kept it, for imports; see `put_file`.

        Args:
            path: Where, in the commit.
            data: The content; of a link, its target.
            kind: A file, an executable one, or a link.
            modified: When it was changed last; None for now.

        Raises:
            InvalidInputError: A directory: it comes with what is in it.
        """
        self._editing.check()
        parts = split_path(path)
        self._check_file_path(path, parts)
        if kind == Kind.DIRECTORY:
            raise InvalidInputError(f"{path}: a directory cannot be put without what is in it")
        moment = time.time_ns() if modified is None else int(modified.timestamp() * 1e9)
        with self._editing.adding():
            content = add_data(self._editing.writer, data)
            entry = Entry(b"", kind, content.size, content.ref, clamped(moment), b"")
            self._editing.add([Edit(Op.PUT, parts, entry)])

    # --- end -----------------------------------------------------------------------------

    @one_at_a_time
    def finish(self, *, message: str = "") -> Commit | None:
        """Publish: the commit becomes the head of its branch, durably, all of it at once.

        Args:
            message: Why, instead of what was said at the start.

        Returns:
            The commit; None when it changed nothing and was not asked for even so.

        Raises:
            CommitFinishedError: It was finished or discarded already.
            HeadMovedError: The branch was moved meanwhile.
            PathClashError: A path would be a file and a directory; the commit stays open.
        """
        record = self._editing.finish(allow_empty=self._allow_empty, message=message)
        self._shown = None
        if record is not None:
            self.commit = Commit(self._store, record)
        return self.commit

    @one_at_a_time
    def discard(self) -> None:
        """Throw all of it away; the branch is as if it had never been started. Idempotent."""
        self._shown = None
        self._editing.discard()

    def __enter__(self) -> Self:
        enter_block(self.id)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._editing.ended or os.getpid() != self._maker:  # by the block itself; in a fork
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

    def _forsake(self) -> None:
        """Discard without hiding the error that ended the block.

        If the store cannot be written now, that is done when the branch is wanted again.
        """
        try:
            self.discard()
        except PfsError:
            forsake(self.id)

    @one_at_a_time
    def _tree(self) -> Tree:
        shown = self._shown
        if shown is None or self._editing.see(()).root != shown.root or os.getpid() != self._maker:
            kv, cache, hold = self._store.kv, self._store.cache, self._store.kv.hold()
            root = self._editing.see_held((), hold).root
            self._shown = shown = Tree(kv, root, cache, where=self._editing.where, hold=hold)
        return shown

    def _put_tree(
        self,
        directory: Path,
        at: Parts,
        op: Op,
        seen: Seen | None,
        known: HostStats,
        special: Special,
        progress: Progress | None,
    ) -> list[str]:
        tally = Tally(progress)
        while True:
            base = seen and Base(ShortReads(self._store.kv), seen.root, self._store.cache)
            reader = TreeReader(
                self._editing.writer,
                skip_special=special == "skip",
                special_hint=SPECIAL_HINT,
                stats=known,
                base=base,
                tally=tally,
                leave_out=self._store.path,
            )
            with EditSpool(self._store.path) as edits:
                with self._editing.naming(at):
                    for edit in reader.read(directory, at):
                        edits.add(edit if op == Op.PUT else _with_op(edit, op))
                if self._editing.add_all(edits, seen):
                    tally.end()
                    return reader.skipped
            # Another process edited the commit meanwhile: put every file, whatever is there.
            seen, tally = None, Tally(None)

    def _check_file_path(self, path: str, parts: Parts) -> None:
        if not parts:
            raise InvalidPathError(path, "it is the root, not a file")


def _with_op(edit: Edit, op: Op) -> Edit:
    """The edit, appending if that is asked for and the entry is one that can be appended."""
    assert edit.entry is not None
    return Edit(op, edit.path, edit.entry) if edit.entry.is_file else edit
