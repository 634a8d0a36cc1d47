"""Garbage that gc is about to sweep, by digest of a piece or key of a node.

Such a thing can still be read, but nothing new may rely on it: whoever would, stores it anew, which
spares it.
"""

from __future__ import annotations

from typing import Final

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table

PIECE: Final = b"p"
NODE: Final = b"n"


def condemn(txn: WriteTxn, name: bytes, kind: bytes) -> None:
    """Mark something as garbage to be swept."""
    txn.put(Table.CONDEMNED, name, kind)


def spare(txn: WriteTxn, name: bytes) -> None:
    """Take a mark away, if there is one."""
    txn.delete(Table.CONDEMNED, name)


def is_condemned(txn: ReadTxn, name: bytes) -> bool:
    """Whether something is marked."""
    return txn.get(Table.CONDEMNED, name) is not None
