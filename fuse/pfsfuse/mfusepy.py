"""The one door to mfusepy, for libfuse 3; says which package is missing, if one is."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pfsfuse.binding import Asked, Binding, Filler, Pointer
from pfsfuse.kernel_mount import Mount
from pfsfuse.operations import Operations
from pfslib import MountError

_LIBRARIES: Final = ("libfuse3.so.4", "libfuse3.so.3")
_HINT: Final = "apt install fuse3 (which brings libfuse3-3, or libfuse3-4 on newer releases)"
_MAJOR: Final = 3


def _name_library() -> None:
    """Have mfusepy take libfuse 3, also where there is libfuse 2, and spare it its search."""
    for name in _LIBRARIES if "FUSE_LIBRARY_PATH" not in os.environ else ():
        with suppress(OSError):
            ctypes.CDLL(name)
            os.environ["FUSE_LIBRARY_PATH"] = name
            return


_name_library()

try:
    from mfusepy import FUSE, c_stat, c_statvfs, fuse_version_major
except ImportError as error:
    missing = MountError("mfusepy is missing", hint="pip install mfusepy")
    raise missing from error
except OSError as error:
    missing = MountError("libfuse 3 is missing", hint=_HINT)
    raise missing from error
if fuse_version_major != _MAJOR:
    missing = MountError(f"libfuse 3 is missing: this is {fuse_version_major}", hint=_HINT)
    raise missing


class MfusepyBinding(Binding, FUSE):
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
        mountpoint = wanted.mountpoint.decode("latin-1")
        FUSE.__init__(self, Asked(), mountpoint, **self.options(wanted))

    def init_fuse_3(self, conn: Pointer, config: Pointer) -> None:
        """The kernel is there."""
        config.contents.use_ino = True
        self.say_live(conn.contents.proto_minor)

    def getattr_fuse_3(self, path: bytes, buf: Pointer, _fip: Pointer) -> None:
        """Fill in a stat record."""
        self.fill_stat(path, buf)

    def readdir_fuse_3(
        self, path: bytes, buf: Pointer, filler: Filler, _offset: int, _fip: Pointer, _flags: int
    ) -> None:
        """Hand all names of a directory to libfuse."""
        self.list_names(path, buf, filler, 0)
