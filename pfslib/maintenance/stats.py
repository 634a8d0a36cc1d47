"""What a store holds, in figures."""

from __future__ import annotations

import msgspec

from pfslib.chunks.chunkstore import unpack_place
from pfslib.kv.protocol import KV
from pfslib.kv.short_reads import ShortReads
from pfslib.kv.tables import Table


class StoreStats(msgspec.Struct, frozen=True):
    """Counts and bytes of a store, garbage included."""

    repos: int
    """Those of pipelines, too."""

    branches: int
    """Of all repos."""

    commits: int
    """Finished ones."""

    open_commits: int
    """Those that still take edits."""

    pipelines: int
    """Stopped ones, too."""

    jobs: int
    """Finished ones, too."""

    datum_results: int
    """Outputs of datums, kept to be used again."""

    images: int
    """Local ones."""

    nodes: int
    """Nodes of directories and large files."""

    pieces: int
    """Contents of small files and chunks of large ones, each stored once."""

    chunks: int
    """Compressed frames, each of one or many pieces."""

    content_bytes: int
    """Bytes of all pieces, before compression."""

    file_bytes: int
    """Size of the store's file."""

    used_bytes: int
    """How much of it is in use; the rest is used again before it grows."""


def count(kv: KV) -> StoreStats:
    """Count it all. Cost: reads the keys of everything, and the places of all pieces."""
    room = kv.room()
    pieces = content_bytes = 0
    for _, value in ShortReads(kv).scan(Table.PLACES):
        pieces += 1
        content_bytes += unpack_place(value).size
    return StoreStats(
        repos=_count(kv, Table.REPOS),
        branches=_count(kv, Table.BRANCHES),
        commits=_count(kv, Table.COMMITS),
        open_commits=_count(kv, Table.OPEN),
        pipelines=_count(kv, Table.PIPELINES),
        jobs=_count(kv, Table.JOBS),
        datum_results=_count(kv, Table.DATUMS),
        images=_count(kv, Table.IMAGES),
        nodes=_count(kv, Table.NODES),
        pieces=pieces,
        chunks=_count(kv, Table.CHUNKS),
        content_bytes=content_bytes,
        file_bytes=room.file,
        used_bytes=room.used,
    )


def _count(kv: KV, table: Table) -> int:
    return sum(1 for _ in ShortReads(kv).keys(table))
