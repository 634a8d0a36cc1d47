"""Runs the jobs that a command has triggered, in the foreground, and says how they went."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import click

from pfslib.cli.failures import JOB_FAILED, complain
from pfslib.cli.names import full_name_of
from pfslib.cli.output import say, whisper
from pfslib.cli.states import datum_counts, job_state
from pfslib.cli.wording import human_duration
from pfslib.model.errors import JobFailedError

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.store import Store
    from pfslib.cli.session import Session
    from pfslib.model.work import Job, Pipeline


class Cause(NamedTuple):
    """What triggered jobs: when it was made, and which jobs it triggered."""

    name: str
    """Such as "commit projects/master/0": it is safe whatever comes of the jobs."""

    made_ns: int
    triggered: Callable[[Job], bool]


def run_triggered(session: Session, store: Store, cause: Cause) -> None:
    """Run what waits, unless the user wants it left; exit with 3 when a job fails.

    Another process may have taken some of the jobs: what counts is how they ended.
    """
    if session.no_run:
        return
    unable: dict[str, Exception] = {}
    try:
        jobs = run_jobs(session, store, unable=unable.__setitem__)
    except BaseException:  # an interrupt, too
        say(f"pfs: {cause.name} is safe; `pfs run` goes on with the jobs")
        raise
    mine = {job.id for job in jobs}
    _check_able(session, store, cause, unable)
    newer = takewhile(lambda job: job.created_ns >= cause.made_ns, store.list_job())
    others = [job for job in newer if job.id not in mine and cause.triggered(job)]
    exit_if_failed([*jobs, *others], f"{cause.name} itself is safe")


def _check_able(
    session: Session, store: Store, cause: Cause, unable: Mapping[str, Exception]
) -> None:
    """Fail if a job that was triggered cannot be run here; mention it if it is another's.

    Raises:
        Exception: What the runner said of it.
    """
    if not unable:
        return
    waiting = [job for job in store.list_job() if job.pipeline in unable and not job.finished_ns]
    for job in waiting:
        if job.created_ns >= cause.made_ns and cause.triggered(job):
            say(f"pfs: {cause.name} is safe; `pfs run` goes on with the jobs")
            raise unable[job.pipeline]
    if not session.as_json:
        for pipeline, error in unable.items():
            whisper(f"the jobs of pipeline {pipeline} wait: {error}")


def jobs_cause(jobs: Sequence[Job]) -> Cause:
    """Jobs as their own cause."""
    ids = {job.id for job in jobs}
    made_ns = min(job.created_ns for job in jobs)
    return Cause(f"job {', '.join(sorted(ids))}", made_ns, lambda job: job.id in ids)


def commit_cause(commit: Commit) -> Cause:
    """A commit as the cause of jobs."""

    def triggered(job: Job) -> bool:
        return any(item.commit == commit.id for item in job.inputs)

    return Cause(f"commit {full_name_of(commit)}", commit.record.finished_ns, triggered)


def pipelines_cause(pipelines: Sequence[Pipeline]) -> Cause:
    """New pipelines as the cause of jobs."""
    names = {pipeline.name for pipeline in pipelines}
    return Cause(
        f"pipeline {', '.join(pipeline.name for pipeline in pipelines)}",
        min(pipeline.created_ns for pipeline in pipelines),
        lambda job: job.pipeline in names,
    )


def run_jobs(
    session: Session, store: Store, *, unable: Callable[[str, Exception], None] | None = None
) -> list[Job]:
    """Run the jobs that wait, until none is left; tell whoever watches of each."""
    return store.run(
        runner=session.runner,
        progress=lambda job: whisper(_progress(job)),
        notice=lambda sentence: say(f"pfs: {sentence}"),
        unable=unable,
        egress_to=session.egress_to,
    )


def flush_jobs(
    session: Session, store: Store, reference: str, timeout_s: float | None
) -> Sequence[Job]:
    """Wait for all jobs that follow from a commit; run those that wait, unless they are left."""
    return store.flush(
        reference,
        run=not session.no_run,
        timeout_s=timeout_s,
        runner=session.runner,
        progress=lambda job: whisper(_progress(job)),
        notice=lambda sentence: say(f"pfs: {sentence}"),
        egress_to=session.egress_to,
    ).jobs


def exit_if_failed(jobs: Sequence[Job], comfort: str = "") -> None:
    """Complain of each job that failed, then exit with 3; return if none did."""
    failed = [job for job in jobs if job.reason]
    for job in failed:
        error = JobFailedError(f"{job.id} of pipeline {job.pipeline}", job.reason)
        complain(error.message, f"`pfs get-logs {job.id}` shows what it printed")
    if failed:
        if comfort:
            say(f"pfs: {comfort}")
        raise click.exceptions.Exit(JOB_FAILED)


def _progress(job: Job) -> str:
    sentence = f"job {job.id} of pipeline {job.pipeline}: {job_state(job)}"
    if not job.finished_ns:
        return sentence
    took = human_duration((job.finished_ns - job.started_ns) / 1e9).lower()
    return f"{sentence} after {took}; datums: {datum_counts(job)}"


def watch_jobs(session: Session, store: Store) -> None:
    """Run jobs as they come, until interrupted or terminated."""
    stop = threading.Event()
    say("pfs: watching; interrupt to stop")
    store.watch(
        stop,
        runner=session.runner,
        progress=lambda job: whisper(_progress(job)),
        notice=lambda sentence: say(f"pfs: {sentence}"),
        unable=lambda pipeline, error: say(f"pfs: the jobs of pipeline {pipeline} wait: {error}"),
        egress_to=session.egress_to,
    )
