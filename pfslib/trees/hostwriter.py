"""Files of a commit out, below one host directory; each whole or not at all.

Nothing below the directory is trusted: every name is taken relative to a descriptor, no link is
followed, and a file comes into being under another name and is then renamed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pfslib.kv.protocol import ReadTxn
from pfslib.kv.room import NO_ROOM
from pfslib.model.errors import CorruptionError, InvalidPathError, PfsError
from pfslib.model.nodes import Entry
from pfslib.model.paths import to_text
from pfslib.trees.filereader import read_file
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.tally import Tally

_BLOCK: Final = 1 << 20
_NEW_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NAMELESS_FLAGS: Final = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
_NAMELESS_MIN: Final = 1 << 20
_OLD_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_BAD_NAME: Final = {errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG}


class HostWriter:
    """Writes entries of a tree into host directories of one file system.

    Attributes:
        tally: What was written.
    """

    def __init__(
        self, txn: ReadTxn, cache: TreeCache, top: int, temporary: bytes, tally: Tally
    ) -> None:
        """Write by way of a temporary name in a directory.

        Args:
            txn: The state to read.
            cache: What is remembered of trees.
            top: Descriptor of a directory in the file system to write to.
            temporary: A name in it that is nobody else's.
            tally: Counts what is written.
        """
        self._txn = txn
        self._cache = cache
        self._top = top
        self._temporary = temporary
        self.tally = tally

    def put(self, directory: int, name: bytes, entry: Entry) -> None:
        """Write a file or link, replacing the file or link of that name."""
        try:
            if entry.is_symlink:
                os.symlink(self._content(entry), self._temporary, dir_fd=self._top)
                self._set_link_time(self._top, self._temporary, entry)
            else:
                self._write(entry)
            os.rename(self._temporary, name, src_dir_fd=self._top, dst_dir_fd=directory)
        except BaseException:
            self.clean()
            raise
        self.tally.add(files=1)

    def clean(self) -> None:
        """Remove what was left under the temporary name."""
        with suppress(FileNotFoundError):
            os.unlink(self._temporary, dir_fd=self._top)

    def holds(self, directory: int, name: bytes, status: os.stat_result, entry: Entry) -> bool:
        """Whether what is there has the entry's content; mode and time are then set, too."""
        if entry.is_symlink:
            if not stat.S_ISLNK(status.st_mode):
                return False
            return os.readlink(name, dir_fd=directory) == self._content(entry)
        if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
            return False
        fd = os.open(name, _OLD_FLAGS, dir_fd=directory)
        try:
            if not self._equal(fd, entry):
                return False
            if is_executable(status) != entry.executable:
                os.fchmod(fd, _with_executable(status.st_mode, executable=entry.executable))
            if status.st_mtime_ns != entry.mtime_ns:
                os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)
        return True

    def _write(self, entry: Entry) -> None:
        if entry.size < _NAMELESS_MIN:  # not worth two more calls to the system
            fd, nameless = self._named(entry), False
        else:
            fd, nameless = self._nameless(entry)
        try:
            for block in self._blocks(entry):
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                self.tally.add(size=len(block))
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
            if nameless:
                os.link(f"/proc/self/fd/{fd}", self._temporary, dst_dir_fd=self._top)
        finally:
            os.close(fd)

    def _named(self, entry: Entry) -> int:
        return os.open(self._temporary, _NEW_FLAGS, _mode(entry), dir_fd=self._top)

    def _nameless(self, entry: Entry) -> tuple[int, bool]:
        """A file that goes by itself when the process is killed, where there is such a thing."""
        if Path("/proc/self/fd").exists():  # by way of which it gets its name
            with suppress(OSError):
                return os.open(b".", _NAMELESS_FLAGS, _mode(entry), dir_fd=self._top), True
        return self._named(entry), False

    def _equal(self, fd: int, entry: Entry) -> bool:
        for block in self._blocks(entry):
            found = b""
            while len(found) < len(block) and (part := os.read(fd, len(block) - len(found))):
                found += part
            if found != block:
                return False
        return not os.read(fd, 1)

    def _blocks(self, entry: Entry) -> Iterator[bytes]:
        for offset in range(0, entry.size, _BLOCK):
            yield read_file(self._txn, entry, offset, _BLOCK, self._cache)

    def _content(self, entry: Entry) -> bytes:
        return read_file(self._txn, entry, 0, None, self._cache)

    def _set_link_time(self, directory: int, name: bytes, entry: Entry) -> None:
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)


def is_executable(status: os.stat_result) -> bool:
    """Whether a host file may be executed, by whomever."""
    return bool(status.st_mode & 0o111)


def _mode(entry: Entry) -> int:
    return 0o777 if entry.executable else 0o666


def _with_executable(mode: int, *, executable: bool) -> int:
    """A mode that lets whoever may read also execute, or nobody."""
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111


@contextmanager
def naming(path: bytes) -> Iterator[None]:
    """Have errors of the host's file system say which path they met."""
    try:
        yield
    except CorruptionError as error:
        why = f"{error.message} (met when {to_text(path)} was to be written)"
        raise CorruptionError(why, hint=error.hint) from error
    except PfsError:
        raise
    except OSError as error:
        if error.errno in _BAD_NAME:
            why = f"the file system there refuses it: {error.strerror}"
            raise InvalidPathError(to_text(path), why) from error
        error.filename, error.filename2 = to_text(path), None
        if error.errno in NO_ROOM:
            error.add_note("make room there and call again: an export goes on where it stopped")
        raise
