"""Operations to libfuse: the mount as fusepy or mfusepy serves it, path by path.

The second way, for whoever prefers libfuse to `kernel_loop`. Both turn every answer from Python
values to C ones field by field, and paths from bytes to text and back. Here the answers are put
into libfuse's own structures, and paths stay bytes. What differs between libfuse 2 and 3 is in
`pfsfuse.fusepy` and `pfsfuse.mfusepy`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Final

from pfsfuse.attributes import BLOCK, MODES, attributes_of
from pfsfuse.errnos import Refusal, errno_of
from pfsfuse.inodes import Inode
from pfsfuse.kernel_mount import Mount
from pfsfuse.operations import NAME_MAX, Operations

_FOREVER: Final = 86_400
"""Seconds for which the kernel may keep what it was told. A finished commit never changes."""

_NO_OPEN_SINCE: Final = 23
"""Kernels from protocol 7.23 (Linux 3.15) on take ENOSYS for "no need to open"."""

_NANOSECONDS: Final = 1_000_000_000
_PATHS_KEPT: Final = 65_536

# What ctypes hands to a callback: pointers to structures, and functions of libfuse.
Pointer = Any
Filler = Callable[..., int]


class Binding:
    """The callbacks that both have in common. A mount is made by making one, and served by that.

    Args:
        operations: What to answer.
        on_live: To be called once, in the serving thread, when the kernel has said hello.
    """

    stat_type: ClassVar[type[Any]]
    statvfs_type: ClassVar[type[Any]]

    def __init__(self, operations: Operations, on_live: Callable[[], None]) -> None:
        self._answers = operations
        self._on_live = on_live
        self._may_skip_open = True
        self._stat = self.stat_type(
            st_nlink=1, st_uid=os.geteuid(), st_gid=os.getegid(), st_blksize=BLOCK
        )
        self._find = lru_cache(maxsize=_PATHS_KEPT)(self._walk)

    def options(self, wanted: Mount) -> dict[str, Any]:
        """How to mount, as arguments of fusepy's and mfusepy's class."""
        return {
            "encoding": "latin-1",
            "foreground": True,
            "nothreads": True,
            "ro": True,
            "fsname": _escape(wanted.fsname),
            "subtype": "pfs",
            "use_ino": True,
            "kernel_cache": True,
            "attr_timeout": _FOREVER,
            "entry_timeout": _FOREVER,
            "negative_timeout": _FOREVER if self._answers.top.shown.is_final else 0,
            "default_permissions": True,
            "allow_other": wanted.allow_other,
        }

    @staticmethod
    def _wrapper(func: Callable[..., int | None], *arguments: object, **_: object) -> int:
        try:
            return func(*arguments) or 0
        except BaseException as error:  # what leaves a callback would be answered as success
            return -errno_of(error, func.__name__, lambda: _path_of(arguments))

    def _walk(self, path: bytes) -> Inode:
        parent, _, name = path.rpartition(b"/")
        if not name:
            return self._answers.top
        return self._answers.lookup(self._find(parent or b"/"), name)

    def say_live(self, minor: int) -> None:
        """The kernel is there, and speaks a minor version of protocol 7."""
        self._may_skip_open = minor >= _NO_OPEN_SINCE
        self._on_live()

    # The callbacks: what they mean is said in `pfsfuse.operations`.

    def fill_stat(self, path: bytes, buf: Pointer) -> None:
        """Fill in a stat record."""
        inode = self._find(path)
        stat = self._stat
        stat.st_ino = inode.id
        stat.st_mode, stat.st_size, stat.st_blocks, mtime_ns = attributes_of(inode.entry)
        seconds, nanoseconds = divmod(mtime_ns, _NANOSECONDS)
        for time in (stat.st_atimespec, stat.st_mtimespec, stat.st_ctimespec):
            time.tv_sec = seconds
            time.tv_nsec = nanoseconds
        buf[0] = stat

    def list_names(self, path: bytes, buf: Pointer, filler: Filler, *flags: int) -> None:
        """Hand all names of a directory to libfuse, with type and number, but nothing else."""
        filler(buf, b".", None, 0, *flags)
        filler(buf, b"..", None, 0, *flags)
        stat = self._stat
        for inode in self._answers.children(self._find(path)):
            stat.st_ino = inode.id
            stat.st_mode = MODES[inode.entry.kind]
            filler(buf, inode.entry.name, stat, 0, *flags)

    def readlink(self, path: bytes, buf: Pointer, bufsize: int) -> None:
        """Fill in a text that ends with a zero byte."""
        target = self._answers.readlink(self._find(path))[: bufsize - 1] + b"\0"
        ctypes.memmove(buf, target, len(target))

    def open(self, _path: bytes, _fip: Pointer) -> None:
        """Ask for no more opens, of a kernel that understands it: see `kernel_loop`."""
        if self._may_skip_open:
            raise Refusal(errno.ENOSYS)

    def read(self, path: bytes, buf: Pointer, size: int, offset: int, _fip: Pointer) -> int:
        """Fill in bytes; how many."""
        data = self._answers.read(self._find(path), offset, size)
        ctypes.memmove(buf, data, len(data))
        return len(data)

    def statfs(self, _path: bytes, buf: Pointer) -> None:
        """Fill in a statvfs record."""
        usage = self._answers.statfs()
        buf[0] = self.statvfs_type(
            f_bsize=usage.block,
            f_frsize=usage.block,
            f_blocks=usage.blocks,
            f_files=usage.files,
            f_namemax=NAME_MAX,
        )

    def getxattr(self, path: bytes, name: bytes, value: Pointer, size: int, *_: object) -> int:
        """Fill in a value, or say how long it is."""
        return _give(self._answers.getxattr(self._find(path), name), value, size)

    def listxattr(self, path: bytes, namebuf: Pointer, size: int) -> int:
        """Fill in names, each ended by a zero byte, or say how long they are."""
        names = self._answers.listxattr(self._find(path))
        return _give(b"".join(name + b"\0" for name in names), namebuf, size)


class Asked:
    """Tells who looks for names what libfuse may ask; all else is answered ENOSYS.

    What only is asked to change something has no callback in `Binding`, and ends up here.
    """

    use_ns = True

    def _refuse(self, *_: object) -> int:
        raise Refusal(errno.EROFS)

    init = getattr = readdir = readlink = open = read = statfs = getxattr = listxattr = _refuse
    chmod = chown = create = link = mkdir = mknod = removexattr = rename = rmdir = _refuse
    setxattr = symlink = truncate = unlink = utimens = write = _refuse


def _path_of(arguments: tuple[object, ...]) -> bytes:
    return arguments[0] if arguments and isinstance(arguments[0], bytes) else b""


def _give(answer: bytes, buf: Pointer, size: int) -> int:
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
