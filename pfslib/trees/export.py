"""A directory of a commit out, into a host directory."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import AlreadyExistsError, BusyError
from pfslib.model.nodes import Entry
from pfslib.model.paths import to_text
from pfslib.trees.damage import damage_at
from pfslib.trees.hostwriter import HostWriter, is_executable, naming
from pfslib.trees.lookup import find_child, scan_directory
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.tally import Progress, Tally

_TEMPORARY: Final = b"new"
_NEVER_NS: Final = 1 << 63
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Exported(msgspec.Struct, frozen=True):
    """What an export did."""

    files: int
    """Files and links written."""

    bytes: int
    """Of those files."""

    skipped: int
    """Files and links that were there already."""


def export_tree(
    txn: ReadTxn,
    directory: Entry,
    target: Path,
    cache: TreeCache,
    *,
    at: tuple[bytes, ...] = (),
    overwrite: bool = False,
    trust_times: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write everything below a directory of a tree into a host directory.

    Args:
        txn: The state to read.
        directory: What to write.
        target: Where to; made when it is not there. What else is in it stays.
        cache: What is remembered of trees.
        at: Its path in the tree, for reports of damage.
        overwrite: Replace files that differ, instead of refusing.
        trust_times: Take files of the right size, mode and time for what they should be, unread.
        progress: Told files and bytes written so far.

    Raises:
        AlreadyExistsError: Something else is at a path; or the file system there takes two names
            for one.
        BusyError: Another export into the directory is running.
        InvalidPathError: The file system there refuses a name.
        OSError: Its other errors; the path is in them.

    Every file appears whole or not at all, so an export that was interrupted is resumed by the
    same call. Files that are there already are compared, but for those that the interrupted export
    wrote itself. Memory: a MiB, and the names of one directory of the target.
    """
    if target.exists() and not target.is_dir():
        raise AlreadyExistsError(f"{target} is a file", hint="name a directory to export into")
    target.mkdir(parents=True, exist_ok=True)
    top = os.open(target, _DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
    try:
        _lock(top, target)
        tally = Tally(progress)
        name = _free_name(txn, directory, cache)
        writer = HostWriter(txn, cache, top, name + _TEMPORARY, tally)
        writer.clean()
        with _noted(top, os.fsencode(target), name, directory, tally) as trusted_after_ns:
            export = _Export(
                txn,
                cache,
                writer,
                overwrite=overwrite,
                trusted_after_ns=0 if trust_times else trusted_after_ns,
            )
            export.directory(top, directory, os.fsencode(target), at, fresh=False)
    finally:
        os.close(top)
    tally.end()
    return Exported(tally.files, tally.bytes, export.skipped)


def export_file(
    txn: ReadTxn,
    entry: Entry,
    target: Path,
    cache: TreeCache,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write one file or link of a tree as a file or link of the host, whole or not at all.

    Args:
        txn: The state to read.
        entry: What to write.
        target: Its path on the host, in a directory that exists.
        cache: What is remembered of trees.
        overwrite: Replace the file or link that is there; a link is not followed.
        progress: Told files and bytes written so far.

    Raises:
        AlreadyExistsError: Something is there.
        OSError: Errors of the host's file system.
    """
    path = os.fsencode(target)
    with naming(path):
        top = os.open(target.parent, _DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
        try:
            if target.is_dir() and not target.is_symlink():
                raise _exists(path, "is a directory")
            if not overwrite and os.path.lexists(target):
                raise _exists(path, "exists")
            temporary = b".pfs-get-%s~" % os.urandom(8).hex().encode()
            writer = HostWriter(txn, cache, top, temporary, Tally(progress))
            writer.put(top, os.fsencode(target.name), entry)
            writer.tally.end()
        finally:
            os.close(top)


def _lock(top: int, target: Path) -> None:
    """Keep other exports out of the directory until it is closed."""
    try:
        fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(
            f"another export into {target} is running", hint="wait until it is done"
        ) from None
    except OSError:
        return  # a file system without locks


def _free_name(txn: ReadTxn, directory: Entry, cache: TreeCache) -> bytes:
    """The first of our names that does not begin the name of anything to be written."""

    def is_free(name: bytes) -> bool:
        found = (find_child(txn, directory, n, cache) for n in (name, name + _TEMPORARY))
        return not any(found)

    return next(filter(is_free, (b".pfs-export-%d~" % number for number in count())))


@contextmanager
def _noted(top: int, path: bytes, name: bytes, directory: Entry, tally: Tally) -> Iterator[int]:
    """Leave a note in the target of what is being exported there, until all of it is.

    Yields:
        When the interrupted export of the same began: what came later is its own work.
    """
    with naming(path):
        began_ns = _take_note(top, name, directory.content.hex().encode())
    try:
        yield began_ns
    except BaseException:
        if tally.files == 0 and began_ns == _NEVER_NS:
            os.unlink(name, dir_fd=top)
        raise
    os.unlink(name, dir_fd=top)


def _take_note(top: int, name: bytes, digest: bytes) -> int:
    """When an export of a digest began whose note is there; else leave one."""
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=top)
    try:
        if os.read(fd, len(digest) + 1) == digest:
            return os.fstat(fd).st_mtime_ns
        os.ftruncate(fd, 0)
        os.pwrite(fd, digest, 0)
    except OSError:
        os.unlink(name, dir_fd=top)  # an empty one says nothing
        raise
    finally:
        os.close(fd)
    return _NEVER_NS


class _Export:
    """One export, underway."""

    def __init__(
        self,
        txn: ReadTxn,
        cache: TreeCache,
        writer: HostWriter,
        *,
        overwrite: bool,
        trusted_after_ns: int,
    ) -> None:
        self._txn = txn
        self._cache = cache
        self._writer = writer
        self._overwrite = overwrite
        self._trusted_after_ns = trusted_after_ns
        self.skipped = 0

    def directory(
        self, fd: int, directory: Entry, path: bytes, at: tuple[bytes, ...], *, fresh: bool
    ) -> None:
        """Write the entries of a directory into one of the host, which is empty if fresh."""
        before = frozenset() if fresh else frozenset(map(os.fsencode, os.listdir(fd)))
        for entry in scan_directory(self._txn, directory, self._cache):
            below, inside = path + b"/" + entry.name, (*at, entry.name)
            known = entry.name in before
            if not entry.is_dir:
                with damage_at(inside), naming(below):
                    self._file(fd, entry, below, known=known)
                continue
            with naming(below):
                child, fresh = self._enter(fd, entry.name, below, known=known)
            try:
                with damage_at(inside):
                    self.directory(child, entry, below, inside, fresh=fresh)
                if fresh:
                    os.utime(child, ns=(entry.mtime_ns, entry.mtime_ns))
            finally:
                os.close(child)

    def _enter(self, fd: int, name: bytes, path: bytes, *, known: bool) -> tuple[int, bool]:
        """Open a directory; whether it had to be made."""
        if known and self._overwrite:
            with suppress(IsADirectoryError):
                os.unlink(name, dir_fd=fd)
                known = False
        if not known:
            try:
                os.mkdir(name, dir_fd=fd)
            except FileExistsError:
                raise _twin(path) from None
        try:
            return os.open(name, _DIRECTORY_FLAGS, dir_fd=fd), not known
        except NotADirectoryError:
            raise _exists(path, "exists and is no directory") from None

    def _file(self, fd: int, entry: Entry, path: bytes, *, known: bool) -> None:
        try:
            status = os.stat(entry.name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            self._writer.put(fd, entry.name, entry)
            return
        if not known:
            raise _twin(path)
        if stat.S_ISDIR(status.st_mode):
            raise _exists(path, "is a directory")
        if self._is_there(fd, status, entry):
            self.skipped += 1
        elif self._overwrite:
            self._writer.put(fd, entry.name, entry)
        else:
            raise _exists(path, "exists and is another file")

    def _is_there(self, fd: int, status: os.stat_result, entry: Entry) -> bool:
        alike = (
            entry.is_file
            and stat.S_ISREG(status.st_mode)
            and status.st_size == entry.size
            and status.st_mtime_ns == entry.mtime_ns
            and is_executable(status) == entry.executable
        )
        if alike and status.st_ctime_ns > self._trusted_after_ns:
            return True
        return self._writer.holds(fd, entry.name, status, entry)


def _exists(path: bytes, what: str) -> AlreadyExistsError:
    hint = "overwrite (--overwrite) replaces files and links, never directories"
    return AlreadyExistsError(f"{to_text(path)} {what}", hint=hint)


def _twin(path: bytes) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{to_text(path)}: the file system there takes it for another name of its directory",
        hint="export to a file system that tells apart upper and lower case, and all forms of é",
    )
