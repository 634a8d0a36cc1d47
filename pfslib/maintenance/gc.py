"""Give back the room of what nothing refers to, beside readers, writers and mounts.

Nodes and pieces that no root leads to are garbage: of deleted repos, of commits that were given up,
of writers that were killed. One collection goes so:

1. *Reach*: walk everything below the roots.
2. *Mark*: write a mark for each stored node and piece that was not reached.
3. *Reach again*: walk what the roots, listed in one snapshot, lead to by now; then what is held.
4. *Spare*: take the marks of what was reached away.
5. *Sweep*: delete what is still marked, and then the chunks without pieces; chunks of which less
   than half is left are written anew with their neighbours.

Each step is many short transactions, and may be cut off anywhere: marks are only taken away from
what is reached, so the next collection goes on where this one was.

Why nothing is lost
-------------------
A *publication* is a transaction that makes a root lead to something. It may rely on something that
it does not store itself in only three ways:

a. A writer found it stored (`chunks.ingest`): it held the name before it looked, and it lets a
   condemned thing count as absent, to be stored anew. Whoever stores a name takes its mark away.
b. A writer took a tree over by reference (`ContentWriter.keep`), a mount shows it, a datum reads
   it: each held its root before it saw that a root still led to it.
c. It is below the tree that the transaction changes, which a root leads to at that moment.

Claim: nothing is swept that a root leads to when it is swept, or later. Suppose x is, and let P be
the first publication after the snapshot of step 3 that makes a root lead to x; there is one, since
by that snapshot none did, or x would have been spared. How did P come by x?

a. If the name was held before the holds were read, they had it: a hold is let go after P, thus
   after this collection began, and then its file stays until the end. So x was spared. If it was
   held after that, the look-up came after all marks were written: x was condemned, and P stored it
   anew. Then x bears no mark, whether P came before its turn in the sweep or after.
b. If held before the holds were read, likewise. If after, some root led to x after the snapshot, so
   by an earlier publication than P or at the snapshot; neither is there.
c. The same.

And what is deleted is garbage to the last: after a collection without writers beside it, what is
stored is what the roots lead to. It counts on nobody's clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

import msgspec

from pfslib.chunks.chunkstore import unpack_place
from pfslib.chunks.condemned import NODE, PIECE, condemn, spare
from pfslib.commits.forsaken import is_forsaken
from pfslib.commits.staging import discard
from pfslib.kv.protocol import KV, Sweep
from pfslib.kv.short_reads import ShortReads
from pfslib.kv.tables import Table
from pfslib.maintenance.prefixes import PrefixSet
from pfslib.maintenance.reach import Reach
from pfslib.maintenance.repack import sweep_chunks
from pfslib.maintenance.roots import list_roots
from pfslib.maintenance.sweep import Swept, sweep_names
from pfslib.model.encoding import unpack
from pfslib.model.errors import BusyError, CorruptionError, StoreFullError
from pfslib.model.history import OpenCommit

ItemT = TypeVar("ItemT")

_MARKS_A_TXN: Final = 10_000

Progress = Callable[[str, int], None]
"""Told what is being done (``reach``, ``mark``, ``sweep``, ``repack``), and how much of it is."""


class GcReport(msgspec.Struct, frozen=True):
    """What a collection found and did."""

    dry_run: bool
    """Whether it was only counted."""

    nodes: int
    """Nodes of directories and large files that nothing led to."""

    pieces: int
    """Pieces of content that nothing led to."""

    garbage_bytes: int
    """Bytes of those nodes, compressed, and of those pieces, plain."""

    live_nodes: int
    """Nodes of directories and large files that stay."""

    abandoned_commits: int
    """Open commits of ``with`` blocks that are over, or whose process is gone."""

    chunks_deleted: int = 0
    """Chunks of nothing but garbage."""

    chunks_rewritten: int = 0
    """Chunks that held garbage beside what stays."""

    chunks_damaged: int = 0
    """Chunks that were to be rewritten and could not be read: left as they are; run fsck."""

    file_bytes: int = 0
    """Size of the store's file afterwards."""

    used_bytes: int = 0
    """How much of that is in use afterwards; the rest is used again before the file grows."""

    freed_bytes: int = 0
    """How much less is in use than before; others may have written meanwhile."""

    compacted: bool = False
    """Whether the file was."""

    not_compacted: str = ""
    """Why the file was not compacted, though it was to be."""

    seconds: float = 0.0
    """How long it took."""


class _Unreached(msgspec.Struct):
    """Garbage, counted."""

    nodes: int = 0
    pieces: int = 0
    size: int = 0


