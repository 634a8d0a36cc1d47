"""What fsck finds: problems as sentences, and records that it read to find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from pfslib.kv.protocol import ReadTxn
from pfslib.kv.tables import Table
from pfslib.model.encoding import unpack
from pfslib.model.errors import CorruptionError

RecordT = TypeVar("RecordT")

PROBLEMS_MAX: Final = 1000
"""More are only counted."""


class Problem(msgspec.Struct, frozen=True):
    """Something that is not as it must be."""

    kind: str
    """``file``: the store's file itself; ``row``: a stored record; ``history``: commits and
    branches; ``work``: pipelines and jobs; ``tree``: directories and lists of pieces; ``data``:
    contents."""

    what: str
    """A sentence."""

    where: tuple[str, ...] = ()
    """Files and directories that it hits, as ``repo@commit:/path``; the first few."""


class Findings:
    """Collects what is wrong with one state of a store.

    Args:
        txn: The state.
        report: Told each problem.
    """

    def __init__(self, txn: ReadTxn, report: Callable[[Problem], None]) -> None:
        self.txn = txn
        self._report = report
        self.count = 0
        self.damaged: dict[bytes, Problem] = {}
        """Pieces and nodes that are missing or damaged; told when it is known whom they hit."""

    def add(self, kind: str, what: str, *where: str) -> None:
        """Report a problem."""
        self.tell(Problem(kind, what, where))

    def tell(self, problem: Problem) -> None:
        """Report a problem, unless there have been too many."""
        self.count += 1
        if self.count <= PROBLEMS_MAX:
            self._report(problem)

    def add_damaged(self, name: bytes, kind: str, what: str) -> None:
        """Note that a piece or node cannot be read; the same one is reported once."""
        self.damaged.setdefault(name, Problem(kind, what))

    # --- records -------------------------------------------------------------------------

    def rows(self, table: Table) -> Iterator[tuple[bytes, bytes]]:
        """The rows of a table that can be read; the others are reported."""
        for key, value in self.txn.audit(table):
            if value is None:
                self.add("row", f"a row of {table.name} is damaged: {shown(key)}")
            else:
                yield key, value

    def records(self, table: Table, kind: type[RecordT]) -> Iterator[tuple[bytes, RecordT]]:
        """The records of a table that can be read; the others are reported."""
        for key, value in self.rows(table):
            try:
                record = unpack(kind, value)
            except CorruptionError as error:
                self.add("row", f"{table.name} {shown(key)}: {error.message}")
            else:
                yield key, record

    def find(self, table: Table, key: bytes, kind: type[RecordT]) -> RecordT | None:
        """A record; None when there is none, or it cannot be read, which is reported elsewhere."""
        try:
            value = self.txn.get(table, key)
            return unpack(kind, value) if value is not None else None
        except CorruptionError:
            return None

    def has(self, table: Table, key: bytes) -> bool:
        """Whether there is a row, damaged or not."""
        try:
            return self.txn.get(table, key) is not None
        except CorruptionError:
            return True

    def holds(self, table: Table, key: bytes, value: bytes) -> bool:
        """Whether a row has a value; also when it is damaged, which is reported elsewhere."""
        try:
            return self.txn.get(table, key) == value
        except CorruptionError:
            return True


def shown(key: bytes) -> str:
    """A key as one can read it."""
    text = key.decode("ascii", "replace").replace("\0", "@")
    return text if text.isascii() and text.isprintable() else key.hex()
