"""A host directory in, edits out; nothing in the directory is trusted.

The walk goes by descriptors from one opened at the start, never follows a link, opens files so that
a fifo cannot block it, and looks at what it opened, not at what the name said before.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, Protocol

from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import PathClashError, PfsError, UnsupportedFileError
from pfslib.model.nodes import Content, Entry
from pfslib.model.paths import DEPTH_MAX, join_path, to_text
from pfslib.trees.contents import ContentWriter
from pfslib.trees.edit import Edit, Op
from pfslib.trees.hostfile import Read, check_supported, entry_of_status, kind_of, read_file_at
from pfslib.trees.hoststats import DirectoryStats, HostStats
from pfslib.trees.lookup import Ascending, find_child
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.tally import Tally
from pfslib.trees.walk import Parts

_ENCODING: Final = sys.getfilesystemencoding()
_ERRORS: Final = sys.getfilesystemencodeerrors()  # spelled out, `os.fsencode` is much faster
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Base(NamedTuple):
    """The tree that the edits are for; what is in it already needs no edit."""

    txn: ReadTxn
    root: Entry
    cache: TreeCache


class Inspector(Protocol):
    """Decides about what is in a directory that is not trusted at all.

    Its methods may raise an `UnsupportedFileError`; paths are those below the directory.
    """

    def check_file(self, path: Parts, status: os.stat_result) -> None:
        """Look at a file before it is read."""
        ...

    def put_link(self, path: Parts, target: bytes) -> Entry | bytes:
        """What is put in the place of a symbolic link: an entry, or a link of some target."""
        ...


class TreeReader:
    """Reads host directories.

    Attributes:
        skipped: Paths of what was left out: special files, and the directory to leave out.
    """

    def __init__(
        self,
        writer: ContentWriter,
        *,
        inspector: Inspector | None = None,
        skip_special: bool = False,
        special_hint: str = "",
        stats: HostStats | None = None,
        base: Base | None = None,
        tally: Tally | None = None,
        leave_out: Path | None = None,
    ) -> None:
        """Choose how to read.

        Args:
            writer: Takes the contents.
            inspector: May refuse files and links, and change links; else they are kept as they are.
            skip_special: Leave out devices, fifos and sockets, instead of refusing them.
            special_hint: What the caller can do about one that is refused.
            stats: Files unchanged since they were noted here are not read.
            base: Files that are in this tree already give no edit.
            tally: Counts what is read.
            leave_out: A directory not to go into: the store, which would hold itself.
        """
        self._writer = writer
        self._inspector = inspector
        self._skip_special = skip_special
        self._special_hint = special_hint
        self._stats = stats
        self._base = base
        self._tally = tally or Tally(None)
        self._leave_out = _identity(leave_out.stat()) if leave_out is not None else None
        self.skipped: list[str] = []

    def read(self, directory: Path, at: Parts) -> Iterator[Edit]:
        """Puts for everything below a host directory, in path order.

        Args:
            directory: Where to begin; must itself be a directory, not a link to one.
            at: Path in the commit that the directory corresponds to.

        Raises:
            OSError: The host file system's own errors.
            PathClashError: The base has a file where a directory is put, or the other way round.
            UnsupportedFileError: A device, fifo or socket, or something that the inspector refuses;
                or the directory itself is to be left out.
        """
        self._top, self._at = os.fsencode(directory), at
        old = self._find_base(at)
        fd = os.open(directory, _DIRECTORY_FLAGS)
        try:
            if _identity(os.fstat(fd)) == self._leave_out:
                raise UnsupportedFileError(self._shown(()), "is the store itself")
            yield from self._directory(fd, (), old)
        finally:
            os.close(fd)
        if self._stats is not None:
            self._stats.save()

    def _find_base(self, at: Parts) -> Entry | None:
        """What the base has at a path."""
        if self._base is None:
            return None
        entry: Entry | None = self._base.root
        for depth, name in enumerate(at):
            assert entry is not None
            if not entry.is_dir:
                raise PathClashError(join_path(at[:depth]), "it is a file: nothing can be below it")
            entry = find_child(self._base.txn, entry, name, self._base.cache)
            if entry is None:
                break
        return entry

    def _directory(self, fd: int, below: Parts, old: Entry | None) -> Iterator[Edit]:
        self._check_directory(below, old)
        rows = self._stats.directory(os.fstat(fd)) if self._stats is not None else None
        base = None
        if self._base is not None and old is not None:
            base = Ascending(self._base.txn, old, self._base.cache)
        for name in self._names(fd, below):
            path = (*below, name)
            status = self._status(fd, path)
            if status is None:
                continue
            before = base.find(name) if base is not None else None
            if stat.S_ISDIR(status.st_mode):
                yield from self._subdirectory(fd, path, before)
                continue
            try:
                entry = self._entry(fd, path, status, rows, before)
            except PfsError:
                raise
            except OSError as error:
                raise self._named(error, path) from None
            if entry is not None:
                yield Edit(Op.PUT, (*self._at, *path), entry)
        if rows is not None:
            rows.close()

    def _check_directory(self, path: Parts, old: Entry | None) -> None:
        if len(self._at) + len(path) >= DEPTH_MAX:
            raise UnsupportedFileError(self._shown(path), f"is deeper than {DEPTH_MAX} directories")
        if old is not None and not old.is_dir:
            self._clash(path, "it is a file: nothing can be put below it")

    def _names(self, fd: int, below: Parts) -> list[bytes]:
        try:
            names = os.listdir(fd)
        except OSError as error:
            raise self._named(error, below) from None
        return sorted([name.encode(_ENCODING, _ERRORS) for name in names])

    def _subdirectory(self, fd: int, path: Parts, old: Entry | None) -> Iterator[Edit]:
        try:
            child = os.open(path[-1], _DIRECTORY_FLAGS, dir_fd=fd)
        except FileNotFoundError:  # removed meanwhile
            return
        except OSError as error:
            raise self._named(error, path) from None
        try:
            yield from self._directory(child, path, old)
        finally:
            os.close(child)

    def _status(self, fd: int, path: Parts) -> os.stat_result | None:
        """What a name stands for; None if nothing is to be put for it."""
        try:
            status = os.stat(path[-1], dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:  # removed meanwhile
            return None
        except OSError as error:
            raise self._named(error, path) from None
        if _identity(status) == self._leave_out:
            self.skipped.append(self._shown(path))
            return None
        return status

    def _entry(
        self,
        fd: int,
        path: Parts,
        status: os.stat_result,
        rows: DirectoryStats | None,
        old: Entry | None,
    ) -> Entry | None:
        """The entry to put for a file or link; None if nothing needs to be."""
        if old is not None and old.is_dir:
            self._clash(path, "it is a directory: delete it first")
        if rows is not None:
            row = rows.find(path[-1])
            if row is not None and row.is_of(status):
                same = old is not None and _is_entry(old, row.size, row.ref, status)
                content = Content(row.size, row.ref)
                if same or self._writer.rely_on(content):
                    rows.keep(row)
                    self._tally.add(files=1, size=row.size)
                    return None if same else entry_of_status(content, status, path[-1])
        if stat.S_ISLNK(status.st_mode):
            target = self._target(fd, path)
            if isinstance(target, Entry):
                return target
            read: Read | None = self._link(target, status)
        else:
            read = self._read(fd, path, status)
        if read is None:
            return None
        content, status, steady = read
        self._tally.add(files=1)
        if rows is not None and steady and content.size == status.st_size:
            rows.note(path[-1], status, content.ref)
        if old is not None and _is_entry(old, content.size, content.ref, status):
            return None
        return entry_of_status(content, status, path[-1])

    def _target(self, fd: int, path: Parts) -> Entry | bytes:
        """What is put for a link."""
        target = os.readlink(path[-1], dir_fd=fd)
        return target if self._inspector is None else self._inspector.put_link(path, target)

    def _link(self, target: bytes, status: os.stat_result) -> Read:
        content = self._writer.add_bytes(target)
        self._tally.add(size=content.size)
        return Read(content, status, steady=True)

    def _read(self, fd: int, path: Parts, status: os.stat_result) -> Read | None:
        """What is in a file; None if there is nothing to put."""
        if stat.S_ISREG(status.st_mode):
            if self._inspector is not None:
                self._inspector.check_file(path, status)
            return read_file_at(
                fd, path[-1], status, self._writer, self._tally, lambda: self._shown(path)
            )
        shown = self._shown(path)
        if not self._skip_special:
            check_supported(status, shown, hint=self._special_hint)
        self.skipped.append(shown)
        return None

    def _clash(self, path: Parts, why: str) -> NoReturn:
        raise PathClashError(join_path((*self._at, *path)), why)

    def _named(self, error: OSError, path: Parts) -> OSError:
        """The error, telling the whole path instead of a name in some directory."""
        error.filename = self._shown(path)
        return error

    def _shown(self, path: Parts) -> str:
        return to_text(b"/".join((self._top, *path)))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_entry(entry: Entry, size: int, ref: bytes, status: os.stat_result) -> bool:
    """Whether an entry is that of a host file with some content."""
    return entry.content == ref and entry.size == size and entry.kind == kind_of(status)
