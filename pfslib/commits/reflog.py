"""The store-wide, ordered log of head moves: append only, read from a cursor."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, next_number, number_key, peek_number
from pfslib.model.encoding import pack, unpack
from pfslib.model.history import HeadMoved

_COUNTER = "reflog"


def record_move(txn: WriteTxn, move: HeadMoved) -> None:
    """Add a line to the log."""
    txn.append(Table.REFLOG, number_key(next_number(txn, _COUNTER)), pack(move))


def read_moves(txn: ReadTxn, cursor: int) -> Iterator[tuple[int, HeadMoved]]:
    """The moves from a cursor on, each with the cursor that follows it."""
    for key, value in txn.scan(Table.REFLOG, start=number_key(cursor)):
        yield int.from_bytes(key, "big") + 1, unpack(HeadMoved, value)


def read_back(txn: ReadTxn) -> Iterator[HeadMoved]:
    """The moves, newest first."""
    for _, value in txn.scan(Table.REFLOG, reverse=True):
        yield unpack(HeadMoved, value)


def log_end(txn: ReadTxn) -> int:
    """The cursor after the last move."""
    return peek_number(txn, _COUNTER)
