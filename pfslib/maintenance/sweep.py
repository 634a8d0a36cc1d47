"""Delete what is condemned, by name, and note down which chunks that thins."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

import msgspec

from pfslib.chunks.chunkstore import find_place, thin
from pfslib.chunks.condemned import NODE, spare
from pfslib.kv.protocol import KV, WriteTxn
from pfslib.kv.tables import Table, number_key
from pfslib.model.nodes import PIECE_MAX

ROWS_A_TXN: Final = 2_000
"""Each row deleted changes about one page: 8 MiB to write."""

Progress = Callable[[str, int], None]


class Swept(msgspec.Struct):
    """What was deleted."""

    nodes: int = 0
    pieces: int = 0
    size: int = 0
    """Bytes of the nodes, compressed, and of the pieces, plain."""

    chunks: int = 0
    rewritten: int = 0
    damaged: int = 0


def sweep_names(kv: KV, progress: Progress) -> Swept:
    """Delete the nodes and pieces that are condemned, and note down which chunks that thins."""
    done = Swept()
    while True:
        with kv.write() as txn:
            batch = list(islice(txn.scan(Table.CONDEMNED), ROWS_A_TXN))
            for name, kind in batch:
                spare(txn, name)
                if kind == NODE:
                    _sweep_node(txn, name, done)
                else:
                    _sweep_piece(txn, name, done)
        if not batch:
            return done
        progress("sweep", done.nodes + done.pieces)


def _sweep_node(txn: WriteTxn, key: bytes, done: Swept) -> None:
    frame = txn.get(Table.NODES, key)
    if frame is not None:
        txn.delete(Table.NODES, key)
        done.nodes += 1
        done.size += len(frame)


def _sweep_piece(txn: WriteTxn, digest: bytes, done: Swept) -> None:
    place = find_place(txn, digest)
    if place is None:
        return
    txn.delete(Table.PLACES, digest)
    done.pieces += 1
    done.size += place.size
    if place.size > PIECE_MAX:  # too large for a pack: it was alone in its chunk
        done.chunks += txn.delete(Table.CHUNKS, number_key(place.chunk))
    else:
        thin(txn, place.chunk)
