"""The kernel's side of FUSE: the numbers and structures of <linux/fuse.h>, as far as used here.

All in the byte order of the machine, and never changed once published: a kernel only adds.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import Final

MAJOR: Final = 7
MINOR: Final = 31
"""The version spoken here: Linux 5.4. An older kernel's own is taken instead."""

MINOR_MIN: Final = 23
"""Before it (Linux 3.15) replies have other sizes, and every file must be opened."""


class Op(IntEnum):
    """What the kernel asks for."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    IOCTL = 39
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    COPY_FILE_RANGE = 47
    TMPFILE = 51


class Init(IntFlag):
    """What both sides can do."""

    ASYNC_READ = 1 << 0
    DO_READDIRPLUS = 1 << 13
    READDIRPLUS_AUTO = 1 << 14
    NO_OPEN_SUPPORT = 1 << 17
    PARALLEL_DIROPS = 1 << 18
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23
    NO_OPENDIR_SUPPORT = 1 << 24


class Open(IntFlag):
    """How the kernel may treat what was opened."""

    KEEP_CACHE = 1 << 1
    CACHE_DIR = 1 << 3


IN_HEADER: Final = struct.Struct("=IIQQIIIHH")
"""len, opcode, unique, nodeid, uid, gid, pid, total_extlen, padding"""

OUT_HEADER: Final = struct.Struct("=IiQ")
"""len, error, unique"""

INIT_IN: Final = struct.Struct("=IIII")
"""major, minor, max_readahead, flags"""

INIT_OUT: Final = struct.Struct("=IIIIHHIIHHII24x")
"""major, minor, max_readahead, flags, max_background, congestion_threshold, max_write, time_gran,
max_pages, map_alignment, flags2, max_stack_depth"""

ATTR: Final = struct.Struct("=QQQqqqIIIIIIIIII")
"""ino, size, blocks, atime, mtime, ctime, three of their nanoseconds, mode, nlink, uid, gid, rdev,
blksize, flags"""

ENTRY_OUT: Final = struct.Struct("=QQQQII")
"""nodeid, generation, entry_valid, attr_valid, both their nanoseconds; an ATTR follows"""

ATTR_OUT: Final = struct.Struct("=QII")
"""attr_valid, its nanoseconds, padding; an ATTR follows"""

OPEN_OUT: Final = struct.Struct("=QII")
"""fh, open_flags, padding"""

READ_IN: Final = struct.Struct("=QQI")
"""fh, offset, size; more follows"""

DIRENT: Final = struct.Struct("=QQII")
"""ino, offset of the next one, length of the name, type; the name follows, padded to 8 bytes"""

STATFS_OUT: Final = struct.Struct("=QQQQQIII28x")
"""blocks, bfree, bavail, files, ffree, bsize, namelen, frsize"""

XATTR_SIZE: Final = struct.Struct("=II")
"""size, padding: of a request for attributes, and of the answer how long they are"""

FORGET_IN: Final = struct.Struct("=Q")
"""How many lookups to take back."""

BATCH_FORGET_IN: Final = struct.Struct("=II")
"""count, padding"""

FORGET_ONE: Final = struct.Struct("=QQ")
"""nodeid, how many lookups to take back"""

NOTIFY_INVAL_ENTRY: Final = 3
"""In place of an error, with unique 0: the kernel is told something it has not asked for."""

INVAL_ENTRY_OUT: Final = struct.Struct("=QII")
"""Of a directory: nodeid, length of the name, flags; the name follows, ended by a zero byte"""

NOTIFY_PRUNE: Final = 9
"""Since 7.45 (Linux 6.18): inodes to be forgotten that nobody uses, without waiting for anybody."""

PRUNE_OUT: Final = struct.Struct("=IIQ")
"""count, padding, spare; as many nodeids follow"""

FOREVER: Final = 1 << 30
"""Seconds, about 34 years, for which the kernel may keep what it is told."""

assert (IN_HEADER.size, OUT_HEADER.size) == (40, 16)
assert (INIT_OUT.size, ATTR.size, ENTRY_OUT.size, STATFS_OUT.size) == (64, 88, 40, 80)
