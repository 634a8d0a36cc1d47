"""Put, find and get pieces of content by digest; verified on every read.

Chunks lie under numbers in the order they were written; the table of places says in which chunk,
and where in it, a piece is. A piece of a small file shares its chunk with its neighbours; a piece
of a large file fills one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pfslib.chunks.codec import decode
from pfslib.chunks.condemned import is_condemned, spare
from pfslib.chunks.digest import piece_digest
from pfslib.chunks.lru import Lru
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, number_key, peek_number, set_number
from pfslib.model.errors import CorruptionError

_PLACE = struct.Struct("<QII")
_COUNTER = "chunks"
CACHE_BYTES = 16 << 20


class Place(NamedTuple):
    """Where a piece lies."""

    chunk: int
    offset: int
    size: int


Chunk = tuple[bytes, Sequence[tuple[bytes, int, int]]]
"""A chunk's frame; and digest, offset and size of each piece in the plain chunk."""


class ChunkCache:
    """Inflated chunks, and the pieces verified in them."""

    __slots__ = ("chunks", "pieces")

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.chunks: Lru[bytes | memoryview] = Lru(limit // 2)
        self.pieces: Lru[bytes | memoryview] = Lru(limit // 2)


def has_piece(txn: ReadTxn, digest: bytes) -> bool:
    """Whether the piece is stored, and will stay for who has noted it down in a hold."""
    return txn.get(Table.PLACES, digest) is not None and not is_condemned(txn, digest)


def add_chunks(txn: WriteTxn, chunks: Iterable[Chunk]) -> None:
    """Store chunks, and say where their pieces are.

    Pieces that another writer stored meanwhile keep their old place; a chunk without any new piece
    is not stored. A condemned piece counts as new: its old bytes are left to gc.
    """
    number = peek_number(txn, _COUNTER)
    for frame, pieces in chunks:
        new = False
        for digest, offset, size in pieces:
            old = find_place(txn, digest)
            if old is not None:
                if not is_condemned(txn, digest):
                    continue
                thin(txn, old.chunk)
                spare(txn, digest)
            put_place(txn, digest, Place(number, offset, size))
            new = True
        if new:
            txn.append(Table.CHUNKS, number_key(number), frame)
            number += 1
    set_number(txn, _COUNTER, number)


def find_place(txn: ReadTxn, digest: bytes) -> Place | None:
    """Where a piece lies; None when it is not stored."""
    value = txn.get(Table.PLACES, digest)
    return unpack_place(value) if value is not None else None


def put_place(txn: WriteTxn, digest: bytes, place: Place) -> None:
    """Say where a piece lies."""
    txn.put(Table.PLACES, digest, _PLACE.pack(*place))


def unpack_place(value: bytes) -> Place:
    """A place as it is stored.

    Raises:
        CorruptionError: It is no place.
    """
    if len(value) != _PLACE.size:
        raise CorruptionError(f"a stored place has {len(value)} bytes instead of {_PLACE.size}")
    return Place(*_PLACE.unpack(value))


def thin(txn: WriteTxn, chunk: int) -> None:
    """Note that a chunk lost a piece, for gc to look whether it is worth its room."""
    txn.put(Table.THINNED, number_key(chunk), b"")


def _find_plain(txn: ReadTxn, digest: bytes, cache: ChunkCache) -> tuple[Place, bytes | memoryview]:
    """Where a piece lies, and the plain bytes of its chunk."""
    missing: Place | None = None
    while True:
        place = find_place(txn, digest)
        if place is None:
            raise CorruptionError(f"piece {digest.hex()} is missing from the store")
        if place == missing:
            raise CorruptionError(f"chunk {place.chunk}, of piece {digest.hex()}, is missing")
        key = number_key(place.chunk)
        plain = cache.chunks.get(key)
        if plain is not None:
            return place, plain
        frame = txn.get(Table.CHUNKS, key)
        if frame is None:
            # When every call is a transaction of its own, gc may have put the piece elsewhere.
            missing = place
            continue
        plain = decode(frame)
        if place.size < len(plain):
            cache.chunks.put(key, plain, len(plain))
        return place, plain


def get_piece(txn: ReadTxn, digest: bytes, cache: ChunkCache) -> bytes | memoryview:
    """The bytes of a piece, verified against their digest.

    Raises:
        CorruptionError: The piece is missing or its bytes are not what was stored.
    """
    known = cache.pieces.get(digest)
    if known is not None:
        return known
    place, plain = _find_plain(txn, digest, cache)
    piece = plain
    if place.size != len(plain):
        # A copy: a view would keep all of the chunk in memory for one piece of it.
        piece = bytes(plain[place.offset : place.offset + place.size])
    if len(piece) != place.size or piece_digest(piece) != digest:
        raise CorruptionError(f"piece {digest.hex()} in chunk {place.chunk} is damaged")
    cache.pieces.put(digest, piece, len(piece) + 256)
    return piece
