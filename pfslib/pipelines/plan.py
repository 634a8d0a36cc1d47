"""What a job has to do: the datums that are not as they were in the job before, and why.

The job before is the one that made the head of the output branch. Its datums are known by their
order names and keys, so only what differs between its input commits and the new ones is looked at.
Without such a job, or when the transform or the inputs of the spec are not the same, all are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

import msgspec

from pfslib.commits.branches import find_branch
from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import ReadTxn
from pfslib.model.nodes import Entry
from pfslib.model.work import Job, JobInput, Pipeline, Work
from pfslib.pipelines.combine import Datums
from pfslib.pipelines.datums import Change, Datum, datum_key, shape_stamp, transform_stamp
from pfslib.pipelines.ledger import find_result, old_versions
from pfslib.pipelines.reasons import (
    ASKED,
    EVERY_JOB,
    NO_OUTPUT,
    NO_RECORD,
    Reasons,
    SpecChanges,
)
from pfslib.pipelines.works import WorkTree, find_work
from pfslib.trees.nodestore import TreeCache


class Base(msgspec.Struct, frozen=True):
    """The output that a job's own follows."""

    commit: str
    """Id; empty when it is the first."""

    root: Entry | None
    work: Work | None
    """How it came about, if the job can be compared with that."""

    why_not: str = ""
    """Why it cannot be."""


class Task(msgspec.Struct, frozen=True):
    """A datum that has to run."""

    number: int
    """Its place among the datums of the job."""

    order: bytes
    datum: Datum
    key: bytes
    why: str


class Known(msgspec.Struct, frozen=True):
    """A datum that is not what it was, but has a result."""

    order: bytes
    key: bytes
    output: Entry


class Plan(msgspec.Struct, frozen=True):
    """What becomes of the datums of the base, to make those of the job."""

    base: Base
    stamp: bytes
    shape: bytes
    total: int
    gone: list[bytes]
    """Order names of datums that are no more."""

    known: list[Known]
    tasks: list[Task]
    is_addition: bool = False
    """Whether what is written is added to the output before, as by 1.3's incremental methods."""

    @property
    def keeps_base(self) -> bool:
        """Whether the output is made from the one before."""
        return self.base.work is not None


