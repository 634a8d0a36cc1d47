"""What a datum's command finds below /pfs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.model.nodes import EMPTY, Content, Entry, Kind
from pfslib.model.paths import split_path
from pfslib.pipelines.datums import Datum, DatumInput
from pfslib.trees.assemble import Patchwork, assemble
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, Op, apply_edits
from pfslib.trees.lookup import find_child
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts, walk

PREV: Final = "prev"
"""The name below /pfs of the output before, which 1.3's incremental methods add to."""


def input_edits(txn: ReadTxn, datum: Datum, writer: ContentWriter, cache: TreeCache) -> list[Edit]:
    """What makes the tree that a datum sees below /pfs: a directory an input.

    By reference: a few small nodes, whatever the size of the input; a slice has new content where
    it begins and ends.
    """
    return [edit for item in datum for edit in _edits_of(txn, item, writer, cache)]


def write_input_tree(
    txn: WriteTxn, datum: Datum, edits: list[Edit], cache: TreeCache
) -> dict[str, bytes]:
    """Make that tree; the key of the directory of each input."""
    empty = empty_directory(txn, mtime_ns=0, origin=b"")
    newest = max((item.entry.mtime_ns for item in datum), default=0)
    root = apply_edits(txn, empty, edits, cache, origin=b"", now_ns=newest).root
    found = {}
    for name in {item.name for item in datum}:
        entry = find_child(txn, root, name.encode(), cache)
        found[name] = entry.node if entry is not None else empty.node
    return found


def _edits_of(
    txn: ReadTxn, item: DatumInput, writer: ContentWriter, cache: TreeCache
) -> Iterator[Edit]:
    if item.nothing:
        return
    path = (item.name.encode(), *split_path(item.path))
    if item.emptied:
        for below, entry in _files_below(txn, item.entry, cache):
            yield Edit(Op.PUT, (*path, *below), _emptied(entry))
    elif item.end < 0:
        yield Edit(Op.PUT, path, item.entry)
    else:
        parts = Patchwork()
        parts.append_part(Content(item.entry.size, item.entry.content), item.start, item.end)
        content = assemble(txn, parts, writer, cache)
        cut = msgspec.structs.replace(item.entry, size=content.size, content=content.ref)
        yield Edit(Op.PUT, path, cut)


def _files_below(txn: ReadTxn, entry: Entry, cache: TreeCache) -> Iterator[tuple[Parts, Entry]]:
    if not entry.is_dir:
        yield (), entry
        return
    yield from ((path, found) for path, found in walk(txn, entry, cache) if not found.is_dir)


def _emptied(entry: Entry) -> Entry:
    kind = Kind.FILE if entry.is_symlink else entry.kind
    return Entry(b"", kind, EMPTY.size, EMPTY.ref, entry.mtime_ns, b"")
