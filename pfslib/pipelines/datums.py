"""Inputs and trees in, datums and their keys out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import msgspec
from blake3 import blake3

from pfslib.commits.refs import get_commit
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.model.encoding import pack
from pfslib.model.globs import compile_glob
from pfslib.model.paths import split_path
from pfslib.model.work import DatumInput, Job, Pipeline, Transform
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, Op, apply_edits
from pfslib.trees.glob import glob_entries
from pfslib.trees.nodestore import TreeCache

_TAKEN = frozenset({"PATH", "HOME", "LANG", "PWD", "SHELL", "USER", "TMPDIR", "IFS"})
"""Variables that an input of that name must not overwrite."""

Datum = tuple[DatumInput, ...]
"""The smallest unit of work: what it sees of each input."""


def list_datums_of(txn: ReadTxn, pipeline: Pipeline, job: Job, cache: TreeCache) -> Iterator[Datum]:
    """The datums of a job, in the order in which their outputs are merged."""
    choices: list[list[DatumInput]] = []
    for item, source in zip(pipeline.inputs, job.inputs, strict=True):
        root = get_commit(txn, source.commit).root
        found = glob_entries(txn, root, compile_glob(item.glob), cache)
        choices.append(
            [
                DatumInput(item.name, b"/".join(parts), entry)
                for parts, entry in found
                if not entry.is_dir or entry.files
            ]
        )
    yield from product(*choices)


def datum_key(transform: Transform, image_digest: str, datum: Datum) -> bytes:
    """What a result of the datum may be found again by: all that can change its output.

    The names, kinds and contents it sees, and the transform with the exact image; not commits, jobs
    or pipelines, so that a result serves every job that would compute it again.
    """
    seen = [
        (item.name, item.path, item.entry.kind, item.entry.size, item.entry.content)
        for item in datum
    ]
    seed = pack([msgspec.structs.astuple(transform), image_digest, seen])
    return blake3(seed, derive_key_context="pfslib 1 datum").digest()


def write_input_tree(txn: WriteTxn, datum: Datum, cache: TreeCache) -> bytes:
    """Make the tree that a datum sees below /pfs: a directory an input; the key of its root node.

    By reference: a few small nodes, whatever the size of the input.
    """
    root = empty_directory(txn, mtime_ns=0, origin=b"")
    edits: list[Edit] = []
    for item in datum:
        path = (item.name.encode(), *split_path(item.path))
        edits.append(Edit(Op.PUT, path, item.entry))
    newest = max(item.entry.mtime_ns for item in datum)
    applied = apply_edits(txn, root, edits, cache, origin=b"", now_ns=newest)
    return applied.root.node


def environment(job: Job, pipeline: Pipeline, datum: Datum, key: bytes) -> dict[str, str]:
    """The variables that tell a command what it works on."""
    variables = {
        "PACH_JOB_ID": job.id,
        "PACH_OUTPUT_COMMIT_ID": job.output_commit,
        "PACH_DATUM_ID": key.hex(),
        "PPS_PIPELINE_NAME": pipeline.name,
    }
    for item, source in zip(datum, job.inputs, strict=True):
        below = item.path.decode("utf-8", "surrogateescape")
        if item.name not in _TAKEN:
            variables[item.name] = f"/pfs/{item.name}" + (f"/{below}" if below else "")
        variables[f"{item.name}_COMMIT"] = source.commit
        variables[f"PACH_{source.repo.upper()}_COMMIT_ID"] = source.commit
    variables.update(pipeline.transform.env)
    return variables
