"""What a datum's command finds: the tree below /pfs, and the variables that tell about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.model.nodes import EMPTY, Content, Entry, Kind
from pfslib.model.paths import split_path, to_text
from pfslib.model.work import Job, Pipeline
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

_TAKEN: Final = frozenset({"PATH", "HOME", "LANG", "PWD", "SHELL", "USER", "TMPDIR", "IFS"})
"""Variables that an input of that name must not overwrite."""


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


def environment(job: Job, pipeline: Pipeline, datum: Datum, key: bytes) -> dict[str, str]:
    """The variables that tell a command what it works on."""
    variables = {
        "PACH_JOB_ID": job.id,
        "PACH_OUTPUT_COMMIT_ID": job.output_commit,
        "PACH_DATUM_ID": key.hex(),
        "PPS_PIPELINE_NAME": pipeline.name,
    }
    for source in job.inputs:
        variables[f"PACH_{source.repo.upper()}_COMMIT_ID"] = source.commit
    commits = {source.name: source.commit for source in job.inputs}
    paths: dict[str, list[str]] = {}
    for item in datum:
        below = to_text(item.path)
        paths.setdefault(item.name, []).append(f"/pfs/{item.name}" + (f"/{below}" if below else ""))
        if item.name in commits:
            variables[f"{item.name}_COMMIT"] = commits[item.name]
        if item.joined:
            variables[f"PACH_DATUM_{item.name}_JOIN_ON"] = item.joined
        if item.grouped:
            variables[f"PACH_DATUM_{item.name}_GROUP_BY"] = item.grouped
    for name, found in paths.items():
        if name not in _TAKEN:
            variables[name] = "\n".join(found)
    variables.update(pipeline.transform.env)
    return variables
