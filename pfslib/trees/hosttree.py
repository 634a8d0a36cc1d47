"""A host directory in, edits out; nothing in the directory is trusted.

The walk goes by descriptors from one opened at the start, never follows a link, opens files so that
a fifo cannot block it, and looks at what it opened, not at what the name said before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pfslib.model.errors import UnsupportedFileError
from pfslib.model.nodes import PIECE_MAX, Content, Entry, Kind
from pfslib.model.paths import DEPTH_MAX, to_text
from pfslib.trees.contents import ContentWriter
from pfslib.trees.edit import Edit, Op

Parts = tuple[bytes, ...]

_BLOCK: Final = 8 << 20
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_WHAT: Final = {
    stat.S_IFIFO: "is a fifo",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFBLK: "is a block device",
    stat.S_IFCHR: "is a character device",
}


def read_tree(
    directory: Path, writer: ContentWriter, *, at: Parts = (), links_inside: bool = False
) -> Iterator[Edit]:
    """Puts for everything below a host directory, in path order.

    Args:
        directory: Where to begin; must itself be a directory, not a link to one.
        writer: Takes the contents.
        at: Path in the commit that the directory corresponds to.
        links_inside: Refuse symbolic links that lead out of the directory.

    Raises:
        UnsupportedFileError: A device, fifo or socket, or a link that leads out.
        OSError: The host file system's own errors.
    """
    fd = os.open(directory, _DIRECTORY_FLAGS)
    try:
        yield from _read_directory(fd, writer, at, (), os.fsencode(directory), links_inside)
    finally:
        os.close(fd)


def read_host_file(path: Path, writer: ContentWriter) -> Entry:
    """The entry, without a name, of one host file; links are followed, as one names it oneself."""
    fd = os.open(path, _FILE_FLAGS & ~os.O_NOFOLLOW)
    try:
        return _read_open_file(fd, writer, str(path))
    finally:
        os.close(fd)


def _read_directory(
    fd: int,
    writer: ContentWriter,
    at: Parts,
    below: Parts,
    top: bytes,
    links_inside: bool,  # noqa: FBT001
) -> Iterator[Edit]:
    if len(at) + len(below) >= DEPTH_MAX:
        raise UnsupportedFileError(_shown(top, below), f"is deeper than {DEPTH_MAX} directories")
    with os.scandir(fd) as rows:
        names = sorted(
            (os.fsencode(row.name), row.is_dir(follow_symlinks=False), row.is_symlink())
            for row in rows
        )
    for name, is_dir, is_link in names:
        path = (*below, name)
        if is_dir:
            child = os.open(name, _DIRECTORY_FLAGS, dir_fd=fd)
            try:
                yield from _read_directory(child, writer, at, path, top, links_inside)
            finally:
                os.close(child)
            continue
        if is_link:
            entry = _read_link(fd, name, writer, path, top, links_inside)
        else:
            entry = _read_file(fd, name, writer, _shown(top, path))
        yield Edit(Op.PUT, (*at, *path), entry)


def _read_link(
    fd: int,
    name: bytes,
    writer: ContentWriter,
    path: Parts,
    top: bytes,
    links_inside: bool,  # noqa: FBT001
) -> Entry:
    target = os.readlink(name, dir_fd=fd)
    if links_inside and _leads_out(target, path):
        raise UnsupportedFileError(
            _shown(top, path), f"is a link to {to_text(target)}, which lies outside"
        )
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    content = writer.add_bytes(target)
    return Entry(b"", Kind.SYMLINK, content.size, content.ref, _clamped(status.st_mtime_ns), b"")


def _leads_out(target: bytes, path: Parts) -> bool:
    """Whether a link's target, read lexically, leaves the tree that the link is in."""
    if target.startswith(b"/"):
        return True
    depth = len(path) - 1
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
            if depth < 0:
                return True
        elif part not in {b"", b"."}:
            depth += 1
    return False


def _read_file(fd: int, name: bytes, writer: ContentWriter, shown: str) -> Entry:
    try:
        file = os.open(name, _FILE_FLAGS, dir_fd=fd)
    except OSError as error:
        mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        if stat.S_IFMT(mode) in _WHAT:  # a socket, or a device without a driver
            raise UnsupportedFileError(shown, _WHAT[stat.S_IFMT(mode)]) from error
        raise
    try:
        return _read_open_file(file, writer, shown)
    finally:
        os.close(file)


def _read_open_file(fd: int, writer: ContentWriter, shown: str) -> Entry:
    status = os.fstat(fd)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(shown)
    if kind != stat.S_IFREG:
        raise UnsupportedFileError(shown, _WHAT.get(kind, "is no regular file"))
    if status.st_size <= PIECE_MAX:
        # One read takes a small file whole, but of some file systems; or it has grown meanwhile.
        data = os.read(fd, status.st_size + 1)
        whole = len(data) == status.st_size
        content = writer.add_bytes(data) if whole else writer.add_blocks(_blocks(fd, data))
    else:
        content = writer.add_stream(lambda target: os.readv(fd, [target]))
    return entry_of(
        content, executable=bool(status.st_mode & 0o111), mtime_ns=_clamped(status.st_mtime_ns)
    )


def _clamped(time_ns: int) -> int:
    """A time that fits: file systems know years that 64 bits of nanoseconds do not."""
    return max(-(1 << 63), min(time_ns, (1 << 63) - 1))


def entry_of(content: Content, *, executable: bool, mtime_ns: int) -> Entry:
    """The entry, without a name, of a file with some content."""
    kind = Kind.EXECUTABLE if executable else Kind.FILE
    return Entry(b"", kind, content.size, content.ref, mtime_ns, b"")


def _blocks(fd: int, head: bytes) -> Iterator[bytes]:
    yield head
    while block := os.read(fd, _BLOCK):
        yield block


def _shown(top: bytes, path: Parts) -> str:
    return to_text(b"/".join((top, *path)))
