"""The kernel's requests, read from /dev/fuse and answered.

What the kernel may keep decides about speed: names, attributes, listings and pages of what never
changes, for ever. Opening and closing are not even asked for. Listings can tell the attributes of
all their names: who looks at each is spared a question a name, but who does not pays for them. So
they are told from the first listing on after which a name was looked up.

One thread does it all: two would fight for the interpreter lock.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from stat import S_IFMT
from typing import Final

from pfsfuse import abi
from pfsfuse.abi import Init, Op, Open
from pfsfuse.attributes import BLOCK, MODES, attributes_of
from pfsfuse.errnos import Refusal, errno_of
from pfsfuse.inode_table import InodeTable
from pfsfuse.inodes import Inode
from pfsfuse.listings import Listings, OpenedListings
from pfsfuse.operations import NAME_MAX, Operations
from pfsfuse.probe import PROBE, PROBED
from pfslib import MountError, NotFoundError

_REQUEST_MAX: Final = 64 << 10
"""Bytes of the longest request; the kernel wants room for a write, though it asks for none."""

_WRITE_MAX: Final = 4096
_READ_PAGES_MAX: Final = 256
"""Pages of the largest read: 1 MiB."""

_BACKGROUND_MAX: Final = 64
"""Reads ahead that may wait in the queue."""

_OPTIONS: Final = (
    Init.ASYNC_READ
    | Init.DO_READDIRPLUS
    | Init.NO_OPEN_SUPPORT
    | Init.PARALLEL_DIROPS
    | Init.MAX_PAGES
    | Init.CACHE_SYMLINKS
    | Init.NO_OPENDIR_SUPPORT
)

_CHANGES: Final = (
    *(Op.SETATTR, Op.SYMLINK, Op.MKNOD, Op.MKDIR, Op.UNLINK, Op.RMDIR, Op.RENAME, Op.LINK),
    *(Op.WRITE, Op.SETXATTR, Op.REMOVEXATTR, Op.CREATE, Op.FALLOCATE, Op.RENAME2),
    *(Op.COPY_FILE_RANGE, Op.TMPFILE),
)
"""The kernel refuses these by itself, unless root remounts a mount as writable."""

_REFUSALS: Final = dict.fromkeys(_CHANGES, errno.EROFS) | {Op.IOCTL: errno.ENOTTY}
"""Anything else gets ENOSYS, and then the kernel does without it, and mostly asks no more: OPEN is
such, since the kernel has checked the mode, and an inode means one thing for ever."""

_ATTRIBUTES_SIZE: Final = abi.ENTRY_OUT.size + abi.ATTR.size
_NO_ATTRIBUTES: Final = bytes(_ATTRIBUTES_SIZE)
"""Inode 0: of a listing, that its name comes without attributes."""

_MISSING: Final = abi.ENTRY_OUT.pack(0, 0, abi.FOREVER, 0, 0, 0) + bytes(abi.ATTR.size)
"""Inode 0: of a lookup, that the name means nothing, and that the kernel may remember so."""

_ALIGNED: Final = 8
_PADDING: Final = tuple(bytes(size) for size in range(_ALIGNED))
_TYPES: Final = {kind: S_IFMT(mode) >> 12 for kind, mode in MODES.items()}
_NANOSECONDS: Final = 1_000_000_000
_DOTS: Final = 2
"""Every listing begins with `.` and `..`."""

_Answer = Callable[[int, bytes], bytes | None]
"""From an inode number, and a request behind its header, to a reply; None where there is none."""


class KernelLoop:
    """Serves one mount in the calling thread.

    Args:
        device: Descriptor of /dev/fuse that the mount was made with.
        operations: What to answer.
        on_live: Called once, when the kernel has said hello.
    """

    def __init__(self, device: int, operations: Operations, *, on_live: Callable[[], None]) -> None:
        self._device = device
        self._operations = operations
        self._on_live = on_live
        self._inodes = InodeTable(operations.top)
        self._listings = Listings(operations.children)
        self._opened = OpenedListings()
        self._looked_up = False
        """Whether a name was looked up that a listing had told without its attributes."""

        self._uid, self._gid = os.geteuid(), os.getegid()
        self._answers: dict[int, _Answer] = {
            Op.INIT: self._init,
            Op.LOOKUP: self._lookup,
            Op.FORGET: self._forget,
            Op.BATCH_FORGET: self._batch_forget,
            Op.GETATTR: self._getattr,
            Op.READLINK: self._readlink,
            Op.READ: self._read,
            Op.READDIR: self._readdir,
            Op.READDIRPLUS: self._readdirplus,
            Op.OPENDIR: self._opendir,
            Op.RELEASEDIR: self._releasedir,
            Op.STATFS: self._statfs,
            Op.GETXATTR: self._getxattr,
            Op.LISTXATTR: self._listxattr,
            Op.INTERRUPT: lambda _node, _data: None,
            Op.DESTROY: lambda _node, _data: b"",
        }

    @property
    def inodes(self) -> InodeTable:
        """What the kernel knows."""
        return self._inodes

    def serve(self) -> None:
        """Answer until the mount is gone.

        Raises:
            MountError: The kernel is too old.
        """
        device, answer = self._device, self._answer
        while True:
            try:
                request = os.read(device, _REQUEST_MAX)
            except OSError as error:
                if error.errno == errno.ENODEV:  # unmounted
                    return
                if error.errno in {errno.ENOENT, errno.EINTR, errno.EAGAIN}:  # taken back
                    continue
                raise
            answer(request)

    def _answer(self, message: bytes) -> None:
        _, opcode, unique, node, *_ = abi.IN_HEADER.unpack_from(message)
        data = message[abi.IN_HEADER.size :]
        answer = self._answers.get(opcode)
        if answer is None:
            self._refuse(unique, _REFUSALS.get(opcode, errno.ENOSYS))
            return
        try:
            body = answer(node, data)
            if body is not None:
                self._reply(unique, 0, body)
        except MountError:
            raise
        except BaseException as error:  # also a reply that the kernel does not take
            self._refuse(unique, errno_of(error, _name(opcode), lambda: self._inodes[node].path))

    def _refuse(self, unique: int, number: int) -> None:
        with suppress(OSError):  # of a reply that it did not take, the kernel has made EIO itself
            self._reply(unique, number, b"")

    def _reply(self, unique: int, number: int, body: bytes) -> None:
        header = abi.OUT_HEADER.pack(abi.OUT_HEADER.size + len(body), -number, unique)
        try:
            os.writev(self._device, (header, body))
        except OSError as error:
            # Whoever asked has been killed, or the mount is gone: the next read says so.
            if error.errno not in {errno.ENOENT, errno.ENODEV}:
                raise

    # --- hello ---------------------------------------------------------------------------

    def _init(self, _node: int, data: bytes) -> bytes:
        major, minor, readahead, offered = abi.INIT_IN.unpack_from(data)
        if (major, minor) < (abi.MAJOR, abi.MINOR_MIN):
            message = f"the kernel speaks FUSE {major}.{minor}, older than 7.{abi.MINOR_MIN}"
            raise MountError(message, hint="Linux 3.15 or newer is needed")
        self._may_skip_opendir = bool(offered & Init.NO_OPENDIR_SUPPORT)
        self._on_live()
        return abi.INIT_OUT.pack(
            abi.MAJOR,
            min(minor, abi.MINOR) if major == abi.MAJOR else abi.MINOR,
            readahead,
            offered & _OPTIONS,
            _BACKGROUND_MAX,
            _BACKGROUND_MAX * 3 // 4,
            _WRITE_MAX,
            1,  # times are exact to the nanosecond
            _READ_PAGES_MAX,
            0,
            0,
            0,
        )

    # --- names ---------------------------------------------------------------------------

    def _lookup(self, node: int, data: bytes) -> bytes:
        directory = self._inodes[node]
        name = data[: data.index(0)]
        if name == PROBE:
            return PROBED
        try:
            inode = self._operations.lookup(directory, name)
        except NotFoundError:
            if not directory.shown.is_final:
                raise
            return _MISSING
        if directory.was_listed and not inode.entry.is_dir:  # directories are entered anyway
            self._looked_up = True
        keep = abi.FOREVER if directory.shown.is_final else 0
        return self._entry(self._inodes.tell(inode), keep)

    def _entry(self, inode: Inode, keep: int) -> bytes:
        return abi.ENTRY_OUT.pack(inode.id, 0, keep, _attributes_last(inode), 0, 0) + self._attr(
            inode
        )

    def _attr(self, inode: Inode) -> bytes:
        mode, size, blocks, mtime_ns = attributes_of(inode.entry)
        time, ns = divmod(mtime_ns, _NANOSECONDS)
        return abi.ATTR.pack(
            inode.id, size, blocks, time, time, time, ns, ns, ns,
            mode, 1, self._uid, self._gid, 0, BLOCK, 0,
        )  # fmt: skip

    def _forget(self, node: int, data: bytes) -> None:
        (lookups,) = abi.FORGET_IN.unpack_from(data)
        self._inodes.forget(node, lookups)

    def _batch_forget(self, _node: int, data: bytes) -> None:
        count, _ = abi.BATCH_FORGET_IN.unpack_from(data)
        start = abi.BATCH_FORGET_IN.size
        told = data[start : start + count * abi.FORGET_ONE.size]
        for forgotten, lookups in abi.FORGET_ONE.iter_unpack(told):
            self._inodes.forget(forgotten, lookups)

    def _getattr(self, node: int, _data: bytes) -> bytes:
        inode = self._inodes[node]
        return abi.ATTR_OUT.pack(_attributes_last(inode), 0, 0) + self._attr(inode)

    # --- directories ---------------------------------------------------------------------

    def _opendir(self, node: int, _data: bytes) -> bytes:
        """Let the kernel keep a listing; where all are for ever, it need not ask again.

        ENOSYS is how a server says the latter, for all directories of a mount at once.
        """
        if self._operations.top.shown.is_final and self._may_skip_opendir:
            raise Refusal(errno.ENOSYS)
        if self._inodes[node].shown.is_final:
            return abi.OPEN_OUT.pack(0, Open.KEEP_CACHE | Open.CACHE_DIR, 0)
        return abi.OPEN_OUT.pack(self._opened.open(), 0, 0)

    def _releasedir(self, node: int, data: bytes) -> bytes:
        handle, *_ = abi.READ_IN.unpack_from(data)
        self._opened.close(handle)
        self._listings.drop(node)
        return b""

    def _readdir(self, node: int, data: bytes) -> bytes:
        directory = self._inodes[node]
        if not directory.shown.is_final:
            return self._list_changing(directory, data, b"")
        return self._list(directory, data, None)

    def _readdirplus(self, node: int, data: bytes) -> bytes:
        directory = self._inodes[node]
        if not directory.shown.is_final:
            return self._list_changing(directory, data, _NO_ATTRIBUTES)
        if self._looked_up:
            return self._list(directory, data, self._attributes_of)
        directory.was_listed = True
        return self._list(directory, data, _no_attributes)

    def _list(
        self, directory: Inode, data: bytes, attributes: Callable[[Inode], bytes] | None
    ) -> bytes:
        """Rows of a listing, as many as there is room for.

        Args:
            directory: What to list.
            data: The request.
            attributes: What to put in front of a row; None for nothing.
        """
        _, position, room = abi.READ_IN.unpack_from(data)
        fixed = _ATTRIBUTES_SIZE if attributes else 0
        rows: list[bytes] = []
        for dot in range(position, _DOTS):
            row = _dot(directory, dot)
            rows += [_NO_ATTRIBUTES, row] if attributes else [row]
            room -= fixed + len(row)
        listing = self._listings.take(directory, max(position - _DOTS, 0))
        for inode in listing:
            row = _row(inode, inode.entry.name, listing.position + _DOTS)
            room -= fixed + len(row)
            if room < 0:
                listing.put_back(inode)
                break
            if attributes:
                rows.append(attributes(inode))
            rows.append(row)
        if rows:  # the kernel asks on until it gets nothing
            self._listings.keep(directory, listing)
        return b"".join(rows)

    def _list_changing(self, directory: Inode, data: bytes, before: bytes) -> bytes:
        """Rows of a listing of what may change meanwhile.

        Args:
            directory: What to list.
            data: The request.
            before: What to put in front of a row.
        """
        handle, position, room = abi.READ_IN.unpack_from(data)

        def look() -> list[bytes]:
            children = enumerate(self._operations.children(directory), _DOTS + 1)
            named = (_row(inode, inode.entry.name, after) for after, inode in children)
            return [_dot(directory, 0), _dot(directory, 1), *named]

        rows: list[bytes] = []
        for row in self._opened.rows(handle, position, look):
            room -= len(before) + len(row)
            if room < 0:
                break
            rows += [before, row]
        return b"".join(rows)

    def _attributes_of(self, inode: Inode) -> bytes:
        return self._entry(self._inodes.tell(inode), abi.FOREVER)

    # --- contents ------------------------------------------------------------------------

    def _read(self, node: int, data: bytes) -> bytes:
        _, offset, size = abi.READ_IN.unpack_from(data)
        return self._operations.read(self._inodes[node], offset, size)

    def _readlink(self, node: int, _data: bytes) -> bytes:
        return self._operations.readlink(self._inodes[node])

    # --- the rest ------------------------------------------------------------------------

    def _statfs(self, _node: int, _data: bytes) -> bytes:
        usage = self._operations.statfs()
        return abi.STATFS_OUT.pack(
            usage.blocks, 0, 0, usage.files, 0, usage.block, NAME_MAX, usage.block
        )

    def _getxattr(self, node: int, data: bytes) -> bytes:
        size, _ = abi.XATTR_SIZE.unpack_from(data)
        start = abi.XATTR_SIZE.size
        name = data[start : data.index(0, start)]
        return _fit(self._operations.getxattr(self._inodes[node], name), size)

    def _listxattr(self, node: int, data: bytes) -> bytes:
        size, _ = abi.XATTR_SIZE.unpack_from(data)
        names = self._operations.listxattr(self._inodes[node])
        return _fit(b"".join(name + b"\0" for name in names), size)


def _attributes_last(inode: Inode) -> int:
    """For how many seconds the kernel may keep them."""
    return abi.FOREVER if inode.shown.is_final else 0


def _row(inode: Inode, name: bytes, after: int) -> bytes:
    """A row of a listing: a name, and the position of the next."""
    size = len(name)
    head = abi.DIRENT.pack(inode.id, after, size, _TYPES[inode.entry.kind])
    return head + name + _PADDING[-size % _ALIGNED]


def _dot(directory: Inode, position: int) -> bytes:
    inode = directory.parent if position and directory.parent is not None else directory
    return _row(inode, b"." * (position + 1), position + 1)


def _no_attributes(_inode: Inode) -> bytes:
    return _NO_ATTRIBUTES


def _fit(value: bytes, size: int) -> bytes:
    """Extended attributes are asked for twice: first with no room, to learn their size."""
    if not size:
        return abi.XATTR_SIZE.pack(len(value), 0)
    if len(value) > size:
        raise Refusal(errno.ERANGE)
    return value


def _name(opcode: int) -> str:
    try:
        return Op(opcode).name.lower()
    except ValueError:
        return f"request {opcode}"
