"""1.3's incremental methods: a job is shown what was added since the one before, and adds to it.

Such a job has one datum, for all that is new: its command finds the output before at /pfs/prev, and
what it writes is appended to that output, or with `overwrite` takes the place of it, file by file.
So the output depends on the commits in between, and there is nothing to be skipped but the same
step taken again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pfslib.commits.branches import find_branch
from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.inputs import Incremental, Input
from pfslib.model.nodes import PIECE_MAX, Content, Entry
from pfslib.model.work import Job, JobInput, Merge, Pipeline, Work
from pfslib.pipelines.datum_view import PREV
from pfslib.pipelines.datums import DatumInput, datum_key, shape_stamp, transform_stamp
from pfslib.pipelines.ledger import find_result
from pfslib.pipelines.line_slices import digest_of_part
from pfslib.pipelines.merging import Merged
from pfslib.pipelines.orders import of_parts
from pfslib.pipelines.plan import Base, Known, Plan, Task, roots_of
from pfslib.pipelines.reasons import ASKED, NO_OUTPUT, NO_RECORD, SpecChanges
from pfslib.pipelines.works import find_work
from pfslib.trees.assemble import Patchwork, assemble
from pfslib.trees.contents import ContentWriter, iter_pieces
from pfslib.trees.diff import diff
from pfslib.trees.edit import Edit, Op
from pfslib.trees.filereader import read_content
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts, walk

_BLOCK = 1 << 18


def is_incremental(pipeline: Pipeline) -> bool:
    """Whether an input of a pipeline is shown by what was added to it."""
    return any(item.incremental for item in pipeline.inputs)


def plan_addition(
    txn: ReadTxn, pipeline: Pipeline, job: Job, image_digest: str, cache: TreeCache
) -> Plan:
    """The one datum of a job: all that was added since the job before. Cost: in what was added."""
    stamp = transform_stamp(pipeline, image_digest)
    shape = shape_stamp(pipeline)
    base = _base(txn, pipeline, job, image_digest)
    seen = _seen(txn, pipeline, job, base, cache)
    empty = all(item.nothing for item in seen)
    if not seen or (empty and not any(item.run_empty for item in pipeline.inputs)):
        return Plan(base, stamp, shape, 0, [], [], [], is_addition=True)
    if base.root is not None:
        seen.append(DatumInput(PREV, b"", base.root, nothing=not base.root.files))
    datum = tuple(seen)
    key = datum_key(stamp, datum)
    order = of_parts(())
    forced = pipeline.every_job or job.forced != ()
    result = find_result(txn, key, of_job=job.id if forced else "")
    why = f"there is something new since job {base.work.job}" if base.work else base.why_not
    tasks = [] if result else [Task(0, order, datum, key, why)]
    known = [Known(order, key, result.output)] if result else []
    return Plan(base, stamp, shape, 1, [], known, tasks, is_addition=True)


def add_output(
    kv: KV,
    base: Entry | None,
    outputs: Sequence[Entry],
    pipeline: Pipeline,
    cache: TreeCache,
    writer: ContentWriter,
) -> Merged:
    """The edits that add what was written to the output before.

    Args:
        kv: The store.
        base: Root of the output before; None when there is none.
        outputs: What was written.
        pipeline: Says whether to append to the files or to replace them.
        cache: What is remembered of trees.
        writer: Takes contents that are new because they were appended to one another.
    """
    edits: list[Edit] = []
    with kv.read() as txn:
        for output in outputs:
            for path, entry in walk(txn, output, cache):
                if entry.is_dir:
                    continue
                old = find_entry(txn, base, path, cache) if base is not None else None
                appends = pipeline.output_merge == Merge.APPEND and entry.is_file
                if appends and old is not None and old.is_file:
                    parts = Patchwork()
                    for part in (old, entry):
                        parts.append(Content(part.size, part.content))
                    content = assemble(txn, parts, writer, cache)
                    edits.append(
                        Edit(
                            Op.PUT,
                            path,
                            msgspec.structs.replace(entry, size=content.size, content=content.ref),
                        )
                    )
                else:
                    edits.append(Edit(Op.PUT, path, entry))
    return Merged(edits, [])


def _seen(
    txn: ReadTxn, pipeline: Pipeline, job: Job, base: Base, cache: TreeCache
) -> list[DatumInput]:
    """What the command is to see of the inputs; of none of them anything, if nothing was added."""
    new = roots_of(txn, job.inputs)
    rows = list(zip(pipeline.inputs, new, strict=True))
    if base.work is None:
        return [part for item, after in rows for part in _shown(txn, item, None, after, cache)]
    if base.work.inputs == job.inputs:
        return []
    moved = _moved(txn, pipeline, base.work, job)
    old = dict(zip(pipeline.inputs, roots_of(txn, base.work.inputs), strict=True))
    added = {
        item: list(_shown(txn, item, old[item], after, cache))
        for item, after in rows
        if item in moved
    }
    if all(part.nothing for parts in added.values() for part in parts):
        return [DatumInput(item.name, b"", after, nothing=True) for item, after in rows]
    seen: list[DatumInput] = []
    for item, after in rows:
        seen.extend(added[item] if item in added else _shown(txn, item, None, after, cache))
    return seen


def _base(txn: ReadTxn, pipeline: Pipeline, job: Job, image_digest: str) -> Base:
    head = find_branch(txn, job.pipeline, job.output_branch)
    if head is None:
        return Base("", None, None, NO_OUTPUT)
    commit, work = find_commit(txn, head.head), find_work(txn, head.head)
    assert commit is not None
    why_not = _why_not(txn, pipeline, job, image_digest, work)
    if why_not:
        return Base(head.head, None, None, f"{why_not}, so that it begins anew")
    return Base(head.head, commit.root, work)


def _why_not(
    txn: ReadTxn, pipeline: Pipeline, job: Job, image_digest: str, work: Work | None
) -> str:
    """Why nothing can be added to the output before; empty if it can."""
    if work is None:
        return NO_RECORD
    if job.forced is None:
        return ASKED
    changes = SpecChanges(txn, pipeline, work, image_digest)
    transform = "" if pipeline.keeps_results else changes.transform
    if spec := ", and ".join(filter(None, (changes.inputs, changes.output_merge, transform))):
        return spec
    if any(find_commit(txn, item.commit) is None for item in work.inputs):
        return f"input commits of job {work.job} were deleted"
    moved = _moved(txn, pipeline, work, job)
    # What was put out before was made with what these inputs held then.
    if any(item.incremental == Incremental.NONE for item in moved):
        return f"an input that is always shown whole has changed since job {work.job}"
    if any(
        not _stands_on(txn, now, before)
        for before, now in zip(work.inputs, job.inputs, strict=True)
    ):
        return f"a branch was moved, to a commit that is not on top of what job {work.job} read"
    if job.forced and not moved:
        return ASKED
    return ""


def _stands_on(txn: ReadTxn, now: JobInput, before: JobInput) -> bool:
    """Whether a commit is another one, or was made on top of it, however far."""
    commit_id = now.commit
    while commit_id and commit_id != before.commit:
        commit = find_commit(txn, commit_id)
        commit_id = commit.parent if commit is not None else ""
    return bool(commit_id)


def _moved(txn: ReadTxn, pipeline: Pipeline, work: Work, job: Job) -> list[Input]:
    """The inputs that do not hold what they held before."""
    roots = zip(roots_of(txn, work.inputs), roots_of(txn, job.inputs), strict=True)
    return [
        item
        for item, (before, after) in zip(pipeline.inputs, roots, strict=True)
        if not before.same_content(after)
    ]


def _shown(
    txn: ReadTxn, item: Input, before: Entry | None, after: Entry, cache: TreeCache
) -> Iterator[DatumInput]:
    """What the command sees of one input: as in 1.3 all of it, if it is another that has moved."""
    found = False
    if item.incremental == Incremental.NONE or before is None:
        parts: Iterator[DatumInput] = iter(
            [DatumInput(item.name, b"", after)] if after.files else []
        )
    elif item.incremental == Incremental.FULL:
        parts = (
            DatumInput(item.name, b"/".join(path), entry)
            for path, _, entry in diff(txn, before, after, cache, depth=1)
            if entry is not None
        )
    else:
        parts = (
            _added(txn, item, path, old, new, cache)
            for path, old, new in diff(txn, before, after, cache)
            if new is not None
        )
    for part in parts:
        found = True
        yield part
    if not found:
        yield DatumInput(item.name, b"", after, nothing=True)


def _added(
    txn: ReadTxn, item: Input, path: Parts, old: Entry | None, new: Entry, cache: TreeCache
) -> DatumInput:
    """What was added to a file: its end, if it begins as it was before; else all of it."""
    name = b"/".join(path)
    if old is None or not (old.is_file and new.is_file) or not 0 < old.size < new.size:
        return DatumInput(item.name, name, new)
    if not _begins_with(txn, new, old, cache):
        return DatumInput(item.name, name, new)
    content = Content(new.size, new.content)
    digest = digest_of_part(txn, content, old.size, new.size, cache)
    return DatumInput(item.name, name, new, start=old.size, end=new.size, digest=digest)


def _begins_with(txn: ReadTxn, whole: Entry, begin: Entry, cache: TreeCache) -> bool:
    """Whether a file begins as another, smaller one. Pieces that both have are not read."""
    at = 0
    if begin.size > PIECE_MAX:
        pairs = zip(
            iter_pieces(txn, begin.content, cache),
            iter_pieces(txn, whole.content, cache),
            strict=False,
        )
        for ours, theirs in pairs:
            if ours != theirs:
                break
            at += ours.size
    while at < begin.size:
        end = min(at + _BLOCK, begin.size)
        first, second = (
            read_content(txn, Content(file.size, file.content), at, end, cache)
            for file in (begin, whole)
        )
        if first != second:
            return False
        at = end
    return True
