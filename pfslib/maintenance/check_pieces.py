"""Whether every piece lies where it is said to, and is what it is said to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pfslib.chunks.chunkstore import Place, unpack_place
from pfslib.chunks.codec import decode, plain_size
from pfslib.chunks.digest import piece_digest
from pfslib.kv.tables import Table, number_key
from pfslib.maintenance.findings import Findings
from pfslib.maintenance.prefixes import OrderedPrefixes
from pfslib.model.errors import CorruptionError
from pfslib.model.nodes import DIGEST_SIZE

_PIECES_AT_ONCE: Final = 200_000
"""Kept in memory: 40 MB."""


class PieceCounts(NamedTuple):
    """What there is of pieces and chunks."""

    pieces: int = 0
    garbage: int = 0
    """Pieces that no tree leads to."""

    chunks: int = 0
    empty_chunks: int = 0
    """Chunks that no piece lies in."""

    read_bytes: int = 0
    """Bytes of content whose digests were compared."""


_Piece = tuple[int, int, int, bytes]
"""Chunk, offset, size and digest: in this order they are read as they lie on the disk."""


class PieceCheck:
    """Checks pieces and chunks, in the order of the chunks.

    Args:
        findings: The state of the store, and where to report.
        read_data: Whether the bytes themselves are read and compared with their digests.
        progress: Told how many chunks were looked at.
    """

    def __init__(
        self, findings: Findings, progress: Callable[[str, int], None], *, read_data: bool
    ) -> None:
        self._findings = findings
        self._txn = findings.txn
        self._progress = progress
        self._read_data = read_data
        self._chunks = 0
        self._empty = 0
        self._read_bytes = 0

    def check(self, live: OrderedPrefixes) -> PieceCounts:
        """Check them all.

        Args:
            live: What trees lead to.
        """
        pieces = garbage = 0
        for digest, _ in self._places(report=True):
            pieces += 1
            garbage += digest not in live
        for first, end in self._windows(pieces):
            self._check_chunks(first, end)
        return PieceCounts(pieces, garbage, self._chunks, self._empty, self._read_bytes)

    def _places(self, *, report: bool) -> Iterator[tuple[bytes, Place]]:
        for digest, value in self._txn.audit(Table.PLACES):
            wrong = ""
            if len(digest) != DIGEST_SIZE:
                wrong = f"the place of a piece stands under {digest.hex()}, which is no digest"
            elif value is None:
                wrong = f"the place of piece {digest.hex()} is damaged"
            else:
                try:
                    yield digest, unpack_place(value)
                except CorruptionError as error:
                    wrong = f"piece {digest.hex()}: {error.message}"
            if wrong and report:
                self._findings.add_damaged(digest, "data", wrong)

    def _windows(self, pieces: int) -> Iterator[tuple[int, int]]:
        """Ranges of chunk numbers with about as many pieces as are to be in memory at once."""
        first = last = None
        for key in self._txn.keys(Table.CHUNKS):
            first = key if first is None else first
            last = key
        if first is None or last is None:
            start = end = 0
        else:
            start, end = _number(first), _number(last) + 1
        parts = 1 + pieces // _PIECES_AT_ONCE
        cuts = [start + (end - start) * part // parts for part in range(1, parts)]
        # The first and the last take in whatever is said to lie in chunks that there are not.
        yield from zip([0, *cuts], [*cuts, 1 << 64], strict=True)

    def _check_chunks(self, first: int, end: int) -> None:
        """Check the chunks with numbers first..end, and the pieces in them."""
        pieces: dict[int, list[_Piece]] = {}
        for digest, place in self._places(report=False):
            if first <= place.chunk < end:
                row = (place.chunk, place.offset, place.size, digest)
                pieces.setdefault(place.chunk, []).append(row)
        for key in self._txn.keys(Table.CHUNKS, start=number_key(first)):
            number = _number(key)
            if number >= end:
                break
            self._chunks += 1
            if self._chunks % 1000 == 0:
                self._progress("chunks", self._chunks)
            self._check_chunk(key, sorted(pieces.pop(number, [])))
        for number, missing in pieces.items():
            for *_, digest in missing:
                self._damaged(digest, f"its chunk {number} is missing")

    def _check_chunk(self, key: bytes, pieces: list[_Piece]) -> None:
        self._empty += not pieces
        try:
            frame = self._txn.get(Table.CHUNKS, key) or b""
            size = plain_size(frame)
            plain = decode(frame) if self._read_data else None
        except CorruptionError as error:
            for *_, digest in pieces:
                self._damaged(digest, f"its chunk {_number(key)} is damaged: {error.message}")
            return
        for _, offset, length, digest in pieces:
            if offset + length > size:
                self._damaged(digest, f"it lies beyond the end of its chunk {_number(key)}")
            elif plain is not None:
                self._read_bytes += length
                if piece_digest(plain[offset : offset + length]) != digest:
                    self._damaged(digest, f"its bytes in chunk {_number(key)} are damaged")

    def _damaged(self, digest: bytes, wrong: str) -> None:
        self._findings.add_damaged(digest, "data", f"piece {digest.hex()}: {wrong}")


def _number(key: bytes) -> int:
    return int.from_bytes(key, "big")
