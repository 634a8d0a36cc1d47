"""Delete the chunks that nothing lies in; write anew those that are not worth their room."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pfslib.chunks.chunkstore import Place, put_place, unpack_place
from pfslib.chunks.codec import decode, encode, plain_size
from pfslib.chunks.digest import piece_digest
from pfslib.chunks.ingest import PACK_BYTES
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.kv.short_reads import ShortReads
from pfslib.kv.tables import Table, next_number, number_key
from pfslib.maintenance.sweep import ROWS_A_TXN, Progress, Swept
from pfslib.model.errors import CorruptionError

_BYTES_A_TXN: Final = 4 << 20
_PIECES_AT_ONCE: Final = 200_000
"""Pieces to be moved that are kept in memory at a time: 40 MB."""


class _Live(NamedTuple):
    """A piece that is still in use."""

    digest: bytes
    place: Place


class _Rewritten(NamedTuple):
    """A new chunk, and what it is made of."""

    frame: bytes
    pieces: Sequence[_Live]
    old: Sequence[int]


def sweep_chunks(kv: KV, done: Swept, progress: Progress) -> None:
    """Delete the chunks that no piece lies in; rewrite the thinned ones less than half in use.

    Nothing but gc gives a stored piece another place, so what is found here stays true.
    """
    thinned = _Thinned(kv)
    empty, worn = thinned.sort_out()
    _delete(kv, sorted({*empty, *thinned.orphans()}), done)
    for numbers in thinned.windows(worn):
        for batch in _batches(_rewrite(kv, numbers, done)):
            with kv.write() as txn:
                for new in batch:
                    _replace(txn, new, done)
            progress("repack", done.rewritten)
    _forget(kv, thinned.numbers)


class _Thinned:
    """The chunks that lost pieces, with what is left in each."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        first = next(ShortReads(kv).keys(Table.CHUNKS), None)
        with kv.read() as txn:
            last = next(txn.scan(Table.CHUNKS, reverse=True), None)
        self._from = _number(first) if first else 0
        self._to = _number(last[0]) + 1 if last else 0
        self.numbers = array("Q", (_number(key) for key in ShortReads(kv).keys(Table.THINNED)))
        self._bytes = array("Q", bytes(8 * len(self.numbers)))
        self._pieces = array("Q", bytes(8 * len(self.numbers)))
        self._in_use = bytearray((self._to - self._from + 7) // 8)
        for _, value in ShortReads(kv).scan(Table.PLACES):
            self._count(unpack_place(value))

    def _count(self, place: Place) -> None:
        if place.chunk >= self._to:
            return  # written since
        bit = place.chunk - self._from
        self._in_use[bit >> 3] |= 1 << (bit & 7)
        at = self._rank(place.chunk)
        if at is not None:
            self._bytes[at] += place.size
            self._pieces[at] += 1

    def _rank(self, number: int) -> int | None:
        at = bisect_left(self.numbers, number)
        return at if at < len(self.numbers) and self.numbers[at] == number else None

    def sort_out(self) -> tuple[list[int], list[int]]:
        """Those that nothing is left in, and those that less than half is left of."""
        empty: list[int] = []
        worn: list[int] = []
        for at, number in enumerate(self.numbers):
            if not self._bytes[at]:
                empty.append(number)
                continue
            with self._kv.read() as txn:
                frame = txn.get(Table.CHUNKS, number_key(number))
            if frame is not None and 2 * self._bytes[at] < plain_size(frame):
                worn.append(number)
        return empty, worn

    def orphans(self) -> Iterator[int]:
        """Chunks that no piece lies in though none was taken out: only damage leaves such."""
        for key in ShortReads(self._kv).keys(Table.CHUNKS):
            number = _number(key)
            bit = number - self._from
            if number < self._to and not self._in_use[bit >> 3] >> (bit & 7) & 1:
                yield number

    def windows(self, worn: Sequence[int]) -> Iterator[dict[int, list[_Live]]]:
        """The worn chunks, in order, with what is left in them; as many as memory is meant for."""
        window: dict[int, list[_Live]] = {}
        pieces = 0
        for number in worn:
            at = self._rank(number)
            assert at is not None
            pieces += self._pieces[at]
            window[number] = []
            if pieces >= _PIECES_AT_ONCE:
                yield self._filled(window)
                window, pieces = {}, 0
        if window:
            yield self._filled(window)

    def _filled(self, window: dict[int, list[_Live]]) -> dict[int, list[_Live]]:
        for digest, value in ShortReads(self._kv).scan(Table.PLACES):
            place = unpack_place(value)
            if place.chunk in window:
                window[place.chunk].append(_Live(digest, place))
        return window


def _rewrite(kv: KV, chunks: dict[int, list[_Live]], done: Swept) -> Iterator[_Rewritten]:
    """New chunks of what is left in old ones, neighbours together."""
    parts: list[bytes] = []
    pieces: list[_Live] = []
    old: list[int] = []
    size = 0
    for number, live in chunks.items():
        live.sort(key=lambda piece: piece.place.offset)
        with kv.read() as txn:
            contents = _contents(txn, number, live)
        if contents is None:
            done.damaged += 1
            continue
        for piece, content in zip(live, contents, strict=True):
            pieces.append(_Live(piece.digest, Place(number, size, len(content))))
            parts.append(content)
            size += len(content)
        old.append(number)
        if size >= PACK_BYTES:
            yield _Rewritten(encode(b"".join(parts)), pieces, old)
            parts, pieces, old, size = [], [], [], 0
    if old:
        yield _Rewritten(encode(b"".join(parts)), pieces, old)


def _contents(txn: ReadTxn, number: int, live: Sequence[_Live]) -> list[bytes] | None:
    """The bytes of the pieces left in a chunk; None when they are damaged."""
    try:
        plain = decode(txn.get(Table.CHUNKS, number_key(number)) or b"")
    except CorruptionError:
        return None
    contents: list[bytes] = []
    for digest, place in live:
        content = bytes(plain[place.offset : place.offset + place.size])
        if piece_digest(content) != digest:
            return None
        contents.append(content)
    return contents


def _replace(txn: WriteTxn, new: _Rewritten, done: Swept) -> None:
    number = next_number(txn, "chunks")
    txn.append(Table.CHUNKS, number_key(number), new.frame)
    for digest, place in new.pieces:
        put_place(txn, digest, Place(number, place.offset, place.size))
    for old in new.old:
        txn.delete(Table.CHUNKS, number_key(old))
        txn.delete(Table.THINNED, number_key(old))
    done.rewritten += len(new.old)


def _batches(chunks: Iterator[_Rewritten]) -> Iterator[list[_Rewritten]]:
    batch: list[_Rewritten] = []
    for new in chunks:
        batch.append(new)
        if len(batch) * PACK_BYTES >= _BYTES_A_TXN:
            yield batch
            batch = []
    if batch:
        yield batch


def _delete(kv: KV, numbers: Sequence[int], done: Swept) -> None:
    for start in range(0, len(numbers), ROWS_A_TXN):
        with kv.write() as txn:
            for number in numbers[start : start + ROWS_A_TXN]:
                done.chunks += txn.delete(Table.CHUNKS, number_key(number))
                txn.delete(Table.THINNED, number_key(number))


def _forget(kv: KV, thinned: Sequence[int]) -> None:
    for start in range(0, len(thinned), ROWS_A_TXN):
        with kv.write() as txn:
            for number in thinned[start : start + ROWS_A_TXN]:
                txn.delete(Table.THINNED, number_key(number))


def _number(key: bytes) -> int:
    return int.from_bytes(key, "big")
