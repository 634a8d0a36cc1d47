"""What of a commit one input matches: all of it, or what has changed since another commit."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn
from pfslib.model.captures import captures_of
from pfslib.model.globs import compile_glob
from pfslib.model.inputs import Cut, Input
from pfslib.model.nodes import Entry
from pfslib.model.paths import join_path
from pfslib.pipelines.datums import DatumInput, Row
from pfslib.pipelines.line_slices import line_slices
from pfslib.pipelines.orders import NO_PARTS, of_number, of_parts
from pfslib.trees.diff import diff
from pfslib.trees.glob import glob_entries
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts


def matching_rows(txn: ReadTxn, item: Input, root: Entry, cache: TreeCache) -> Iterator[Row]:
    """What matches in a commit, in path order. Directories without files do not."""
    empty = True
    for path, entry in glob_entries(txn, root, compile_glob(item.glob), cache):
        for row in _rows_of(txn, item, path, entry, cache):
            empty = False
            yield row
    if empty and item.run_empty:
        yield _empty_row(item, root)


def changed_rows(
    txn: ReadTxn, item: Input, old: Entry, new: Entry, cache: TreeCache
) -> Iterator[tuple[Row | None, Row | None]]:
    """What does not match alike in two commits; pairs of the same place in the order, or of one.

    Cost: in what differs, not in what there is.
    """
    for path, before, after in _changed_entries(txn, item, old, new, cache):
        rows_before = {row.order: row for row in _rows_of(txn, item, path, before, cache)}
        rows_after = {row.order: row for row in _rows_of(txn, item, path, after, cache)}
        for order in sorted(rows_before.keys() | rows_after.keys()):
            yield rows_before.get(order), rows_after.get(order)
    if item.run_empty:
        was, now = (_is_empty(txn, item, root, cache) for root in (old, new))
        if was != now:
            yield _empty_row(item, old) if was else None, _empty_row(item, new) if now else None


def _changed_entries(
    txn: ReadTxn, item: Input, old: Entry, new: Entry, cache: TreeCache
) -> Iterator[tuple[Parts, Entry | None, Entry | None]]:
    glob = compile_glob(item.glob)
    if glob.depth is not None:
        for path, before, after in diff(txn, old, new, cache, depth=glob.depth):
            if len(path) == glob.depth and glob.matches(join_path(path)):
                yield path, before, after
        return
    told: set[Parts] = set()
    for path, _, _ in diff(txn, old, new, cache):
        for length in range(1, len(path) + 1):
            part = path[:length]
            if part not in told and glob.matches(join_path(part)):
                told.add(part)
                yield part, find_entry(txn, old, part, cache), find_entry(txn, new, part, cache)


def _rows_of(
    txn: ReadTxn, item: Input, path: Parts, entry: Entry | None, cache: TreeCache
) -> Iterator[Row]:
    """The rows that one matching entry makes."""
    if entry is None or (entry.is_dir and not entry.files):
        return
    order, name = of_parts(path), b"/".join(path)
    joined = grouped = ""
    if item.join_on or item.group_by:
        text = join_path(path)
        captures = captures_of(item.glob)
        joined = captures.expand(item.join_on, text)
        grouped = captures.expand(item.group_by, text)
    if item.cut == Cut.WHOLE:
        yield Row(
            order,
            (
                DatumInput(
                    item.name,
                    name,
                    entry,
                    emptied=item.empty_files,
                    joined=joined,
                    grouped=grouped,
                ),
            ),
        )
    elif not entry.is_dir:
        for start, end, digest in line_slices(txn, entry, cache):
            seen = DatumInput(item.name, name, entry, start=start, end=end, digest=digest)
            yield Row(order + of_number(start), (seen,))


def _is_empty(txn: ReadTxn, item: Input, root: Entry, cache: TreeCache) -> bool:
    found = glob_entries(txn, root, compile_glob(item.glob), cache)
    return not any(entry.files or not entry.is_dir for _, entry in found)


def _empty_row(item: Input, root: Entry) -> Row:
    """The datum of a commit in which nothing matches."""
    nothing = DatumInput(item.name, b"", root, nothing=True)
    return Row(NO_PARTS, (nothing,))
