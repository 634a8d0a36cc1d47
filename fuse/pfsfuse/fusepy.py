"""The one door to fusepy, for libfuse 2; says which package is missing, if one is."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Final

from pfsfuse.binding import Asked, Binding, Filler, Pointer
from pfsfuse.kernel_mount import Mount
from pfsfuse.operations import Operations
from pfslib import MountError

_LIBRARY = "libfuse.so.2"
_LARGEST_READ: Final = 131_072
"""Bytes; libfuse 2 never asks for more."""


def _name_library() -> None:
    """Spare fusepy its search, which runs ldconfig or even a compiler to find the same file."""
    if "FUSE_LIBRARY_PATH" in os.environ:
        return
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return
    os.environ["FUSE_LIBRARY_PATH"] = _LIBRARY


_name_library()

try:
    from fuse import FUSE, c_stat, c_statvfs
except ImportError as error:
    # Where the checkout is the working directory, its folder fuse/ answers with an empty module.
    missing = MountError("fusepy is missing", hint="pip install fusepy")
    raise missing from error
except OSError as error:
    hint = "apt install libfuse2 fuse (libfuse2t64 on newer releases)"
    missing = MountError("libfuse 2 is missing", hint=hint)
    raise missing from error


class FusepyBinding(Binding, FUSE):
    """A mount; made, it serves in the calling thread until it is unmounted.

    Args:
        operations: What to answer.
        wanted: What to mount where.
        on_live: Called once, in the serving thread, when the kernel has said hello.

    Raises:
        RuntimeError: libfuse could not mount; it has said why on standard error.
    """

    stat_type = c_stat
    statvfs_type = c_statvfs

    def __init__(
        self, operations: Operations, wanted: Mount, *, on_live: Callable[[], None]
    ) -> None:
        Binding.__init__(self, operations, on_live)
        options = self.options(wanted)
        mountpoint = wanted.mountpoint.decode("latin-1")
        FUSE.__init__(self, _Called(), mountpoint, max_read=_LARGEST_READ, **options)

    def init(self, conn: int | None) -> None:
        """The kernel is there."""
        self.say_live(ctypes.c_uint.from_address(conn + 4).value if conn else 0)

    def getattr(self, path: bytes, buf: Pointer) -> None:
        """Fill in a stat record."""
        self.fill_stat(path, buf)

    def fgetattr(self, path: bytes, buf: Pointer, _fip: Pointer) -> None:
        """Fill in a stat record."""
        self.fill_stat(path, buf)

    def readdir(
        self, path: bytes, buf: Pointer, filler: Filler, _offset: int, _fip: Pointer
    ) -> None:
        """Hand all names of a directory to libfuse."""
        self.list_names(path, buf, filler)


class _Called(Asked):
    def __call__(self, _name: str, *_: object) -> int:
        """Fusepy's way to the callbacks that `Binding` has not."""
        return self._refuse()
