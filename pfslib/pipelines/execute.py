"""Job in, output commit with provenance out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import msgspec

from pfslib.commits.branches import find_branch
from pfslib.commits.finish import publish
from pfslib.commits.refs import find_commit, get_commit
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.kv.tables import id_key
from pfslib.model.errors import HeadMovedError, PathClashError
from pfslib.model.history import CommitLink, OpenCommit
from pfslib.model.nodes import Entry
from pfslib.model.work import Counts, DatumRecord, DatumState, Job, JobState, Pipeline
from pfslib.pipelines.claims import Claim
from pfslib.pipelines.datum_run import DatumRun
from pfslib.pipelines.datums import Datum, datum_key, list_datums_of
from pfslib.pipelines.ledger import find_result
from pfslib.pipelines.outputs import merge_edits
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, apply_edits
from pfslib.trees.nodestore import TreeCache


def _missing_input(kv: KV, job: Job) -> str:
    """Why the job cannot run: an input commit was deleted by force. Empty when it can."""
    with kv.read() as txn:
        for item in job.inputs:
            if find_commit(txn, item.commit) is None:
                return f"its input commit {item.commit} of repo {item.repo} was deleted"
    return ""


class _Plan(msgspec.Struct):
    """The datums of a job: outputs known already, and what is left to run."""

    outputs: list[Entry | None]
    to_run: list[tuple[int, Datum, bytes]]


def execute(
    kv: KV, cache: TreeCache, claim: Claim, pipeline: Pipeline, image_digest: str, datums: DatumRun
) -> Job:
    """Run every datum that has no result yet, merge the outputs, publish the commit.

    Args:
        kv: The store.
        cache: What is remembered of trees.
        claim: The right to run the job.
        pipeline: What to run.
        image_digest: The exact image it runs in.
        datums: Runs one datum.

    Returns:
        The job, finished: in state success or failure.

    Raises:
        ClaimLostError: Another process took the job over; nothing was published by this one.
        RunnerError: The runner is unable to work; the job stays unfinished.
    """
    if missing := _missing_input(kv, claim.job):
        return _conclude(kv, cache, claim, pipeline, [], missing)
    plan = _plan(kv, cache, claim, pipeline, image_digest)
    records = _run_all(plan, datums, pipeline.parallelism)
    for number, record in records.items():
        plan.outputs[number] = record.output
    failed = [record for record in records.values() if record.state == DatumState.FAILED]
    outputs = [output for output in plan.outputs if output is not None]
    return _conclude(kv, cache, claim, pipeline, outputs, _reason(failed))


def _plan(kv: KV, cache: TreeCache, claim: Claim, pipeline: Pipeline, image_digest: str) -> _Plan:
    plan = _Plan([], [])
    with kv.read() as txn:
        for number, datum in enumerate(list_datums_of(txn, pipeline, claim.job, cache)):
            key = datum_key(pipeline.transform, image_digest, datum)
            known = find_result(txn, key)
            plan.outputs.append(known.output if known is not None else None)
            if known is None:
                plan.to_run.append((number, datum, key))
    total = len(plan.outputs)
    with kv.write() as txn:
        claim.update(txn, counts=Counts(total=total, skipped=total - len(plan.to_run)))
    return plan


def _run_all(plan: _Plan, datums: DatumRun, parallelism: int) -> dict[int, DatumRecord]:
    """Run what is left to run, as many at once as the spec says."""
    if not plan.to_run:
        return {}
    records: dict[int, DatumRecord] = {}
    waiting: dict[Future[DatumRecord], int] = {}
    todo = iter(plan.to_run)
    with ThreadPoolExecutor(parallelism, "pfs-datum") as threads:
        try:
            while True:
                while len(waiting) < parallelism and (task := next(todo, None)) is not None:
                    waiting[threads.submit(datums.run, *task)] = task[0]
                if not waiting:
                    return records
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    records[waiting.pop(future)] = future.result()
        except BaseException:
            # What still runs must end before the threads can be joined.
            datums.stop()
            raise


def _reason(failed: Sequence[DatumRecord]) -> str:
    if not failed:
        return ""
    first = failed[0]
    path = "/".join(f"{name}:/{part.decode(errors='replace')}" for name, part in first.inputs)
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"datum {path}{more}: {first.reason}"


def _conclude(
    kv: KV,
    cache: TreeCache,
    claim: Claim,
    pipeline: Pipeline,
    outputs: Sequence[Entry],
    reason: str,
) -> Job:
    """Merge and publish; again, if the output branch was moved by hand meanwhile."""
    clashing = False
    while True:
        writer = ContentWriter(kv)
        with kv.read() as txn:
            parent, base = _output_head(txn, claim.job)
        try:
            if clashing:
                # There is no one output to show, and the one before is not this job's.
                base, edits = None, []
            else:
                edits = merge_edits(kv, base, outputs, pipeline.output_merge, cache, writer)
            with writer.writing() as txn:
                return _publish(txn, cache, claim, parent, base, edits, reason)
        except PathClashError as clash:
            reason, clashing = reason or str(clash), True
        except HeadMovedError:
            continue
        finally:
            writer.close()


def _output_head(txn: ReadTxn, job: Job) -> tuple[str, Entry | None]:
    """Head and tree that the output commit follows."""
    head = find_branch(txn, job.pipeline, job.output_branch)
    return (head.head, get_commit(txn, head.head).root) if head else ("", None)


def _publish(
    txn: WriteTxn,
    cache: TreeCache,
    claim: Claim,
    parent: str,
    base: Entry | None,
    edits: Sequence[Edit],
    reason: str,
) -> Job:
    """Output commit, provenance, job state: one transaction."""
    job, now_ns = claim.job, time.time_ns()
    origin = id_key(job.output_commit)
    if base is None:
        base = empty_directory(txn, mtime_ns=now_ns, origin=origin)
    applied = apply_edits(txn, base, edits, cache, origin=origin, now_ns=now_ns)
    publish(
        txn,
        OpenCommit(
            id=job.output_commit,
            repo=job.pipeline,
            branch=job.output_branch,
            parent=parent,
            message=f"job {job.id}",
            started_ns=job.started_ns,
            provenance=tuple(CommitLink(item.repo, item.commit) for item in job.inputs),
            root=applied.root,
            added_bytes=applied.added_bytes,
            folded=0,
        ),
        error=reason,
    )
    state = JobState.FAILURE if reason else JobState.SUCCESS
    return claim.update(txn, state=state, reason=reason, finished_ns=time.time_ns())
