"""Where everything begins that is not garbage: every table whose records refer to trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from pfslib.commits.forsaken import is_forsaken
from pfslib.kv.protocol import ReadTxn
from pfslib.kv.tables import Table
from pfslib.model.encoding import unpack
from pfslib.model.history import Commit, OpenCommit
from pfslib.model.nodes import Entry
from pfslib.model.work import DatumRecord, DatumResult, Image, Work
from pfslib.trees.edit import Edit


class Root(NamedTuple):
    """A record that refers to a tree or a content, and what it refers to."""

    table: Table
    key: bytes
    entry: Entry


def _of_commit(value: bytes) -> Entry | None:
    return unpack(Commit, value).root


def _of_open(value: bytes) -> Entry | None:
    commit = unpack(OpenCommit, value)
    return None if is_forsaken(commit) else commit.root


def _of_edit(value: bytes) -> Entry | None:
    return unpack(Edit, value).entry


def _of_result(value: bytes) -> Entry | None:
    return unpack(DatumResult, value).output


def _of_datum(value: bytes) -> Entry | None:
    return unpack(DatumRecord, value).output


def _of_image(value: bytes) -> Entry | None:
    return unpack(Image, value).root


def _of_work(value: bytes) -> Entry | None:
    return unpack(Work, value).root


ROOTED: Final[Mapping[Table, Callable[[bytes], Entry | None]]] = MappingProxyType(
    {
        Table.COMMITS: _of_commit,
        Table.OPEN: _of_open,
        Table.STAGED: _of_edit,
        Table.DATUMS: _of_result,
        Table.JOB_DATUMS: _of_datum,
        Table.IMAGES: _of_image,
        Table.WORKS: _of_work,
    }
)
"""What a record of a table refers to, for each table that refers to anything."""

ROOTLESS: Final = frozenset(
    {
        Table.META,
        Table.PLACES,
        Table.NODES,
        Table.REPOS,
        Table.BRANCHES,
        Table.POSITIONS,
        Table.SUBVENANCE,
        Table.OPEN_BRANCHES,
        Table.REFLOG,
        Table.PIPELINES,
        Table.JOBS,
        Table.JOB_ORDER,
        Table.QUEUE,
        Table.LOGS,
        Table.TAGS,
        Table.STATS,
        Table.LEASES,
        Table.OLD_PIPELINES,
        Table.CONDEMNED,
        Table.THINNED,
        Table.CHUNKS,
    }
)
"""The other tables. A new table belongs to one of the two, or gc would sweep what it refers to."""


def list_roots(txn: ReadTxn) -> Iterator[Root]:
    """Every root of one state of the store.

    Raises:
        CorruptionError: A record cannot be read.
    """
    for table, entry_of in ROOTED.items():
        for key, value in txn.scan(table):
            entry = entry_of(value)
            if entry is not None:
                yield Root(table, key, entry)
