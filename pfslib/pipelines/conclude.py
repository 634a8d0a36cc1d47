"""The end of a job: outputs merged, output commit, provenance and state in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pfslib.commits.finish import publish
from pfslib.kv.protocol import KV, WriteTxn
from pfslib.kv.tables import id_key
from pfslib.model.errors import PathClashError
from pfslib.model.nodes import Entry
from pfslib.model.paths import to_plain
from pfslib.model.work import DatumRecord, DatumState, Job, JobState, Pipeline, Work
from pfslib.pipelines.claims import Claim
from pfslib.pipelines.clashes import name_clash
from pfslib.pipelines.incremental import add_output
from pfslib.pipelines.job_outputs import output_of
from pfslib.pipelines.merging import Merged, Wrote, merge
from pfslib.pipelines.plan import Base, Plan
from pfslib.pipelines.trigger import make_unrunnable
from pfslib.pipelines.works import (
    AGAIN,
    KEYS,
    OUTPUTS,
    WRITERS,
    WorkTree,
    key_entry,
    put_empty_work,
    put_work,
    write_works,
)
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import Change, empty_directory
from pfslib.trees.edit import apply_edits
from pfslib.trees.nodestore import TreeCache

Verdict = tuple[JobState, str]
"""How a job ended, and why."""

_NOTHING = Merged([], [])


def conclude(
    kv: KV,
    cache: TreeCache,
    claim: Claim,
    pipeline: Pipeline,
    plan: Plan | None,
    records: Mapping[bytes, DatumRecord],
    verdict: Verdict,
) -> Job:
    """Merge and publish.

    Args:
        kv: The store.
        cache: What is remembered of trees.
        claim: The right to the job.
        pipeline: What was run.
        plan: What there was to do; None when it could not be planned.
        records: What became of the datums that had to run, by order name.
        verdict: How it went; two datums that wrote one path make a failure of a success.

    Raises:
        HeadMovedError: The output branch was moved meanwhile, so that the plan is for another base.
        ClaimLostError: Another process has the job.
    """
    end = _End(kv, cache, claim, pipeline, records)
    if plan is None:
        return end.publish(None, _NOTHING, verdict)
    try:
        return end.publish(plan, end.merged(plan), verdict)
    except PathClashError as clash:
        # There is no one output to show, and the one before is not this job's.
        reason = verdict[1] or name_clash(kv, cache, plan, records, clash)
        state = verdict[0] if verdict[1] else JobState.FAILURE
        nothing = msgspec.structs.replace(plan, base=Base(plan.base.commit, None, None))
        return end.publish(nothing, _NOTHING, (state, reason))


class _End:
    """Ends one job."""

    def __init__(
        self,
        kv: KV,
        cache: TreeCache,
        claim: Claim,
        pipeline: Pipeline,
        records: Mapping[bytes, DatumRecord],
    ) -> None:
        self._kv = kv
        self._cache = cache
        self._claim = claim
        self._pipeline = pipeline
        self._records = records
        self._writer = ContentWriter(kv)

    def merged(self, plan: Plan) -> Merged:
        """What of the output before is not as it was."""
        if plan.is_addition:
            outputs = [known.output for known in plan.known]
            outputs += [record.output for record in self._records.values() if record.output]
            return add_output(
                self._kv, plan.base.root, outputs, self._pipeline, self._cache, self._writer
            )
        with self._kv.read() as txn:
            before = WorkTree(txn, plan.base.work, self._cache)
            wrote = list(self._wrote(plan, before))
        return merge(
            self._kv,
            plan.base.root if plan.base.work is not None else None,
            lambda txn: WorkTree(txn, plan.base.work, self._cache),
            wrote,
            self._pipeline.output_merge,
            self._cache,
            self._writer,
        )

    def publish(self, plan: Plan | None, merged: Merged, verdict: Verdict) -> Job:
        """Output commit, provenance, how it came about, job state: one transaction."""
        state, reason = verdict[0], to_plain(verdict[1])
        job = self._claim.job
        try:
            with self._writer.writing() as txn:
                self._claim.check(txn)
                self._publish_commit(txn, plan, merged, reason)
                if plan is not None:
                    self._put_work(txn, plan, merged)
                else:
                    put_empty_work(txn, job)
                if reason:
                    make_unrunnable(txn, job)
                finished_ns = time.time_ns() if state.finished else 0
                return self._claim.update(txn, state=state, reason=reason, finished_ns=finished_ns)
        finally:
            self._writer.close()

    def _publish_commit(
        self, txn: WriteTxn, plan: Plan | None, merged: Merged, reason: str
    ) -> None:
        job, now_ns = self._claim.job, time.time_ns()
        origin = id_key(job.output_commit)
        base = plan.base.root if plan is not None and plan.keeps_base else None
        if base is None:
            base = empty_directory(txn, mtime_ns=now_ns, origin=origin)
        applied = apply_edits(txn, base, merged.edits, self._cache, origin=origin, now_ns=now_ns)
        parent = plan.base.commit if plan is not None else ""
        publish(txn, output_of(job, parent, applied.root, applied.added_bytes), error=reason)

    # --- how it came about ---------------------------------------------------------------

    def _put_work(self, txn: WriteTxn, plan: Plan, merged: Merged) -> None:
        job = self._claim.job
        before = WorkTree(txn, plan.base.work, self._cache)
        changes: dict[bytes, Sequence[Change]] = {WRITERS: merged.writers}
        if not plan.is_addition:
            wrote = list(self._wrote(plan, before))
            changes[OUTPUTS] = [
                (row.order, _named(row.new, row.order)) for row in wrote if row.old or row.new
            ]
            changes[KEYS] = list(self._keys(plan))
            changes[AGAIN] = list(self._again(plan))
        root = write_works(txn, before, changes, self._cache)
        work = Work(job.id, plan.stamp, plan.shape, job.inputs, root)
        put_work(txn, job.output_commit, work)

    def _wrote(self, plan: Plan, before: WorkTree) -> Iterator[Wrote]:
        for order in plan.gone:
            yield Wrote(order, before.output(order), None)
        for known in plan.known:
            yield Wrote(known.order, before.output(known.order), _output(known.output))
        for task in plan.tasks:
            record = self._records.get(task.order)
            new = None
            if record is not None and record.state != DatumState.RECOVERED:
                new = _output(record.output)
            yield Wrote(task.order, before.output(task.order), new)

    def _keys(self, plan: Plan) -> Iterator[Change]:
        for order in plan.gone:
            yield order, None
        for known in plan.known:
            yield known.order, key_entry(known.order, known.key)
        for task in plan.tasks:
            yield task.order, key_entry(task.order, task.key)

    def _again(self, plan: Plan) -> Iterator[Change]:
        for order in plan.gone:
            yield order, None
        for known in plan.known:
            yield known.order, None
        for task in plan.tasks:
            record = self._records.get(task.order)
            done = record is not None and record.state != DatumState.RECOVERED
            yield task.order, None if done else key_entry(task.order, task.key)


def _output(root: Entry | None) -> Entry | None:
    """What a datum wrote; None for nothing."""
    return root if root is not None and root.files else None


def _named(output: Entry | None, order: bytes) -> Entry | None:
    return msgspec.structs.replace(output, name=order) if output is not None else None
