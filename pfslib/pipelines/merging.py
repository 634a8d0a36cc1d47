"""What datums wrote, merged into one tree: the edits that lead from the output before to this one.

Only paths that a changed datum wrote, or had written, are looked at. Of a file to which many datums
append, only what the changed ones wrote is exchanged: where that lies follows from the sizes of
what the others wrote, which the work before knows in sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.errors import PathClashError
from pfslib.model.nodes import Content, Entry
from pfslib.model.paths import join_path
from pfslib.model.work import Merge
from pfslib.pipelines.works import WorkTree, Writer, writer_name
from pfslib.trees.assemble import Patchwork, assemble
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import Change
from pfslib.trees.edit import Edit, Op
from pfslib.trees.hostfile import entry_of
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts, walk


class Wrote(NamedTuple):
    """What a datum wrote before, and what now; None for nothing."""

    order: bytes
    old: Entry | None
    new: Entry | None


class Merged(NamedTuple):
    """The outcome of merging."""

    edits: list[Edit]
    """Of the output's tree."""

    writers: list[Change]
    """Of the directory that says who wrote what."""


class ClashError(PathClashError):
    """Two datums wrote what cannot be together."""

    def __init__(self, path: str, orders: tuple[bytes, bytes]) -> None:
        self.orders = orders
        super().__init__(path, "two datums wrote it")


def merge(
    kv: KV,
    base: Entry | None,
    before: Callable[[ReadTxn], WorkTree],
    wrote: Iterable[Wrote],
    how: str,
    cache: TreeCache,
    writer: ContentWriter,
) -> Merged:
    """Merge the outputs of datums that are not what they were into the output before.

    Args:
        kv: The store.
        base: Root of the output before; None when there is none.
        before: How that came about.
        wrote: What datums wrote.
        how: What becomes of a path that several datums wrote (see `Merge`).
        cache: What is remembered of trees.
        writer: Takes contents that are new because they were appended to one another.

    Raises:
        ClashError: Two datums wrote one path and `how` refuses that, or one wrote a link where
            another appended to a file.
    """
    with kv.read() as txn:
        paths = _by_path(txn, wrote, cache)
        merger = _Merger(txn, base, before(txn), how, cache, writer)
        edits = [merger.edit(path, paths[path]) for path in sorted(paths)]
        # What is deleted makes room: a file may stand where a directory was.
        edits.sort(key=lambda edit: edit.op != Op.DELETE)
        writers = [
            (writer_name(path, row.order), row.new and _named(row.new, path, row.order))
            for path, rows in paths.items()
            for row in rows
        ]
        return Merged(edits, writers)


def _by_path(txn: ReadTxn, wrote: Iterable[Wrote], cache: TreeCache) -> dict[Parts, list[Wrote]]:
    """Who wrote a path differently from before, for each such path, in order."""
    paths: dict[Parts, list[Wrote]] = {}
    for order, old, new in sorted(wrote, key=lambda row: row.order):
        files = dict(_files(txn, old, cache))
        for path, entry in _files(txn, new, cache):
            was = files.pop(path, None)
            if was is None or not was.same_content(entry):
                paths.setdefault(path, []).append(Wrote(order, was, entry))
        for path, was in files.items():
            paths.setdefault(path, []).append(Wrote(order, was, None))
    return paths


def _files(txn: ReadTxn, output: Entry | None, cache: TreeCache) -> Iterator[tuple[Parts, Entry]]:
    if output is not None:
        yield from ((path, entry) for path, entry in walk(txn, output, cache) if not entry.is_dir)


def _named(entry: Entry, path: Parts, order: bytes) -> Entry:
    kind = int(entry.kind)
    name = writer_name(path, order)
    return Entry(name, kind, entry.size, entry.content, entry.mtime_ns, b"")


class _Merger:
    """Merges one path after the other."""

    def __init__(
        self,
        txn: ReadTxn,
        base: Entry | None,
        before: WorkTree,
        how: str,
        cache: TreeCache,
        writer: ContentWriter,
    ) -> None:
        self._txn = txn
        self._base = base
        self._before = before
        self._how = how
        self._cache = cache
        self._writer = writer

    def edit(self, path: Parts, rows: Sequence[Wrote]) -> Edit:
        """The edit of a path that datums wrote, or do not write any more."""
        count = self._before.written(path).entries
        count += sum((row.new is not None) - (row.old is not None) for row in rows)
        if count == 0:
            return Edit(Op.DELETE, path)
        if count == 1 or self._how == Merge.OVERWRITE:
            *_, last = self._writers(path, rows)
            return Edit(Op.PUT, path, last.entry)
        if self._how == Merge.REFUSE:
            self._refuse(path, rows)
        return Edit(Op.PUT, path, self._joined(path, rows))

    def _writers(self, path: Parts, rows: Sequence[Wrote]) -> list[Writer]:
        """All who write the path now, in order."""
        changed = {row.order for row in rows}
        kept = [found for found in self._before.writers(path) if found.order not in changed]
        kept += [Writer(row.order, row.new) for row in rows if row.new is not None]
        return sorted(kept, key=lambda found: found.order)

    def _refuse(self, path: Parts, rows: Sequence[Wrote]) -> None:
        first, second, *_ = self._writers(path, rows)
        raise ClashError(join_path(path), (first.order, second.order))

    def _joined(self, path: Parts, rows: Sequence[Wrote]) -> Entry:
        """The file of all that datums appended to a path."""
        self._check_files(path, rows)
        old = None
        if self._base is not None and self._before.written(path).entries:
            old = find_entry(self._txn, self._base, path, self._cache)
        parts, at = Patchwork(), 0
        for row in rows:
            place = self._before.written_before(path, row.order).size
            if old is not None:
                parts.append_part(Content(old.size, old.content), at, place)
            if row.new is not None:
                parts.append(Content(row.new.size, row.new.content))
            at = place + (row.old.size if row.old is not None else 0)
        if old is not None:
            parts.append_part(Content(old.size, old.content), at, old.size)
        content = assemble(self._txn, parts, self._writer, self._cache)
        newest = max((row.new.mtime_ns for row in rows if row.new is not None), default=0)
        first = self._first(path, rows)
        return entry_of(content, executable=first.executable, mtime_ns=newest)

    def _first(self, path: Parts, rows: Sequence[Wrote]) -> Entry:
        """What the first of the datums that write the path writes there."""
        changed = {row.order for row in rows}
        kept = (found for found in self._before.writers(path) if found.order not in changed)
        candidates = [Writer(row.order, row.new) for row in rows if row.new is not None]
        nearest = next(kept, None)
        if nearest is not None:
            candidates.append(nearest)
        return min(candidates, key=lambda found: found.order).entry

    def _check_files(self, path: Parts, rows: Sequence[Wrote]) -> None:
        """Refuse links among what is appended: where there was more than one, there are none."""
        suspects = [Writer(row.order, row.new) for row in rows if row.new is not None]
        if self._before.written(path).entries == 1:
            suspects.extend(self._before.writers(path))
        if any(not found.entry.is_file for found in suspects):
            self._refuse(path, rows)