class Planner:
    """Plans one job, in one state of the store."""

    def __init__(
        self,
        txn: ReadTxn,
        pipeline: Pipeline,
        job: Job,
        image_digest: str,
        cache: TreeCache,
    ) -> None:
        self._txn = txn
        self._pipeline = pipeline
        self._job = job
        self._datums = Datums(txn, pipeline.inputs, pipeline.combined, cache)
        self._roots = roots_of(txn, job.inputs)
        self._image_digest = image_digest
        self._stamp = transform_stamp(pipeline, image_digest)
        self._shape = shape_stamp(pipeline)
        self._cache = cache
        self._gone: list[bytes] = []
        self._known: list[Known] = []
        self._tasks: list[Task] = []
        self._shift = 0
        self._old_stamps: list[bytes] = []

    def plan(self) -> Plan:
        """The plan. Cost: in the datums that are new, changed or gone, if there is a base."""
        last, base = self._base()
        self._old_stamps = self._stamps_kept(last)
        before = WorkTree(self._txn, last, self._cache)
        reasons = self._reasons(last, before, base.why_not)
        if base.work is None:
            for number, (order, datum) in enumerate(self._datums.rows(self._roots)):
                self._add(number, order, datum, partial(reasons.of, order))
            total = len(self._tasks) + len(self._known)
        else:
            for change in self._changes(base.work, before):
                self._apply(change, before, reasons)
            total = before.total + self._shift
        return Plan(base, self._stamp, self._shape, total, self._gone, self._known, self._tasks)

    def _base(self) -> tuple[Work | None, Base]:
        """How the output before came about, and what of that can be built upon."""
        head = find_branch(self._txn, self._job.pipeline, self._job.output_branch)
        if head is None:
            return None, Base("", None, None, NO_OUTPUT)
        commit = find_commit(self._txn, head.head)
        assert commit is not None
        work = find_work(self._txn, head.head)
        why_not = self._why_not(work)
        return work, Base(head.head, commit.root, None if why_not else work, why_not)

    def _why_not(self, work: Work | None) -> str:
        if work is None:
            return NO_RECORD
        if self._pipeline.every_job:
            return EVERY_JOB
        if self._job.forced is None:
            return ASKED
        if work.shape != self._shape:
            return "the spec has changed"
        if work.stamp != self._stamp and not self._pipeline.keeps_results:
            return "the transform or its image has changed"
        if not self._has_inputs_of(work):
            return f"it has no result: input commits of job {work.job} were deleted"
        return ""

    def _has_inputs_of(self, work: Work) -> bool:
        return all(find_commit(self._txn, item.commit) is not None for item in work.inputs)

    def _reasons(self, last: Work | None, before: WorkTree, otherwise: str) -> Reasons:
        def changed() -> Collection[bytes]:
            assert last is not None
            if not self._has_inputs_of(last):
                return {
                    order
                    for order, datum in self._datums.rows(self._roots)
                    if before.key(order) != datum_key(last.stamp, datum)
                }
            old = roots_of(self._txn, last.inputs)
            return {change.order for change in self._datums.changes(old, self._roots)}

        changes = None
        if last is not None:
            changes = SpecChanges(self._txn, self._pipeline, last, self._image_digest)
        return Reasons(changes, last, before, otherwise, changed)

    def _changes(self, work: Work, before: WorkTree) -> Iterator[Change]:
        """What differs, and what is to run again though it does not; in order."""
        changes = self._datums.changes(roots_of(self._txn, work.inputs), self._roots)
        again = {order for order, _ in before.again()}
        forced = set(self._job.forced or ())
        if not again and not forced:
            return iter(changes)
        found = {change.order: change for change in changes}
        for order, datum in self._datums.rows(self._roots):
            if order not in found and (order in again or before.key(order) in forced):
                found[order] = Change(order, datum, datum)
        return iter(sorted(found.values(), key=lambda change: change.order))

    def _apply(self, change: Change, before: WorkTree, reasons: Reasons) -> None:
        order, _, datum = change
        old = before.key(order)
        number = before.number(order) + self._shift
        if datum is None:
            if old is not None:
                self._gone.append(order)
                self._shift -= 1
            return
        if old is None:
            self._shift += 1
            why = reasons.new
        elif change.old is change.new:
            why = reasons.recovered
        else:
            why = reasons.changed
        self._add(number, order, datum, lambda: why)

    def _add(self, number: int, order: bytes, datum: Datum, why: Callable[[], str]) -> None:
        key = datum_key(self._stamp, datum)
        if (old := self._kept(key, datum)) is not None:
            self._known.append(Known(order, *old))
            return
        forced = self._job.forced is None or key in self._job.forced
        fresh = forced or self._pipeline.every_job
        result = find_result(self._txn, key, of_job=self._job.id if fresh else "")
        if result is not None:
            self._known.append(Known(order, key, result.output))
        else:
            self._tasks.append(Task(number, order, datum, key, ASKED if forced else why()))

    # --- results of older versions -------------------------------------------------------

    def _stamps_kept(self, last: Work | None) -> list[bytes]:
        """Of the older versions whose results are kept, the newest first; none if none are.

        What ran before everything was asked to run again does not count. Of an older image only
        the digest in the output before is known.
        """
        pipeline = self._pipeline
        if not pipeline.keeps_results or pipeline.every_job or self._job.forced is None:
            return []
        stamps = [last.stamp] if last is not None else []
        before: Pipeline | None = None
        for version in old_versions(self._txn, pipeline.name):
            if before is not None and version.salt != before.salt:
                break
            before = version
            if version.transform.image == pipeline.transform.image:
                stamps.append(transform_stamp(version, self._image_digest))
        return [stamp for stamp in dict.fromkeys(stamps) if stamp != self._stamp]

    def _kept(self, key: bytes, datum: Datum) -> tuple[bytes, Entry] | None:
        """Key and output of a datum that has a result of an older version only."""
        if not self._old_stamps or find_result(self._txn, key) is not None:
            return None
        keys = [datum_key(stamp, datum) for stamp in self._old_stamps]
        if not set(keys).isdisjoint(self._job.forced or ()):
            return None
        results = ((old, find_result(self._txn, old)) for old in keys)
        return next(((old, found.output) for old, found in results if found is not None), None)


def roots_of(txn: ReadTxn, inputs: Iterable[JobInput]) -> Sequence[Entry]:
    """The roots of the commits that a job reads."""
    roots = []
    for item in inputs:
        commit = find_commit(txn, item.commit)
        assert commit is not None
        roots.append(commit.root)
    return roots
