"""Turn content into stored pieces: hash, look up, and only then pack and compress.

An Ingest buffers what is new and writes it in bounded transactions, so that an unbounded stream
needs bounded memory and no transaction spans the reading of a source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from pfslib.chunks.chunkstore import add_chunk, has_piece
from pfslib.chunks.codec import encode
from pfslib.chunks.digest import piece_digest
from pfslib.chunks.split import cut
from pfslib.kv.protocol import KV, WriteTxn
from pfslib.model.nodes import PIECE_MAX, Piece

PACK_BYTES: Final = 48 * 1024
"""A pack is closed when it holds this much: 32 to 64 KiB compress well and inflate fast."""

SPILL_BYTES: Final = 64 << 20
"""Plain bytes held before they are written: one sync a spill, memory of about twice this."""

_BATCH_BYTES: Final = 4 << 20
_WORKERS: Final = 2

_Pieces = Sequence[tuple[bytes, int, int]]


class _Batch:
    """Chunks of one big stream on their way through a worker thread."""

    __slots__ = ("chunks", "digests", "size")

    def __init__(self) -> None:
        self.chunks: list[bytes | memoryview] = []
        self.digests: list[bytes] = []
        self.size = 0


class Ingest:
    """Pieces waiting to be written into one store.

    Not for several threads at once. What was added is stored once `flush` ran in a transaction
    that committed; `spill` may have written some of it earlier, which is only garbage until
    something refers to it.
    """

    def __init__(self, kv: KV, *, spill_bytes: int = SPILL_BYTES) -> None:
        self._kv = kv
        self._spill_bytes = spill_bytes
        self._known: set[bytes] = set()
        self._pack: list[bytes] = []
        self._pack_pieces: list[tuple[bytes, int, int]] = []
        self._pack_size = 0
        self._ready: list[tuple[bytes, _Pieces]] = []
        self._in_work: list[tuple[Future[list[bytes]], _Batch]] = []
        self._workers: ThreadPoolExecutor | None = None
        self.pending_bytes = 0
        """Plain bytes not yet written."""

    # --- adding --------------------------------------------------------------------------

    def add_piece(self, data: bytes) -> bytes:
        """Add a small content, to be packed with its neighbours; returns its digest."""
        assert len(data) <= PIECE_MAX
        digest = piece_digest(data)
        if not self._is_new(digest):
            return digest
        self._pack_pieces.append((digest, self._pack_size, len(data)))
        self._pack.append(data)
        self._pack_size += len(data)
        self.pending_bytes += len(data)
        if self._pack_size >= PACK_BYTES:
            self._close_pack()
        if self.pending_bytes >= self._spill_bytes:
            self.spill()
        return digest

    def add_stream(self, blocks: Iterable[bytes], on_piece: Callable[[Piece], None]) -> int:
        """Add a large content, cut into chunks.

        Args:
            blocks: The content, in order.
            on_piece: Called for each chunk, in order.

        Returns:
            The size of the content, in bytes.
        """
        size = 0
        batch = _Batch()
        for chunk in cut(blocks):
            size += len(chunk)
            digest = piece_digest(chunk)
            on_piece(Piece(len(chunk), digest))
            if not self._is_new(digest):
                continue
            batch.chunks.append(chunk)
            batch.digests.append(digest)
            batch.size += len(chunk)
            self.pending_bytes += len(chunk)
            if batch.size >= _BATCH_BYTES:
                self._work_on(batch)
                batch = _Batch()
                if self.pending_bytes >= self._spill_bytes:
                    self.spill()
        if batch.chunks:
            self._work_on(batch)
        return size

    # --- writing -------------------------------------------------------------------------

    def flush(self, txn: WriteTxn) -> None:
        """Write everything pending in the caller's transaction."""
        self._settle()
        for frame, pieces in self._ready:
            add_chunk(txn, frame, pieces)
        self._written()

    def spill(self) -> None:
        """Write everything pending in a transaction of its own."""
        self._settle()  # compress before the transaction begins: it must be short
        if self._ready:
            with self._kv.write() as txn:
                self.flush(txn)

    def close(self) -> None:
        """Drop what is pending and end the worker threads."""
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)
            self._workers = None
        self._in_work.clear()
        self._written()

    # --- inside --------------------------------------------------------------------------

    def _is_new(self, digest: bytes) -> bool:
        if digest in self._known:
            return False
        with self._kv.read() as txn:
            if has_piece(txn, digest):
                return False
        self._known.add(digest)
        return True

    def _close_pack(self) -> None:
        if self._pack:
            self._ready.append((encode(b"".join(self._pack)), self._pack_pieces))
            self._pack, self._pack_pieces, self._pack_size = [], [], 0

    def _work_on(self, batch: _Batch) -> None:
        if batch.size < _BATCH_BYTES:
            self._take([encode(chunk) for chunk in batch.chunks], batch)
            return
        if self._workers is None:
            self._workers = ThreadPoolExecutor(_WORKERS, "pfs-compress")
        self._in_work.append((self._workers.submit(_encode_all, batch.chunks), batch))

    def _take(self, frames: list[bytes], batch: _Batch) -> None:
        for frame, chunk, digest in zip(frames, batch.chunks, batch.digests, strict=True):
            self._ready.append((frame, [(digest, 0, len(chunk))]))

    def _settle(self) -> None:
        self._close_pack()
        for future, batch in self._in_work:
            self._take(future.result(), batch)
        self._in_work.clear()

    def _written(self) -> None:
        self._ready.clear()
        self._known.clear()
        self.pending_bytes = 0


def _encode_all(chunks: list[bytes | memoryview]) -> list[bytes]:
    return [encode(chunk) for chunk in chunks]
