"""What the kernel may ask of a mount, and the answers: inodes in, plain values out.

Two bindings ask: `kernel_loop` by inode, `binding` by path, through libfuse. Failures are raised;
`pfsfuse.errnos` says what the kernel is told.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Final, NamedTuple

from pfsfuse.attributes import BLOCK
from pfsfuse.errnos import Refusal
from pfsfuse.inodes import Inode
from pfslib import IsADirectoryInCommitError, NotADirectoryInCommitError

NAME_MAX: Final = 255
"""Longest name in bytes; the kernel lets longer ones through to us."""

_TARGET_MAX: Final = 4095
"""Longest target of a link in bytes; the kernel takes no longer one, and no host has one."""

_XATTR_DIGEST: Final = b"user.pfs.digest"
_XATTR_COMMIT: Final = b"user.pfs.commit"
_XATTR_PIECES: Final = b"user.pfs.pieces"


class Usage(NamedTuple):
    """What a mount amounts to."""

    block: int
    """Bytes in a block."""

    blocks: int
    files: int


class Operations:
    """The answers of one mount.

    Args:
        top: What is at the mount point.
    """

    def __init__(self, top: Inode) -> None:
        self.top = top

    def lookup(self, directory: Inode, name: bytes) -> Inode:
        """What a name in a directory means."""
        if len(name) > NAME_MAX:
            raise Refusal(errno.ENAMETOOLONG)
        self._check_directory(directory)
        return directory.shown.child(directory, name)

    def children(self, directory: Inode, position: int = 0) -> Iterator[Inode]:
        """All of a directory, in byte order of name, from some position on."""
        self._check_directory(directory)
        return directory.shown.children(directory, position)

    def readlink(self, link: Inode) -> bytes:
        """Where a symbolic link points."""
        if not link.entry.is_symlink:
            raise Refusal(errno.EINVAL)
        if link.entry.size > _TARGET_MAX:
            raise Refusal(errno.ENAMETOOLONG)
        return link.shown.read(link, 0, link.entry.size)

    def read(self, file: Inode, offset: int, size: int) -> bytes:
        """Bytes of a file, fewer only at its end."""
        if file.entry.is_dir:
            raise IsADirectoryInCommitError(_text(file.path))
        return file.shown.read(file, offset, size)

    def statfs(self) -> Usage:
        """The size of all that is shown; nothing is free."""
        root = self.top.shown.total(self.top)
        return Usage(BLOCK, -(-root.size // BLOCK), root.files)

    def listxattr(self, inode: Inode) -> list[bytes]:
        """The names of the extended attributes."""
        names = [_XATTR_DIGEST] if inode.entry.content or not inode.entry.is_dir else []
        if inode.shown.label:
            names.append(_XATTR_COMMIT)
        if inode.entry.is_file:
            names.append(_XATTR_PIECES)
        return names

    def getxattr(self, inode: Inode, name: bytes) -> bytes:
        """The value of an extended attribute: hex digits of the digest, a commit, or a number."""
        if not name.startswith(b"user."):
            # Not ENODATA: `ls -l` would go on to ask for the ACL and the like of each file.
            raise Refusal(errno.EOPNOTSUPP)
        if name not in self.listxattr(inode):
            raise Refusal(errno.ENODATA)
        if name == _XATTR_DIGEST:
            return inode.entry.digest.hex().encode()
        if name == _XATTR_COMMIT:
            return inode.shown.label
        return b"%d" % inode.shown.pieces(inode)

    @staticmethod
    def _check_directory(inode: Inode) -> None:
        if not inode.entry.is_dir:
            raise NotADirectoryInCommitError(_text(inode.path))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
