"""Job in, output commit with provenance out."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import KV
from pfslib.model.errors import HeadMovedError
from pfslib.model.work import Counts, DatumRecord, DatumState, Job, JobState, Pipeline
from pfslib.pipelines.claims import Claim
from pfslib.pipelines.conclude import conclude
from pfslib.pipelines.datum_run import DatumRun, Turn
from pfslib.pipelines.datum_threads import DatumThreads
from pfslib.pipelines.datums import datum_name, seen_of
from pfslib.pipelines.egress import egress
from pfslib.pipelines.incremental import is_incremental, plan_addition
from pfslib.pipelines.ledger import put_datum
from pfslib.pipelines.plan import Plan, Planner, Task
from pfslib.trees.nodestore import TreeCache

_AHEAD: Final = 1
"""So many more datums than may run at once are being laid out, or taken into the store."""

_LOOK_S: Final = 0.25
"""So often it is looked whether the job was cancelled, or has run for too long."""


class _KilledError(Exception):
    """The job is to end now."""


class GivenBackError(Exception):
    """The job is to go on elsewhere, or later; what is done is kept."""


class JobRun:
    """Runs one job.

    Args:
        kv: The store.
        cache: What is remembered of trees.
        claim: The right to run the job.
        pipeline: What to run.
        image_digest: The exact image it runs in.
        datums: Runs one datum.
        stop: When set, the job is given up as soon as that is noticed.
        egress_to: Below which host directory outputs may be copied.
    """

    def __init__(
        self,
        kv: KV,
        cache: TreeCache,
        claim: Claim,
        pipeline: Pipeline,
        image_digest: str,
        datums: DatumRun,
        stop: threading.Event,
        egress_to: Path | None = None,
    ) -> None:
        self._began = time.monotonic()
        self._stop = stop
        self._kv = kv
        self._cache = cache
        self._claim = claim
        self._pipeline = pipeline
        self._image_digest = image_digest
        self._datums = datums
        self._egress_to = egress_to

    def to_the_end(self) -> Job:
        """Run every datum that has no result yet, merge the outputs, publish the commit.

        Returns:
            The job, finished.

        Raises:
            ClaimLostError: Another process took the job over; nothing was published by this one.
            GivenBackError: It was told to stop; the job stays unfinished.
            RunnerError: The runner is unable to work; the job stays unfinished.
        """
        job = self._until_published()
        if job.state != JobState.EGRESSING:
            return job
        target = self._pipeline.egress
        try:
            return egress(
                self._kv, self._cache, self._claim, target, self._egress_to, self._check_time
            )
        except _KilledError as killed:
            now_ns = time.time_ns()
            with self._kv.write() as txn:
                return self._claim.update(
                    txn, state=JobState.KILLED, reason=str(killed), finished_ns=now_ns
                )

    def _until_published(self) -> Job:
        if self._is_published():
            return self._claim.job
        while True:
            if missing := self._missing_input():
                return self._conclude(None, {}, JobState.FAILURE, missing)
            plan = self._plan()
            records: dict[bytes, DatumRecord] = {}
            state, reason = JobState.SUCCESS, ""
            try:
                self._run_all(plan, records)
            except _KilledError as killed:
                state, reason = JobState.KILLED, str(killed)
            if self._pipeline.egress and not reason:
                state = JobState.EGRESSING
            if not reason and (reason := _why_failed(plan.tasks, records)):
                state = JobState.FAILURE
            try:
                return self._conclude(plan, records, state, reason)
            except HeadMovedError:
                continue  # by hand: what is to be done follows from another output now

    def _is_published(self) -> bool:
        """Whether only the last step was left undone by whoever ran the job before."""
        with self._kv.write() as txn:
            there = find_commit(txn, self._claim.job.output_commit) is not None
            if there:
                self._claim.update(txn, state=JobState.EGRESSING)
        return there

    def _missing_input(self) -> str:
        """Why the job cannot run: an input commit was deleted by force. Empty when it can."""
        with self._kv.read() as txn:
            for item in self._claim.job.inputs:
                if find_commit(txn, item.commit) is None:
                    return f"its input commit {item.commit} of repo {item.repo} was deleted"
        return ""

    def _plan(self) -> Plan:
        job = self._claim.job
        with self._kv.read() as txn:
            if is_incremental(self._pipeline):
                plan = plan_addition(txn, self._pipeline, job, self._image_digest, self._cache)
            else:
                planner = Planner(txn, self._pipeline, job, self._image_digest, self._cache)
                plan = planner.plan()
        base = plan.base.work.job if plan.base.work is not None else ""
        counts = Counts(total=plan.total, skipped=plan.total - len(plan.tasks))
        with self._kv.write() as txn:
            self._claim.update(txn, counts=counts, base=base)
        return plan

    def _conclude(
        self, plan: Plan | None, records: dict[bytes, DatumRecord], state: JobState, reason: str
    ) -> Job:
        return conclude(
            self._kv, self._cache, self._claim, self._pipeline, plan, records, (state, reason)
        )

    # --- running what has to run ---------------------------------------------------------

    def _run_all(self, plan: Plan, records: dict[bytes, DatumRecord]) -> None:
        """Run what has to run, as many at once as the spec says; what becomes of each, by order.

        Of several datums with one key, the first runs.
        """
        alike: dict[bytes, list[Task]] = {}
        for task in plan.tasks:
            alike.setdefault(task.key, []).append(task)
        todo = iter(alike.values())
        at_once = self._pipeline.parallelism + _AHEAD
        running: dict[Future[DatumRecord], list[Task]] = {}
        looked = time.monotonic()
        begun = threading.Event()
        begun.set()  # nothing is before the first
        with DatumThreads[DatumRecord](at_once) as threads:
            try:
                while True:
                    while len(running) < at_once and (tasks := next(todo, None)) is not None:
                        before, begun = begun, threading.Event()
                        run = partial(self._datums.run, tasks[0], Turn(before, begun))
                        running[threads.submit(run)] = tasks
                    if not running:
                        return
                    done, _ = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._take(future.result(), running.pop(future), records)
                    if time.monotonic() - looked > _LOOK_S:
                        self._check_time()
                        looked = time.monotonic()
            except BaseException as error:
                # What still runs must end before the threads can be joined.
                self._datums.stop(for_good=isinstance(error, _KilledError))
                raise

    def _take(
        self, record: DatumRecord, tasks: Sequence[Task], records: dict[bytes, DatumRecord]
    ) -> None:
        first, *others = tasks
        records[first.order] = record
        for task in others:
            records[task.order] = msgspec.structs.replace(record, inputs=seen_of(task.datum))
        if record.state == DatumState.SKIPPED:
            self._count(skipped=len(tasks))
        elif others and record.state == DatumState.PROCESSED:
            self._count(skipped=len(others))
        elif others:
            with self._kv.write() as txn:
                self._claim.count(txn, **{record.state: len(others)})
                for task in others:
                    put_datum(txn, self._claim.job.id, task.number, records[task.order])

    def _count(self, **more: int) -> None:
        with self._kv.write() as txn:
            self._claim.count(txn, **more)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise GivenBackError

    def _check_time(self) -> None:
        """End the job if somebody wants that, or its time is up: that in which somebody ran it."""
        self._check_stop()
        with self._kv.read() as txn:
            job = self._claim.check(txn)
        if job.cancel:
            raise _KilledError(job.reason or "it was cancelled")
        limit_s = self._pipeline.job_timeout_s
        if limit_s and job.ran_ns / 1e9 + time.monotonic() - self._began > limit_s:
            raise _KilledError(f"the job timed out after {limit_s:g} s")


def _why_failed(tasks: Sequence[Task], records: dict[bytes, DatumRecord]) -> str:
    failed = [
        (task, records[task.order])
        for task in tasks
        if records[task.order].state == DatumState.FAILED
    ]
    if not failed:
        return ""
    task, record = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"datum {datum_name(seen_of(task.datum))}{more}: {record.reason}"
