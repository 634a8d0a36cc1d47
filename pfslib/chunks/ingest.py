"""Turn content into stored pieces: hash, look up, and only then pack and compress.

An Ingest buffers what is new and writes it in bounded transactions, so that an unbounded stream
needs bounded memory and no transaction spans the reading of a source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from pfslib.chunks.chunkstore import Chunk, add_chunks, has_piece
from pfslib.chunks.codec import compress, raw_frame
from pfslib.chunks.digest import piece_digest
from pfslib.chunks.split import ReadInto, cut
from pfslib.kv.protocol import KV, Hold, WriteTxn
from pfslib.model.nodes import PIECE_MAX, Piece

PACK_BYTES: Final = 128 * 1024
"""A pack is closed when it holds this much: a store of small files is 7 to 15 % smaller than with
48 KiB, and a file read at random takes 80 us longer."""

SPILL_BYTES: Final = 32 << 20
"""Plain bytes held before they are written: one sync a spill. While one is being written the next
fills up: with the frames of both, and what LMDB has still to write, memory is up to five times
this."""

_BATCH_BYTES: Final = 2 << 20
"""What is looked up at once, and what a worker thread takes at once: less, and the hand-over would
cost more than it saves."""

_WORKERS: Final = 2

_Pieces = tuple[tuple[bytes, int, int], ...]
"""Digest, offset and size of each piece in a chunk."""


class _Chunk(NamedTuple):
    """A chunk to be stored: its raw frame, and what pieces are in it."""

    frame: bytes
    pieces: _Pieces
    size: int


_Work = tuple[list[_Pieces], Future[list[bytes]]]
"""What is in each chunk of a batch, and their frames when they are compressed. The plain bytes are
not kept: they would double the memory."""


class Ingest:
    """Pieces waiting to be written into one store.

    Not for several threads at once. What was added is stored once `flush` ran in a transaction
    that committed; `spill` may have written some of it earlier, which is only garbage until
    something refers to it. A write that fails loses nothing: what it was to store is pending again.

    Args:
        kv: The store.
        hold: Notes down every piece before it is looked up: what is found stored may be garbage,
            and must stay until something refers to it again.
        spill_bytes: How much is held in memory before it is written.
    """

    def __init__(self, kv: KV, hold: Hold, *, spill_bytes: int = SPILL_BYTES) -> None:
        self._kv = kv
        self._hold = hold
        self._spill_bytes = spill_bytes
        self._known: set[bytes] = set()
        self._since: set[bytes] = set()
        self._unsure: dict[bytes, bytes | _Chunk] = {}
        self._unsure_bytes = 0
        self._batch: list[_Chunk] = []
        self._batch_bytes = 0
        self._in_work: list[_Work] = []
        self._spilling: tuple[list[_Work], Future[None]] | None = None
        self._spilled: set[bytes] = set()
        self._workers: ThreadPoolExecutor | None = None
        self.pending_bytes = 0
        """Plain bytes not yet written."""

    # --- adding --------------------------------------------------------------------------

    def add_piece(self, data: bytes) -> bytes:
        """Add a small content, to be packed with its neighbours; returns its digest."""
        assert len(data) <= PIECE_MAX
        digest = piece_digest(data)
        if not (digest in self._unsure or digest in self._known or digest in self._spilled):
            self._doubt(digest, data, len(data))
        return digest

    def add_stream(self, readinto: ReadInto, on_piece: Callable[[Piece], None]) -> int:
        """Add a large content, cut into chunks.

        Args:
            readinto: The content.
            on_piece: Called for each chunk, in order.

        Returns:
            The size of the content, in bytes.
        """
        size = 0
        for chunk in cut(readinto):
            size += len(chunk)
            on_piece(self.add_chunk(chunk))
        return size

    def add_chunk(self, chunk: memoryview) -> Piece:
        """Add one chunk of a large content, which was cut already."""
        digest, size = piece_digest(chunk), len(chunk)
        if not (digest in self._unsure or digest in self._known or digest in self._spilled):
            self._doubt(digest, _Chunk(raw_frame((chunk,)), ((digest, 0, size),), size), size)
        return Piece(size, digest)

    # --- writing -------------------------------------------------------------------------

    def flush(self, txn: WriteTxn) -> None:
        """Write everything pending in the caller's transaction; `settle` must have come before.

        It stays pending until `written` says that the transaction committed.
        """
        _write(txn, self._in_work)

    def written(self) -> None:
        """Forget what was pending: it is stored."""
        self._in_work = []
        self._known, self._since = set(), set()
        self.pending_bytes = 0

    def settle(self) -> None:
        """Finish all work but the last writing; must come before a transaction that flushes.

        It keeps that transaction short, and what is being spilled needs a transaction of its own.
        """
        self._look_up()
        self._hand_over()
        for _, future in self._in_work:
            future.result()
        self._await_spill()

    def spill(self) -> None:
        """Write everything pending in a transaction of its own."""
        self._look_up()
        self._start_spill()
        self._await_spill()

    # --- taking back ---------------------------------------------------------------------

    def begin(self) -> None:
        """Make this the moment that `take_back` goes back to."""
        self._since = set()

    def take_back(self) -> None:
        """Drop what was added since `begin` and is neither written nor packed with other things."""
        for digest in self._since & self._unsure.keys():
            what = self._unsure.pop(digest)
            self._unsure_bytes -= what.size if isinstance(what, _Chunk) else len(what)
        self._batch = [chunk for chunk in self._batch if self._is_kept(chunk.pieces)]
        self._batch_bytes = sum(chunk.size for chunk in self._batch)
        self._in_work = [kept for work in self._in_work if (kept := self._kept(work))[0]]
        packed = [pieces for work, _ in self._in_work for pieces in work]
        packed += [chunk.pieces for chunk in self._batch]
        self.pending_bytes = sum(size for pieces in packed for _, _, size in pieces)
        self._known -= self._since
        self._known.update(digest for pieces in packed for digest, _, _ in pieces)
        self._since = set()

    def _is_kept(self, pieces: _Pieces) -> bool:
        return any(digest not in self._since for digest, _, _ in pieces)

    def _kept(self, work: _Work) -> _Work:
        """What is left of a batch."""
        chunks, future = work
        kept = [number for number, pieces in enumerate(chunks) if self._is_kept(pieces)]
        if len(kept) == len(chunks):
            return work
        left: Future[list[bytes]] = Future()
        if kept:
            frames = future.result()
            left.set_result([frames[number] for number in kept])
        else:
            future.cancel()
        return [chunks[number] for number in kept], left

    # --- end -----------------------------------------------------------------------------

    def close(self) -> None:
        """Drop what is pending and end the worker threads."""
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)
            self._workers = None
        self._spilling = None
        self._unsure, self._unsure_bytes = {}, 0
        self._batch, self._batch_bytes = [], 0
        self.written()

    # --- inside --------------------------------------------------------------------------

    def _doubt(self, digest: bytes, what: bytes | _Chunk, size: int) -> None:
        """Keep what may be stored already, until there is enough of it to look it up in one go."""
        self._unsure[digest] = what
        self._since.add(digest)
        self._unsure_bytes += size
        if self._unsure_bytes >= _BATCH_BYTES:
            self._look_up()

    def _look_up(self) -> None:
        """Find out what of the unsure is new; pack what is small of that, in the order it came."""
        if not self._unsure:
            return
        self._hold.add(self._unsure)
        with self._kv.read() as txn:
            new = [pair for pair in self._unsure.items() if not has_piece(txn, pair[0])]
        self._known.update(self._unsure)
        self._unsure, self._unsure_bytes = {}, 0
        for chunk in _packed(new):
            self._batch.append(chunk)
            self._batch_bytes += chunk.size
            self.pending_bytes += chunk.size
        if self._batch_bytes >= _BATCH_BYTES:
            self._hand_over()
            if self.pending_bytes >= self._spill_bytes:
                self._start_spill()

    def _hand_over(self) -> None:
        """Have the batch compressed: by a worker thread, or here when it is not worth one."""
        if not self._batch:
            return
        chunks, self._batch = self._batch, []
        future: Future[list[bytes]]
        if self._batch_bytes >= _BATCH_BYTES:
            future = self._threads().submit(_compress_all, chunks)
        else:
            future = Future()
            future.set_result(_compress_all(chunks))
        self._in_work.append(([chunk.pieces for chunk in chunks], future))
        self._batch_bytes = 0

    def _start_spill(self) -> None:
        """Begin to write what is pending, beside the reading of what follows.

        One spill at a time: the disk is what is slow, and memory stays bounded by two.
        """
        self._hand_over()
        self._await_spill()
        if self._in_work:
            work, self._in_work = self._in_work, []
            self._spilled, self._known, self._since = self._known, set(), set()
            self.pending_bytes = 0
            self._spilling = (work, self._threads().submit(self._spill, work))

    def _spill(self, work: list[_Work]) -> None:
        for _, future in work:
            future.result()
        with self._kv.write() as txn:
            _write(txn, work)

    def _await_spill(self) -> None:
        if self._spilling is None:
            return
        (work, spill), self._spilling = self._spilling, None
        spilled, self._spilled = self._spilled, set()
        try:
            spill.result()
        except BaseException:
            self._in_work[:0] = work
            self._known |= spilled
            self.pending_bytes += sum(
                size for batch, _ in work for pieces in batch for _, _, size in pieces
            )
            raise

    def _threads(self) -> ThreadPoolExecutor:
        if self._workers is None:
            self._workers = ThreadPoolExecutor(_WORKERS + 1, "pfs-ingest")
        return self._workers


def _packed(new: Iterable[tuple[bytes, bytes | _Chunk]]) -> Iterator[_Chunk]:
    """The chunks as they are; the small contents between them in packs."""
    parts: list[bytes] = []
    pieces: list[tuple[bytes, int, int]] = []
    size = 0
    for digest, what in new:
        if isinstance(what, _Chunk):
            yield what
            continue
        parts.append(what)
        pieces.append((digest, size, len(what)))
        size += len(what)
        if size >= PACK_BYTES:
            yield _Chunk(raw_frame(parts), tuple(pieces), size)
            parts, pieces, size = [], [], 0
    if pieces:
        yield _Chunk(raw_frame(parts), tuple(pieces), size)


def _write(txn: WriteTxn, work: list[_Work]) -> None:
    add_chunks(txn, _encoded(work))


def _encoded(work: list[_Work]) -> Iterator[Chunk]:
    for batch, future in work:
        yield from zip(future.result(), batch, strict=True)


def _compress_all(chunks: list[_Chunk]) -> list[bytes]:
    return [compress(chunk.frame, uniform=len(chunk.pieces) == 1) for chunk in chunks]
