"""Operations to libfuse: fusepy with its way cut short, which makes cold scans twice as fast.

fusepy turns every answer from Python values to C ones field by field, and paths from bytes to text
and back. Here the answers are put into libfuse's own structures, and paths stay bytes.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any, Final

from pfsfuse.errnos import errno_of
from pfsfuse.fusepy import FUSE, c_stat, c_statvfs, libfuse
from pfsfuse.lookups import NAME_MAX
from pfsfuse.operations import Operations

_FOREVER: Final = 86_400
"""Seconds for which the kernel may keep what it was told. A finished commit never changes."""

_LARGEST_READ: Final = 131_072
"""Bytes; libfuse 2 never asks for more."""

_NO_OPEN_SINCE: Final = 23
"""Kernels from protocol 7.23 (Linux 3.15) on take ENOSYS for "no need to open"."""

_NANOSECONDS: Final = 1_000_000_000

# What ctypes hands to a callback: pointers to structures, and functions of libfuse.
_Pointer = Any
_Filler = Callable[[_Pointer, bytes, c_stat | None, int], int]


def detach(mountpoint: bytes) -> None:
    """Unmount lazily, as root or through fusermount."""
    libfuse.fuse_unmount(ctypes.c_char_p(mountpoint), None)


class Binding(FUSE):
    """A mount; made, it serves in the calling thread until it is unmounted.

    Args:
        operations: What to answer.
        mountpoint: An absolute path.
        on_live: Called once, in the serving thread, when the kernel has said hello.
        fsname: What `mount` and `df` show as the source.
        names_are_final: Whether the kernel may remember that a name is missing.
        allow_other: Whether other users may look.

    Raises:
        RuntimeError: libfuse could not mount; it has said why on standard error.
    """

    operations: Operations

    def __init__(
        self,
        operations: Operations,
        mountpoint: bytes,
        *,
        on_live: Callable[[], None],
        fsname: str,
        names_are_final: bool,
        allow_other: bool,
    ) -> None:
        self._on_live = on_live
        self._may_skip_open = True
        self._stat = c_stat(st_nlink=1, st_uid=os.geteuid(), st_gid=os.getegid(), st_blksize=4096)
        super().__init__(
            operations,
            mountpoint.decode("latin-1"),
            encoding="latin-1",
            foreground=True,
            nothreads=True,
            ro=True,
            fsname=_escape(fsname),
            subtype="pfs",
            use_ino=True,
            kernel_cache=True,
            attr_timeout=_FOREVER,
            entry_timeout=_FOREVER,
            negative_timeout=_FOREVER if names_are_final else 0,
            max_read=_LARGEST_READ,
            default_permissions=True,
            allow_other=allow_other,
        )

    @staticmethod
    def _wrapper(func: Callable[..., int | None], *arguments: object, **_: object) -> int:
        try:
            return func(*arguments) or 0
        except BaseException as error:  # what leaves a callback would be answered as success
            return -errno_of(error, func.__name__, arguments[0])

    def init(self, conn: int | None) -> None:
        """The kernel is there."""
        if conn and ctypes.c_uint.from_address(conn + 4).value < _NO_OPEN_SINCE:
            self._may_skip_open = False
        self._on_live()

    # The callbacks: what they mean is said in `pfsfuse.operations`.

    def getattr(self, path: bytes, buf: _Pointer) -> None:
        """Fill in a stat record."""
        found = self.operations.getattr(path)
        stat = self._stat
        stat.st_ino = found.ino
        stat.st_mode = found.mode
        stat.st_size = found.size
        stat.st_blocks = found.blocks
        seconds, nanoseconds = divmod(found.mtime_ns, _NANOSECONDS)
        for time in (stat.st_atimespec, stat.st_mtimespec, stat.st_ctimespec):
            time.tv_sec = seconds
            time.tv_nsec = nanoseconds
        buf[0] = stat

    def fgetattr(self, path: bytes, buf: _Pointer, _fip: _Pointer) -> None:
        """Fill in a stat record."""
        self.getattr(path, buf)

    def readdir(
        self, path: bytes, buf: _Pointer, filler: _Filler, _offset: int, _fip: _Pointer
    ) -> None:
        """Hand all names of a directory to libfuse."""
        filler(buf, b".", None, 0)
        filler(buf, b"..", None, 0)
        stat = self._stat
        for name, stat.st_ino, stat.st_mode in self.operations.readdir(path):
            filler(buf, name, stat, 0)

    def readlink(self, path: bytes, buf: _Pointer, bufsize: int) -> None:
        """Fill in a text that ends with a zero byte."""
        target = self.operations.readlink(path)[: bufsize - 1] + b"\0"
        ctypes.memmove(buf, target, len(target))

    def open(self, path: bytes, _fip: _Pointer) -> None:
        """Ask for no more opens, of a kernel that understands it."""
        if self._may_skip_open:
            self.operations.open(path)

    def read(self, path: bytes, buf: _Pointer, size: int, offset: int, _fip: _Pointer) -> int:
        """Fill in bytes; how many."""
        data = self.operations.read(path, size, offset)
        ctypes.memmove(buf, data, len(data))
        return len(data)

    def statfs(self, path: bytes, buf: _Pointer) -> None:
        """Fill in a statvfs record."""
        usage = self.operations.statfs(path)
        buf[0] = c_statvfs(
            f_bsize=usage.block,
            f_frsize=usage.block,
            f_blocks=usage.blocks,
            f_files=usage.files,
            f_namemax=NAME_MAX,
        )

    def getxattr(self, path: bytes, name: bytes, value: _Pointer, size: int, *_: object) -> int:
        """Fill in a value, or say how long it is."""
        return _give(self.operations.getxattr(path, name), value, size)

    def listxattr(self, path: bytes, namebuf: _Pointer, size: int) -> int:
        """Fill in names, each ended by a zero byte, or say how long they are."""
        names = self.operations.listxattr(path)
        return _give(b"".join(name + b"\0" for name in names), namebuf, size)


def _give(answer: bytes, buf: _Pointer, size: int) -> int:
    """Extended attributes are asked for twice: first with no room, to learn their size."""
    if not buf or not size:
        return len(answer)
    if len(answer) > size:
        return -errno.ERANGE
    ctypes.memmove(buf, answer, len(answer))
    return len(answer)


def _escape(text: str) -> str:
    r"""Libfuse takes a comma for the end of an option and a backslash for an escape."""
    data = os.fsencode(text.replace("\\", "\\\\").replace(",", "\\,"))
    return data.decode("latin-1")
