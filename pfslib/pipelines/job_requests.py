"""What is asked of jobs: to end before their time, or to run again."""

from __future__ import annotations

import time
from collections.abc import Collection

import msgspec

from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.model.errors import ConflictError, InvalidInputError
from pfslib.model.work import DatumRecord, Job, JobState
from pfslib.pipelines.claims import is_void
from pfslib.pipelines.job_outputs import is_overtaken, publish_nothing
from pfslib.pipelines.ledger import add_job, get_pipeline, list_datums, newest_job, put_job
from pfslib.pipelines.trigger import make_unrunnable, next_job_of
from pfslib.pipelines.works import find_work


def cancel_job(txn: WriteTxn, job: Job, reason: str = "it was cancelled") -> Job:
    """Have a job end, killed: at once if nobody runs it, else as soon as who runs it notices.

    Raises:
        ConflictError: It is over.
    """
    if JobState(job.state).finished:
        raise ConflictError(
            f"job {job.id} is over: {job.state}", hint=f"`pfs rerun-job {job.id}` runs it again"
        )
    if job.state != JobState.CREATED and not is_void(job):
        job = msgspec.structs.replace(job, cancel=True, reason=reason)
        put_job(txn, job)
        return job
    # One that was only to copy its output to the host has published it: that stays as it is.
    has_output = find_commit(txn, job.output_commit) is not None
    if not has_output:
        publish_nothing(txn, job, reason)
    job = msgspec.structs.replace(
        job, state=JobState.KILLED, reason=reason, finished_ns=time.time_ns()
    )
    put_job(txn, job)
    if not has_output:
        make_unrunnable(txn, job)
    return job


def rerun_job(txn: WriteTxn, job: Job, *, forced: tuple[bytes, ...] | None = ()) -> Job:
    """Make a job for the same input commits as one that is over.

    Args:
        txn: The change to make it in.
        job: The job to run again.
        forced: Keys of the datums that run though they have a result; None for all of them.

    Raises:
        ConflictError: It is not over, a later one has taken its place on the output branch, or it
            would read the output of a failed job.
    """
    if not JobState(job.state).finished:
        raise ConflictError(
            f"job {job.id} is not over: {job.state}", hint=f"`pfs cancel-job {job.id}` ends it"
        )
    pipeline = get_pipeline(txn, job.pipeline)
    latest = newest_job(txn, job.pipeline, job.output_branch)
    if latest is not None and latest.id != job.id:
        raise ConflictError(
            f"job {latest.id} came after job {job.id}: its output is what the branch "
            f"{job.output_branch} of repo {job.pipeline} holds, or will hold",
            hint=f"`pfs rerun-job {latest.id}`",
        )
    if is_overtaken(txn, job):
        raise ConflictError(
            f"a job that was deleted came after job {job.id}: its output is what the branch "
            f"{job.output_branch} of repo {job.pipeline} holds",
            hint=f"`pfs rerun-pipeline {job.pipeline}` processes the heads of its inputs",
        )
    _check_inputs(txn, job)
    again = next_job_of(txn, pipeline, job.inputs, job.output_branch, rerun=job.rerun + 1)
    return add_job(txn, msgspec.structs.replace(again, forced=forced))


def _check_inputs(txn: ReadTxn, job: Job) -> None:
    """Make sure that a job would read no output of a failed one."""
    for item in job.inputs:
        commit, work = find_commit(txn, item.commit), find_work(txn, item.commit)
        if commit is not None and commit.error:
            culprit = work.job if work is not None else "JOB"
            raise ConflictError(
                f"job {job.id} cannot run: its input {item.repo}@{item.commit} is the output of a "
                f"job that failed: {commit.error}",
                hint=f"`pfs rerun-job {culprit}` first; its output makes a job of {job.pipeline}",
            )


def find_datums(txn: ReadTxn, job: Job, names: Collection[str]) -> tuple[bytes, ...]:
    """The keys of some datums of a job, named by key, the beginning of it, or an input path.

    Raises:
        InvalidInputError: One names none.
    """
    found: list[bytes] = []
    records = list(list_datums(txn, job.id))
    for name in names:
        keys = {record.key for record in records if is_named(record, name)}
        if not keys:
            raise InvalidInputError(
                f"job {job.id} ran no datum {name!r}", hint=f"`pfs list-datum {job.id}` lists them"
            )
        found.extend(sorted(keys))
    return tuple(found)


def is_named(record: DatumRecord, name: str) -> bool:
    """Whether a datum is meant by a key, the beginning of one, or a path that it sees."""
    paths = {
        text
        for seen in record.inputs
        for path in [seen.path.decode("utf-8", "surrogateescape")]
        for text in (f"/{path}", f"{seen.name}:/{path}")
    }
    return name in paths or (len(name) >= 4 and record.key.hex().startswith(name))  # noqa: PLR2004 - as ids
