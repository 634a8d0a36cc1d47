"""How output commits came about, kept as trees: so that a job costs what has changed.

A work is a directory with at most four directories in it, each flat, sorted, and shared but for the
changes with that of the job before:

========= =============================== =======================================================
``keys``   order name of a datum           its key
``outputs`` order name of a datum          the directory it wrote, by reference
``writers`` path that datums wrote, order  the file that the datum wrote there
``again``  order name of a datum           its key: it was recovered, or never begun as the job was
                                           killed, and runs again in the next job
========= =============================== =======================================================

A path is named in ``writers`` by a hash, so that all who wrote it stand side by side, in the order
in which their files are merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from blake3 import blake3

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, id_key
from pfslib.model.encoding import pack, unpack
from pfslib.model.nodes import Entry, Kind
from pfslib.model.work import Job, Work
from pfslib.trees.directories import Change, empty_directory, write_directory
from pfslib.trees.lookup import find_child, scan_directory
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.rank import Rank, rank
from pfslib.trees.walk import Parts

KEYS: Final = b"keys"
OUTPUTS: Final = b"outputs"
WRITERS: Final = b"writers"
AGAIN: Final = b"again"

_PATH_DIGITS: Final = 32


def put_work(txn: WriteTxn, output_commit: str, work: Work) -> None:
    """Keep how an output commit came about."""
    txn.put(Table.WORKS, id_key(output_commit), pack(work))


def put_empty_work(txn: WriteTxn, job: Job) -> None:
    """Keep of the output of a job that had no datums which commits it would have been made from."""
    root = empty_directory(txn, mtime_ns=0, origin=b"")
    put_work(txn, job.output_commit, Work(job.id, b"", b"", job.inputs, root))


def find_work(txn: ReadTxn, output_commit: str) -> Work | None:
    """How an output commit came about; None if no job made it."""
    value = txn.get(Table.WORKS, id_key(output_commit))
    return unpack(Work, value) if value is not None else None


class Writer(NamedTuple):
    """Who wrote a path, and what."""

    order: bytes
    entry: Entry


class WorkTree:
    """Reads the directories of a work, or of none."""

    def __init__(self, txn: ReadTxn, work: Work | None, cache: TreeCache) -> None:
        self._txn = txn
        self._cache = cache
        self._parts: dict[bytes, Entry] = {}
        if work is not None:
            for entry in scan_directory(txn, work.root, cache):
                self._parts[entry.name] = entry

    def part(self, name: bytes) -> Entry | None:
        """One of the directories; None when it is empty."""
        return self._parts.get(name)

    @property
    def total(self) -> int:
        """How many datums there are."""
        keys = self._parts.get(KEYS)
        return keys.files if keys is not None else 0

    def keys(self) -> Iterator[tuple[bytes, bytes]]:
        """Order name and key of each datum, in order."""
        return self._pairs(KEYS)

    def again(self) -> Iterator[tuple[bytes, bytes]]:
        """Order name and key of those that were recovered, or never begun."""
        return self._pairs(AGAIN)

    def key(self, order: bytes) -> bytes | None:
        """The key of a datum; None when there is none of that order name."""
        found = self._find(KEYS, order)
        return found.content if found is not None else None

    def number(self, order: bytes) -> int:
        """How many datums come before an order name."""
        return rank(self._txn, self.part(KEYS), order, self._cache).entries

    def output(self, order: bytes) -> Entry | None:
        """What a datum wrote; None when it wrote nothing."""
        return self._find(OUTPUTS, order)

    def outputs(self) -> Iterator[Entry]:
        """What the datums wrote, in their order; the name of each is its order name."""
        directory = self.part(OUTPUTS)
        return scan_directory(self._txn, directory, self._cache) if directory else iter(())

    def writers(self, path: Parts) -> Iterator[Writer]:
        """All who wrote a path, in their order."""
        directory, prefix = self.part(WRITERS), path_name(path)
        if directory is None:
            return
        for entry in scan_directory(self._txn, directory, self._cache, after=prefix):
            if not entry.name.startswith(prefix):
                return
            yield Writer(entry.name[len(prefix) :], entry)

    def written_before(self, path: Parts, order: bytes) -> Rank:
        """How many wrote a path before an order name, and how many bytes. Cost: O(log n)."""
        directory, prefix = self.part(WRITERS), path_name(path)
        begin = rank(self._txn, directory, prefix, self._cache)
        here = rank(self._txn, directory, prefix + order, self._cache)
        return Rank(here.entries - begin.entries, here.size - begin.size)

    def written(self, path: Parts) -> Rank:
        """How many wrote a path, and how many bytes in all. Cost: O(log n)."""
        directory, prefix = self.part(WRITERS), path_name(path)
        begin = rank(self._txn, directory, prefix, self._cache)
        end = rank(self._txn, directory, _after(prefix), self._cache)
        return Rank(end.entries - begin.entries, end.size - begin.size)

    def _find(self, part: bytes, order: bytes) -> Entry | None:
        directory = self.part(part)
        return find_child(self._txn, directory, order, self._cache) if directory else None

    def _pairs(self, part: bytes) -> Iterator[tuple[bytes, bytes]]:
        directory = self.part(part)
        if directory is not None:
            for entry in scan_directory(self._txn, directory, self._cache):
                yield entry.name, entry.content


@lru_cache(maxsize=16)  # asked for several times in a row
def path_name(path: Parts) -> bytes:
    """What a path is called in ``writers``."""
    return blake3(b"\0".join(path)).hexdigest(_PATH_DIGITS // 2).encode()


def _after(prefix: bytes) -> bytes:
    """The least name that sorts after all that begin with a prefix, whose last byte is a digit."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def writer_name(path: Parts, order: bytes) -> bytes:
    """What a datum's file at a path is called in ``writers``."""
    return path_name(path) + order


def key_entry(order: bytes, key: bytes) -> Entry:
    """A datum's key under its order name."""
    return Entry(order, Kind.FILE, len(key), key, 0, b"")


def write_works(
    txn: WriteTxn,
    base: WorkTree,
    changes: Mapping[bytes, Iterable[Change]],
    cache: TreeCache,
) -> Entry:
    """The root of a work that is another one, changed.

    Args:
        txn: The change to make it in.
        base: What it was.
        changes: For each of the directories, changes in any order, no name twice.
        cache: What is remembered of trees.
    """
    parts: list[Change] = []
    for name in sorted((KEYS, OUTPUTS, WRITERS, AGAIN)):
        old = base.part(name)
        rows = sorted(changes.get(name, ()), key=lambda change: change[0])
        part = old
        if rows:
            part = write_directory(txn, old, rows, cache, name=name, mtime_ns=0, origin=b"")
        parts.append((name, part))
    root = write_directory(txn, None, parts, cache, name=b"", mtime_ns=0, origin=b"")
    return root if root is not None else empty_directory(txn, mtime_ns=0, origin=b"")
