"""The commands that change how work goes on: of pipelines and of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import job_document, pipeline_document
from pfslib.cli.output import print_documents, print_lines, say, whisper
from pfslib.cli.pipelines import file_option, read_spec, tell_notes
from pfslib.cli.removals import dry_run_option
from pfslib.cli.running import jobs_cause, pipelines_cause, run_triggered
from pfslib.cli.session import TEXT, Command, Session, runs_jobs

if TYPE_CHECKING:
    from pfslib.model.work import Pipeline


@click.command(cls=Command)
@file_option
@click.option("--reprocess", is_flag=True, help="Run every datum again.")
@click.option(
    "--no-reprocess", is_flag=True, help="Keep old results, though the transform has changed."
)
@runs_jobs
@click.pass_obj
def update_pipeline(session: Session, file: str, *, reprocess: bool, no_reprocess: bool) -> None:
    """Give pipelines a new spec.

    Jobs under way are ended. The heads of the inputs are processed again: datums run whose
    transform or inputs have changed.
    """
    if reprocess and no_reprocess:
        raise click.UsageError("--reprocess and --no-reprocess: which of them?")
    chosen = True if reprocess else False if no_reprocess else None
    spec = read_spec(file)
    with session.open() as store:
        pipelines = store.update_pipeline(spec, reprocess=chosen)
        tell_notes(pipelines)
        if session.as_json:
            print_documents(map(pipeline_document, pipelines))
        run_triggered(session, store, pipelines_cause(pipelines))


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.option("--reprocess", is_flag=True, help="Run every datum again, also those with a result.")
@runs_jobs
@click.pass_obj
def rerun_pipeline(session: Session, name: str, *, reprocess: bool) -> None:
    """Process the heads of a pipeline's inputs again."""
    with session.open() as store:
        pipeline = store.rerun_pipeline(name, reprocess=reprocess)
        _show(session, pipeline)
        run_triggered(session, store, pipelines_cause([pipeline]))


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.pass_obj
def stop_pipeline(session: Session, name: str) -> None:
    """Begin no more jobs of a pipeline; they are queued."""
    with session.open() as store:
        _show(session, store.stop_pipeline(name))


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@runs_jobs
@click.pass_obj
def start_pipeline(session: Session, name: str) -> None:
    """Let the jobs of a stopped pipeline run."""
    with session.open() as store:
        pipeline = store.start_pipeline(name)
        _show(session, pipeline)
        run_triggered(session, store, pipelines_cause([pipeline]))


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@runs_jobs
@click.pass_obj
def tick_pipeline(session: Session, name: str) -> None:
    """Make the clocks of a pipeline tick now."""
    with session.open() as store:
        if not store.run_cron(name):
            whisper(f"pipeline {name} has no cron input")
        pipeline = store.inspect_pipeline(name)
        _show(session, pipeline)
        run_triggered(session, store, pipelines_cause([pipeline]))


def _show(session: Session, pipeline: Pipeline) -> None:
    if session.as_json:
        print_documents([pipeline_document(pipeline)])


@click.command(cls=Command)
@click.argument("job", type=TEXT)
@click.pass_obj
def cancel_job(session: Session, job: str) -> None:
    """End a job before its time."""
    with session.open() as store:
        ended = store.cancel_job(job)
        if session.as_json:
            print_documents([job_document(ended)])
        elif ended.cancel:
            say(f"pfs: job {ended.id} ends as soon as the process that runs it notices")


@click.command(cls=Command)
@click.argument("job", type=TEXT)
@dry_run_option
@click.pass_obj
def delete_job(session: Session, job: str, *, dry_run: bool) -> None:
    """Forget a job that is over; its output stays."""
    with session.open() as store:
        deleted = store.delete_job(job, dry_run=dry_run)
        if session.as_json:
            print_documents([job_document(deleted)])
        elif dry_run:
            print_lines([f"would delete job {deleted.id}"])


@click.command(cls=Command)
@click.argument("job", type=TEXT)
@click.argument("datums", nargs=-1, type=TEXT)
@click.option("--reprocess", is_flag=True, help="Run all datums again, also those with a result.")
@runs_jobs
@click.pass_obj
def rerun_job(session: Session, job: str, datums: Sequence[str], *, reprocess: bool) -> None:
    """Run a job again.

    Datums without a result run. DATUMS run though they have one: keys as `list-datum` prints them,
    beginnings of keys, or paths that they see.
    """
    with session.open() as store:
        again = store.rerun_job(job, reprocess=reprocess, datums=datums)
        if session.as_json:
            print_documents([job_document(again)])
        run_triggered(session, store, jobs_cause([again]))
