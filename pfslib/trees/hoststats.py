"""What host files held when they were last put, so that those unchanged are not read again.

A cache: it may be dropped at any time, and what it names may have been collected meanwhile. A file
is recognised by device, inode, size, and times of change in nanoseconds. One that had just been
changed when it was read is not remembered at all: the next change could fall on the same tick of
the file system's clock (git calls such a file racy).

What no time tells is missed: a page that is written through a memory map changes the file's time
when it is first written, and not again before the kernel has put it on the disk. Who counts on such
writes has the file system synced. What was changed since that began is not remembered: it may be
changed once more without a sign.
"""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final
from zlib import crc32

import msgspec

from pfslib.kv.protocol import KV, Pair
from pfslib.kv.short_reads import ShortReads
from pfslib.kv.tables import Table, number_key
from pfslib.model.encoding import pack, unpack
from pfslib.model.errors import CorruptionError
from pfslib.trees.hostfile import clamped

_log = logging.getLogger("pfslib")

RACY_NS: Final = 2 * 10**9
"""Coarser than the clock of any file system worth the name: that of FAT."""

ROWS_MAX: Final = 20_000_000
"""Files remembered, of all directories; about 90 bytes each. One more, and all are forgotten."""

_FORGOTTEN_AT_ONCE: Final = 2_000

_PAGE_ENDS_MASK: Final = 63
_PAGE_ROWS_MAX: Final = 256
_PENDING_BYTES_MAX: Final = 4 << 20
_COUNTER: Final = b"stat rows"
_DIRECTORY = struct.Struct(">QQ")


class StatRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A host file as it was when its content became known."""

    name: bytes
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    ref: bytes
    """What `Content.ref` is; its size is the file's."""

    def is_of(self, status: os.stat_result) -> bool:
        """Whether the file is still the same."""
        return (
            self.inode == status.st_ino
            and self.mtime_ns == status.st_mtime_ns
            and self.ctime_ns == status.st_ctime_ns
            and self.size == status.st_size
        )


class HostStats:
    """The rows of all host directories, of one store."""

    def __init__(self, kv: KV, *, forget: bool = False, since_ns: int | None = None) -> None:
        """Begin to look up and note files.

        Args:
            kv: The store.
            forget: Know nothing of any file, and note all of them anew.
            since_ns: Time from which on changes may not show; now, without.
        """
        self.since_ns = time.time_ns() if since_ns is None else since_ns
        self._kv = kv
        self._forget = forget
        self._reads = ShortReads(kv)
        self._pending: dict[bytes, bytes | None] = {}
        self._pending_bytes = 0
        self._added_rows = 0

    def directory(self, status: os.stat_result) -> DirectoryStats:
        """The rows of one directory, named by its device and inode."""
        prefix = _DIRECTORY.pack(status.st_dev, status.st_ino)
        pages = self._reads.scan(Table.STATS, prefix=prefix)
        return DirectoryStats(self, prefix, pages, forget=self._forget)

    def change(self, key: bytes, value: bytes | None, added_rows: int) -> None:
        """Have a page written, or removed."""
        self._pending[key] = value
        self._pending_bytes += len(value or b"")
        self._added_rows += added_rows
        if self._pending_bytes >= _PENDING_BYTES_MAX:
            self.save()

    def save(self) -> None:
        """Write what has changed."""
        if not self._pending:
            return
        with self._kv.write() as txn:
            for key, value in self._pending.items():
                if value is None:
                    txn.delete(Table.STATS, key)
                else:
                    txn.put(Table.STATS, key, value)
            rows = int.from_bytes(txn.get(Table.META, _COUNTER) or b"", "big") + self._added_rows
            txn.put(Table.META, _COUNTER, number_key(max(rows, 0)))
        self._pending, self._pending_bytes, self._added_rows = {}, 0, 0
        if rows > ROWS_MAX:
            _log.info("forgetting what %d host files held: more than %d", rows, ROWS_MAX)
            forget_stats(self._kv)


def forget_stats(kv: KV) -> None:
    """Drop every row, a bounded transaction at a time; the next puts read all files again."""
    with kv.write() as txn:
        txn.put(Table.META, _COUNTER, number_key(0))
    while True:
        with kv.write() as txn:
            keys = list(islice(txn.keys(Table.STATS), _FORGOTTEN_AT_ONCE))
            for key in keys:
                txn.delete(Table.STATS, key)
        if len(keys) < _FORGOTTEN_AT_ONCE:
            return


class DirectoryStats:
    """The rows of one directory: looked up and made anew in one pass, by ascending names.

    They lie in pages cut by name, so that a changed file rewrites the page it is in and no other.
    """

    def __init__(
        self, stats: HostStats, prefix: bytes, pages: Iterator[Pair], *, forget: bool
    ) -> None:
        self._forget = forget
        self._stats = stats
        self._prefix = prefix
        self._pages = pages
        self._page: dict[bytes, StatRow] = {}
        self._last = b""
        self._ended = False
        self._old: dict[bytes, tuple[bytes, int]] = {}
        self._rows: list[StatRow] = []

    def find(self, name: bytes) -> StatRow | None:
        """The row of a name, which is greater than those asked for before."""
        while not self._ended and name > self._last:
            self._next_page()
        return None if self._forget else self._page.get(name)

    def keep(self, row: StatRow) -> None:
        """Remember a file whose row is still right."""
        self._rows.append(row)
        if crc32(row.name) & _PAGE_ENDS_MASK == 0 or len(self._rows) >= _PAGE_ROWS_MAX:
            self._end_page()

    def note(self, name: bytes, status: os.stat_result, ref: bytes) -> None:
        """Remember a file just read, unless it was changed too short a time ago."""
        if max(status.st_mtime_ns, status.st_ctime_ns) + RACY_NS <= self._stats.since_ns:
            mtime_ns, ctime_ns = clamped(status.st_mtime_ns), clamped(status.st_ctime_ns)
            row = StatRow(name, status.st_ino, status.st_size, mtime_ns, ctime_ns, ref)
            self.keep(row)

    def close(self) -> None:
        """Hand in what has changed."""
        while not self._ended:
            self._next_page()
        if self._rows:
            self._end_page()
        for key, (_, count) in self._old.items():
            self._stats.change(key, None, -count)

    def _next_page(self) -> None:
        try:
            pair = next(self._pages, None)
        except CorruptionError:  # only a cache
            pair = None
        if pair is None:
            self._page, self._ended = {}, True
            return
        key, value = pair
        try:
            rows = unpack(list[StatRow], value)
        except CorruptionError:  # only a cache
            rows = []
        self._old[key] = (value, len(rows))
        self._page = {row.name: row for row in rows}
        self._last = rows[-1].name if rows else b""

    def _end_page(self) -> None:
        key = self._prefix + self._rows[0].name
        value = pack(self._rows)
        old_value, old_count = self._old.pop(key, (b"", 0))
        if value != old_value:
            self._stats.change(key, value, len(self._rows) - old_count)
        self._rows = []
