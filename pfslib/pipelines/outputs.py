"""What datums wrote, merged into the tree of the output commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.errors import PathClashError
from pfslib.model.nodes import Content, Entry
from pfslib.model.paths import join_path
from pfslib.model.work import Merge
from pfslib.trees.assemble import Patchwork, assemble
from pfslib.trees.contents import ContentWriter
from pfslib.trees.edit import Edit, Op
from pfslib.trees.hostfile import entry_of
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts, walk


def merge_edits(
    kv: KV,
    base: Entry | None,
    outputs: Sequence[Entry],
    merge: str,
    cache: TreeCache,
    writer: ContentWriter,
) -> list[Edit]:
    """The edits that turn a tree into the merged outputs of a job's datums.

    Args:
        kv: The store.
        base: Root of the tree to change: the last output; None when there is none.
        outputs: Root of what each datum wrote, in the order of the datums.
        merge: What becomes of a path that several datums wrote (see `Merge`).
        cache: What is remembered of trees.
        writer: Takes contents that are new because they were appended to one another.

    Raises:
        PathClashError: Two datums wrote one path and `merge` refuses that, or one wrote a file
            where another wrote a directory.
    """
    with kv.read() as txn:
        written = _collect(txn, outputs, merge, cache)
        before = walk(txn, base, cache) if base is not None else ()
        old = {path for path, entry in before if not entry.is_dir}
        edits = [Edit(Op.DELETE, path) for path in sorted(old - written.keys())]
        edits.extend(
            Edit(Op.PUT, path, _joined(txn, written[path], cache, writer))
            for path in sorted(written)
        )
        return edits


def _collect(
    txn: ReadTxn, outputs: Iterable[Entry], merge: str, cache: TreeCache
) -> dict[Parts, list[Entry]]:
    """Each path with what was written there, in the order of the datums."""
    written: dict[Parts, list[Entry]] = {}
    writers: dict[Parts, int] = {}
    for number, output in enumerate(outputs):
        for path, entry in walk(txn, output, cache):
            if entry.is_dir:
                continue
            before = written.get(path)
            if before is None or merge == Merge.OVERWRITE:
                written[path] = [entry]
            elif merge == Merge.APPEND and entry.is_file and before[-1].is_file:
                before.append(entry)
            else:
                raise PathClashError(
                    join_path(path),
                    f"datums {writers[path]} and {number} both wrote it; "
                    'set "output_merge" to "append" or "overwrite" if that is meant',
                )
            writers[path] = number
    return written


def _joined(
    txn: ReadTxn, entries: Sequence[Entry], cache: TreeCache, writer: ContentWriter
) -> Entry:
    if len(entries) == 1:
        return entries[0]
    parts = Patchwork()
    for entry in entries:
        parts.append(Content(entry.size, entry.content))
    content = assemble(txn, parts, writer, cache)
    newest = max(entry.mtime_ns for entry in entries)
    return entry_of(content, executable=entries[0].executable, mtime_ns=newest)
