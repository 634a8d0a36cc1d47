"""Runs the jobs that a command has triggered, in the foreground, and says how they went."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pfslib.api.store import Store
from pfslib.cli.failures import JOB_FAILED, complain
from pfslib.cli.output import say, whisper
from pfslib.cli.session import Session
from pfslib.cli.states import datum_counts, job_state
from pfslib.cli.wording import human_duration
from pfslib.model.errors import JobFailedError
from pfslib.model.work import Job


def run_triggered(session: Session, store: Store, done: str) -> None:
    """Run what waits, unless the user wants it left; exit with 3 when a job fails.

    Args:
        session: Says which runner, and whether to run at all.
        store: The store.
        done: What is safe whatever comes of the jobs, such as "commit projects/master/0".
    """
    if session.no_run:
        return
    try:
        jobs = run_jobs(session, store)
    except BaseException:  # an interrupt, too
        say(f"pfs: {done} is safe; `pfs run` goes on with the jobs")
        raise
    exit_if_failed(jobs, f"{done} itself is safe")


def run_jobs(session: Session, store: Store) -> list[Job]:
    """Run the jobs that wait, until none is left; tell whoever watches of each."""
    return store.run(
        runner=session.runner,
        progress=lambda job: whisper(_progress(job)),
        notice=lambda sentence: say(f"pfs: {sentence}"),
    )


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
