"""Types of fusepy, as far as pfsfuse uses it.

They also keep type checkers from taking the folder fuse/ for the module of the same name.
"""

import ctypes
from collections.abc import Callable
from typing import Any

class c_timespec(ctypes.Structure):  # noqa: N801 - fusepy's name
    tv_sec: int
    tv_nsec: int

class c_stat(ctypes.Structure):  # noqa: N801 - fusepy's name
    st_dev: int
    st_ino: int
    st_nlink: int
    st_mode: int
    st_uid: int
    st_gid: int
    st_rdev: int
    st_size: int
    st_blksize: int
    st_blocks: int
    st_atimespec: c_timespec
    st_mtimespec: c_timespec
    st_ctimespec: c_timespec

class c_statvfs(ctypes.Structure):  # noqa: N801 - fusepy's name
    f_bsize: int
    f_frsize: int
    f_blocks: int
    f_bfree: int
    f_bavail: int
    f_files: int
    f_ffree: int
    f_favail: int
    f_namemax: int

_libfuse: ctypes.CDLL

class FUSE:
    def __init__(
        self,
        operations: Callable[..., object],
        mountpoint: str,
        raw_fi: bool = ...,
        encoding: str = ...,
        **kwargs: object,
    ) -> None: ...
    @staticmethod
    def _wrapper(func: Callable[..., Any], *args: object, **kwargs: object) -> int: ...
    def getattr(self, path: bytes, buf: object, /) -> int | None: ...
    def fgetattr(self, path: bytes, buf: object, fip: object, /) -> int | None: ...
    def readlink(self, path: bytes, buf: object, bufsize: int, /) -> int | None: ...
    def open(self, path: bytes, fip: object, /) -> int | None: ...
    def read(self, path: bytes, buf: object, size: int, offset: int, fip: object, /) -> int: ...
    def readdir(
        self, path: bytes, buf: object, filler: Callable[..., int], offset: int, fip: object, /
    ) -> int | None: ...
    def statfs(self, path: bytes, buf: object, /) -> int | None: ...
    def getxattr(
        self, path: bytes, name: bytes, value: object, size: int, /, *args: object
    ) -> int: ...
    def listxattr(self, path: bytes, namebuf: object, size: int, /) -> int: ...
    def init(self, conn: int | None, /) -> int | None: ...
