"""`pfs run`, `list-job`, `inspect-job` and `get-logs`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import click

from pfslib.cli.documents import job_document, log_document
from pfslib.cli.output import print_documents, say, show_list, show_one, whisper
from pfslib.cli.running import exit_if_failed, run_jobs, watch_jobs
from pfslib.cli.session import TEXT, Command, Session, runner_option
from pfslib.cli.states import datum_counts, job_state
from pfslib.cli.wording import ago, human_duration
from pfslib.model.times import when
from pfslib.model.work import Job, JobState

_HEADER = ("ID", "OUTPUT", "STARTED", "DURATION", "STATE")


@click.command(cls=Command)
@runner_option
@click.option("--watch", is_flag=True, help="Go on: run jobs as they come, until interrupted.")
@click.pass_obj
def run(session: Session, *, watch: bool) -> None:
    """Run the jobs that wait, until none is left.

    Lists those that it ran, oldest first. The exit code is 3 when one of them failed. A job that
    was interrupted goes on where it was: datums that are done are not done again.
    """
    with session.open() as store:
        if watch:
            watch_jobs(session, store)
            return
        jobs = run_jobs(session, store)
        if jobs or session.as_json:
            show_jobs(session, jobs)
        else:
            whisper("no job was waiting")
        exit_if_failed(jobs)


@click.command(cls=Command)
@click.option("-p", "--pipeline", type=TEXT, default="", help="Only those of this pipeline.")
@click.pass_obj
def list_job(session: Session, pipeline: str) -> None:
    """List jobs, newest first.

    OUTPUT is the commit where the output of the job is, or will be.
    """
    with session.open() as store:
        show_jobs(session, store.list_job(pipeline))


def show_jobs(session: Session, jobs: Iterable[Job]) -> None:
    """List jobs as `list-job` does."""
    show_list(session, jobs, _HEADER, _row_at(datetime.now(UTC)), job_document)


def _row_at(now: datetime) -> Callable[[Job], Sequence[str]]:
    def row(job: Job) -> Sequence[str]:
        started = ago(when(job.started_ns), now) if job.started_ns else "-"
        return job.id, _output(job), started, _duration(job), job_state(job)

    return row


def _output(job: Job) -> str:
    return f"{job.pipeline}/{job.output_commit}/0"


def _duration(job: Job) -> str:
    return human_duration((job.finished_ns - job.started_ns) / 1e9) if job.finished_ns else "-"


@click.command(cls=Command)
@click.argument("job", type=TEXT)
@click.pass_obj
def inspect_job(session: Session, job: str) -> None:
    """Show one job.

    JOB is its id, or the beginning of it.
    """
    with session.open() as store:
        show_one(session, store.inspect_job(job), _fields, job_document)


def _fields(job: Job) -> Iterator[tuple[str, str]]:
    yield "Job", job.id
    yield "Pipeline", job.pipeline
    yield "State", job_state(job)
    yield "Reason", job.reason
    for item in job.inputs:
        yield "Input", f"{item.repo}@{item.commit} (branch {item.branch}) at /pfs/{item.name}"
    failed = job.state == JobState.FAILURE
    yield (
        "Output",
        f"{_output(job)} ({'on no branch' if failed else f'branch {job.output_branch}'})",
    )
    yield "Started", ago(when(job.started_ns), datetime.now(UTC)) if job.started_ns else ""
    yield "Duration", _duration(job)
    yield "Datums", datum_counts(job)


@click.command(cls=Command)
@click.argument("job", type=TEXT)
@click.option("--datum", "datums", multiple=True, type=TEXT, help="Only this one: key or path.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is over.")
@click.pass_obj
def get_logs(session: Session, job: str, datums: Sequence[str], *, follow: bool) -> None:
    """Print what the commands of a job printed.

    JOB is its id, or the beginning of it. The bytes go to standard output as they are; which datum
    and attempt they are of is said on standard error, before them.
    """
    with session.open() as store:
        logs = store.get_logs(job, datums=datums, follow=follow)
        if session.as_json:
            print_documents(map(log_document, logs))
            return
        stdout = sys.stdout.buffer
        last = None
        for datum, attempt, data in logs:
            if last != (datum, attempt):
                say(f"--- datum {datum}, attempt {attempt}")
            last = (datum, attempt)
            stdout.write(data)
            stdout.flush()
