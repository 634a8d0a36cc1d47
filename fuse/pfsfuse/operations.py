"""What the kernel may ask of a mount, and the answers: bytes in, plain values out."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Final, NamedTuple, NoReturn

from pfsfuse.attributes import MODES, Attributes, attributes_of, inode_number
from pfsfuse.errnos import Refusal
from pfsfuse.lookups import Lookups
from pfsfuse.view import View
from pfslib import IsADirectoryInCommitError

_BLOCK: Final = 4096
_XATTR_DIGEST: Final = b"user.pfs.digest"
_XATTR_COMMIT: Final = b"user.pfs.commit"


class Name(NamedTuple):
    """One line of a directory listing."""

    name: bytes
    ino: int
    mode: int


class Usage(NamedTuple):
    """What a mount amounts to."""

    block: int
    """Bytes in a block."""

    blocks: int
    files: int


class Operations:
    """The callbacks of one mount.

    Paths are bytes as the kernel gives them: absolute, normalised, ``b"/"`` for the mount point.
    Failures are raised; `pfsfuse.errnos` says what the kernel is told. The methods have the names
    that fusepy looks for, and a callback that is absent here is not asked for by libfuse.
    """

    use_ns = True
    """For fusepy: times are whole nanoseconds."""

    def __init__(self, view: View, *, label: str = "") -> None:
        self._lookups = Lookups(view)
        self._label = label.encode()

    def __call__(self, name: str, *arguments: object) -> object:
        """Fusepy's way in, for the callbacks that `pfsfuse.binding` has no shorter way for."""
        return getattr(self, name)(*arguments)

    def init(self) -> None:
        """The kernel is there. Nothing to prepare."""

    def getattr(self, path: bytes) -> Attributes:
        """What stat says about a path."""
        return attributes_of(self._lookups.find(path).entry, path)

    def readdir(self, path: bytes) -> Iterator[Name]:
        """The names in a directory, with type and inode number, which spares `find` its stats."""
        inside = path if path.endswith(b"/") else path + b"/"
        for entry in self._lookups.children(path):
            name = entry.name
            yield Name(name, inode_number(inside + name), MODES[entry.kind])

    def readlink(self, path: bytes) -> bytes:
        """Where a symbolic link points."""
        tree, entry = self._lookups.find(path)
        if not entry.is_symlink:
            raise Refusal(errno.EINVAL)
        return tree.read_link(entry)

    def open(self, path: bytes) -> NoReturn:  # noqa: ARG002 - whatever the path
        """Nothing to open: the kernel has checked the mode, and a path means one thing for ever.

        ENOSYS is how a server says so. The kernel then keeps pages from one open to the next and
        never asks again, neither to open nor to close: two round trips less for each file.
        """
        raise Refusal(errno.ENOSYS)

    def read(self, path: bytes, size: int, offset: int) -> bytes:
        """Bytes of a file, fewer only at its end."""
        tree, entry = self._lookups.find(path)
        if entry.is_dir:
            raise IsADirectoryInCommitError(path.decode("utf-8", "surrogateescape"))
        return tree.read(entry, offset, size)

    def statfs(self, path: bytes) -> Usage:  # noqa: ARG002 - the same for every path of a mount
        """The size of the tree; nothing is free."""
        root = self._lookups.find(b"/").entry
        return Usage(_BLOCK, -(-root.size // _BLOCK), root.files)

    def listxattr(self, path: bytes) -> list[bytes]:
        """The names of the extended attributes of a path."""
        return list(self._xattrs(path))

    def getxattr(self, path: bytes, name: bytes) -> bytes:
        """The value of an extended attribute: hex digits of the digest, or the label."""
        try:
            return self._xattrs(path)[name]
        except KeyError:
            raise Refusal(errno.ENODATA) from None

    def _xattrs(self, path: bytes) -> dict[bytes, bytes]:
        digest = self._lookups.find(path).entry.digest.hex().encode()
        values = {_XATTR_DIGEST: digest, _XATTR_COMMIT: self._label}
        return {name: value for name, value in values.items() if value}

    def _refuse(self, *_: object) -> NoReturn:
        """The kernel refuses these by itself, unless root remounts a mount as writable."""
        raise Refusal(errno.EROFS)

    chmod = chown = create = link = mkdir = mknod = removexattr = rename = rmdir = _refuse
    setxattr = symlink = truncate = unlink = utimens = write = _refuse
