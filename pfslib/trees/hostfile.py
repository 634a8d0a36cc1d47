"""One host file or link in; whatever its name said, what was opened is looked at."""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from pfslib.model.errors import UnsupportedFileError
from pfslib.model.nodes import PIECE_MAX, Content, Entry, Kind
from pfslib.trees.contents import ContentWriter
from pfslib.trees.holes import hole_bytes, sparse_reader
from pfslib.trees.tally import Tally

_log = logging.getLogger("pfslib")

_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

_HOLES_MIN: Final = 1 << 20
"""From so many bytes on it is worth while to ask where they are."""

_TIME_MIN: Final = -(1 << 63)
_TIME_MAX: Final = (1 << 63) - 1

_WHAT: Final = {
    stat.S_IFIFO: "is a fifo",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFBLK: "is a block device",
    stat.S_IFCHR: "is a character device",
}


class Read(NamedTuple):
    """What was read of a host file."""

    content: Content
    status: os.stat_result
    steady: bool
    """Whether the file was the same before and after."""


def read_host_file(path: Path, writer: ContentWriter, tally: Tally | None = None) -> Entry:
    """The entry, without a name, of one host file; links are followed, as one names it oneself.

    Raises:
        UnsupportedFileError: A device, fifo or socket.
        OSError: The host file system's own errors.
    """
    status = path.stat()
    check_supported(status, str(path))  # a socket cannot even be opened
    fd = os.open(path, _FILE_FLAGS & ~os.O_NOFOLLOW)
    try:
        read = _read(fd, status, writer, tally or Tally(None), lambda: str(path))
    finally:
        os.close(fd)
    return entry_of_status(read.content, read.status)


def read_file_at(
    fd: int,
    name: bytes,
    status: os.stat_result,
    writer: ContentWriter,
    tally: Tally,
    shown: Callable[[], str],
) -> Read | None:
    """Read the file of a name in an open directory; a link is not followed.

    Args:
        fd: The directory.
        name: The file.
        status: What the name said before.
        writer: Takes the content.
        tally: Counts what is read.
        shown: The path, for the error's sake.

    Returns:
        What was read; None if the file is gone by now.

    Raises:
        UnsupportedFileError: The name is a device's, fifo's or socket's by now.
    """
    try:
        file = os.open(name, _FILE_FLAGS, dir_fd=fd)
    except FileNotFoundError:
        return None
    try:
        size = status.st_size
        if size <= PIECE_MAX:  # the usual case, and the one of which there are many
            data = os.read(file, size + 1)
            after = os.fstat(file)
            if len(data) == size and _same(status, after):
                tally.add(size=size)
                return Read(writer.add_bytes(data), after, steady=True)
            os.lseek(file, 0, os.SEEK_SET)
        return _read(file, status, writer, tally, shown)
    finally:
        os.close(file)


def check_supported(status: os.stat_result, shown: str, *, hint: str = "") -> None:
    """Refuse what is no regular file; the hint says what else can be done about it.

    Raises:
        UnsupportedFileError: It is a device, fifo or socket.
    """
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(shown)
    if kind != stat.S_IFREG:
        raise UnsupportedFileError(shown, _WHAT.get(kind, "is no regular file"), hint=hint)


def entry_of(content: Content, *, executable: bool, mtime_ns: int) -> Entry:
    """The entry, without a name, of a file with some content."""
    kind = Kind.EXECUTABLE if executable else Kind.FILE
    return Entry(b"", kind, content.size, content.ref, mtime_ns, b"")


def entry_of_status(content: Content, status: os.stat_result, name: bytes = b"") -> Entry:
    """The entry of a host file or link with some content."""
    mtime_ns = clamped(status.st_mtime_ns)
    return Entry(name, kind_of(status), content.size, content.ref, mtime_ns, b"")


def clamped(time_ns: int) -> int:
    """A time that fits: file systems know years that 64 bits of nanoseconds do not."""
    if _TIME_MIN <= time_ns <= _TIME_MAX:
        return time_ns
    return _TIME_MIN if time_ns < 0 else _TIME_MAX


def kind_of(status: os.stat_result) -> Kind:
    """What a host file or link is in a tree."""
    if stat.S_ISLNK(status.st_mode):
        return Kind.SYMLINK
    return Kind.EXECUTABLE if status.st_mode & 0o111 else Kind.FILE


def _read(
    fd: int,
    status: os.stat_result,
    writer: ContentWriter,
    tally: Tally,
    shown: Callable[[], str],
) -> Read:
    """Read an open file; once more if it is not what its name said before, or changed meanwhile."""
    content = _read_content(fd, status, writer, tally)
    after = os.fstat(fd)
    if _same(status, after):
        return Read(content, after, steady=True)
    check_supported(after, shown())
    os.lseek(fd, 0, os.SEEK_SET)
    content = _read_content(fd, after, writer, tally)
    last = os.fstat(fd)
    steady = _same(after, last)
    if not steady:
        _log.warning("%s changed while it was read", shown())
    return Read(content, last, steady=steady)


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (
        before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
        and before.st_size == after.st_size
        and before.st_ino == after.st_ino
        and before.st_dev == after.st_dev
    )


def _read_content(fd: int, status: os.stat_result, writer: ContentWriter, tally: Tally) -> Content:
    """Read as much as the file had when it was looked at: it may grow faster than it is read.

    Files that the kernel makes up as they are read, such as those of /proc, claim to be empty.
    """
    left = status.st_size or sys.maxsize
    sparse = sparse_reader(fd, status.st_size) if hole_bytes(status) > _HOLES_MIN else None

    def readinto(target: memoryview) -> int:
        nonlocal left
        count = sparse(target) if sparse else os.readv(fd, [target[:left]])
        left -= count
        tally.add(size=count)
        return count

    return writer.add_stream(readinto)