def collect(
    kv: KV, *, dry_run: bool = False, compact: bool = False, progress: Progress | None = None
) -> GcReport:
    """Delete all garbage, or count it.

    Args:
        kv: The store.
        dry_run: Count only; nothing is written.
        compact: Make the file as small as what is in it, if nobody else has the store open.
        progress: See `Progress`.

    Raises:
        BusyError: Another process is collecting.
        CorruptionError: What is live cannot be told, because a node or record is damaged; nothing
            was deleted.

    Cost: reads every live node and the keys of all pieces; memory as in `reach`. A write
    transaction holds others up for some tens of milliseconds.
    """
    started = time.monotonic()
    progress = progress or _quiet
    before = kv.room()
    with kv.sweeping() as sweep:
        abandoned = _list_abandoned(kv)
        if not dry_run:
            _discard(kv, abandoned)
            _forget_works(kv)
        try:
            report = _Collection(kv, sweep, progress).run(dry_run=dry_run)
        except CorruptionError as error:
            raise CorruptionError(
                f"garbage cannot be told from what is live: {error.message}",
                hint="nothing was deleted; `pfs fsck` says what is damaged",
            ) from error
    not_compacted = _compact(kv, progress) if compact and not dry_run else ""
    after = kv.room()
    return msgspec.structs.replace(
        report,
        abandoned_commits=len(abandoned),
        file_bytes=after.file,
        used_bytes=after.used,
        freed_bytes=max(0, before.used - after.used),
        compacted=compact and not dry_run and not not_compacted,
        not_compacted=not_compacted,
        seconds=time.monotonic() - started,
    )


def _compact(kv: KV, progress: Progress) -> str:
    """Compact the store; why not, if it cannot be done now."""
    progress("compact", 0)
    try:
        kv.compact()
    except (BusyError, StoreFullError) as error:
        return f"{error.message} ({error.hint})"
    return ""


def _quiet(_what: str, _done: int) -> None:
    pass


class _Collection:
    """One collection."""

    def __init__(self, kv: KV, sweep: Sweep, progress: Progress) -> None:
        self._kv = kv
        self._sweep = sweep
        self._progress = progress
        self._pieces = PrefixSet()
        self._reach = Reach(self._pieces.add)

    def run(self, *, dry_run: bool) -> GcReport:
        self._reach_roots()
        if dry_run:
            self._reach_held()
            found = _Unreached()
            for _ in self._unreached(found):
                pass
            return self._report(found)
        self._mark()
        self._reach_roots()
        self._reach_held()
        self._spare()
        done = sweep_names(self._kv, self._progress)
        sweep_chunks(self._kv, done, self._progress)
        return self._report(_Unreached(done.nodes, done.pieces, done.size), done)

    def _report(self, found: _Unreached, done: Swept | None = None) -> GcReport:
        return GcReport(
            dry_run=done is None,
            nodes=found.nodes,
            pieces=found.pieces,
            garbage_bytes=found.size,
            live_nodes=len(self._reach.nodes),
            abandoned_commits=0,
            chunks_deleted=done.chunks if done else 0,
            chunks_rewritten=done.rewritten if done else 0,
            chunks_damaged=done.damaged if done else 0,
        )

    def _reach_roots(self) -> None:
        with self._kv.read() as txn:
            for root in list_roots(txn):
                self._reach.add_entry(root.entry)
        self._reach.walk(self._kv, progress=lambda done: self._progress("reach", done))

    def _reach_held(self) -> None:
        with self._kv.read() as txn:
            for name in self._sweep.held():
                self._reach.add_name(txn, name)
        # Who holds something may have come too late to keep all of it, and will see so.
        self._reach.walk(self._kv, tolerant=True)

    def _mark(self) -> None:
        marked = 0
        for batch in _batches(self._unreached(_Unreached())):
            with self._kv.write() as txn:
                for name, kind in batch:
                    condemn(txn, name, kind)
            marked += len(batch)
            self._progress("mark", marked)

    def _unreached(self, count: _Unreached) -> Iterator[tuple[bytes, bytes]]:
        """What is stored and was not reached, counted on the way."""
        for key, frame in ShortReads(self._kv).scan(Table.NODES):
            if key not in self._reach.nodes:
                count.nodes += 1
                count.size += len(frame)
                yield key, NODE
        live = self._pieces.ordered()
        for digest, value in ShortReads(self._kv).scan(Table.PLACES):
            if digest not in live:
                count.pieces += 1
                count.size += unpack_place(value).size
                yield digest, PIECE

    def _spare(self) -> None:
        for batch in _batches(self._reached_marks()):
            with self._kv.write() as txn:
                for name in batch:
                    spare(txn, name)

    def _reached_marks(self) -> Iterator[bytes]:
        live = self._pieces.ordered()
        for name, kind in ShortReads(self._kv).scan(Table.CONDEMNED):
            if name in self._reach.nodes if kind == NODE else name in live:
                yield name


def _list_abandoned(kv: KV) -> list[OpenCommit]:
    return [
        commit
        for commit in (unpack(OpenCommit, value) for _, value in ShortReads(kv).scan(Table.OPEN))
        if is_forsaken(commit)
    ]


def _discard(kv: KV, abandoned: Iterable[OpenCommit]) -> None:
    for commit in abandoned:
        with kv.write() as txn:
            discard(txn, commit)


def _forget_works(kv: KV) -> None:
    """Forget how outputs came about that are gone, of a time when dropping them left that."""
    keys = [key for key, _ in ShortReads(kv).scan(Table.WORKS)]
    for batch in _batches(iter(keys)):
        with kv.read() as txn:
            gone = [key for key in batch if txn.get(Table.COMMITS, key) is None]
        if gone:
            with kv.write() as writing:
                for key in gone:
                    writing.delete(Table.WORKS, key)


def _batches(items: Iterator[ItemT]) -> Iterator[list[ItemT]]:
    while batch := list(islice(items, _MARKS_A_TXN)):
        yield batch
