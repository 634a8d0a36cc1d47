"""`pfs create-pipeline`, `list-pipeline`, `inspect-pipeline` and `delete-pipeline`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from pfslib.api.info import when
from pfslib.cli.documents import pipeline_document
from pfslib.cli.output import print_documents, show_list, show_one
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.running import pipelines_cause, run_triggered
from pfslib.cli.session import TEXT, Command, Session, runs_jobs
from pfslib.cli.states import pipeline_state
from pfslib.cli.stdin import STDIN, standard_input
from pfslib.cli.wording import ago
from pfslib.model.errors import InvalidSpecError
from pfslib.model.work import Input, Pipeline


@click.command(cls=Command)
@click.option(
    "-f",
    "--file",
    default=STDIN,
    metavar="FILE",
    help="The spec; - for standard input, as without.",
)
@runs_jobs
@click.pass_obj
def create_pipeline(session: Session, file: str) -> None:
    """Create the pipelines of a JSON spec.

    All of them or, when one cannot be, none. What is committed already to their input repos is
    processed at once.
    """
    spec = _read_spec(file)
    with session.open() as store:
        pipelines = store.create_pipeline(spec)
        if session.as_json:
            print_documents(map(pipeline_document, pipelines))
        run_triggered(session, store, pipelines_cause(pipelines))


def _read_spec(file: str) -> str:
    data = standard_input().read() if file == STDIN else Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpecError(f"byte {error.start} is not UTF-8, so this is no JSON") from error


@click.command(cls=Command)
@click.pass_obj
def list_pipeline(session: Session) -> None:
    """List all pipelines."""
    with session.open() as store:
        show_list(
            session,
            store.list_pipeline(),
            ("NAME", "INPUT", "OUTPUT", "STATE"),
            lambda pipeline: (
                pipeline.name,
                ", ".join(item.repo for item in pipeline.inputs),
                pipeline.name,
                pipeline_state(pipeline),
            ),
            pipeline_document,
        )


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.pass_obj
def inspect_pipeline(session: Session, name: str) -> None:
    """Show one pipeline."""
    with session.open() as store:
        show_one(session, store.inspect_pipeline(name), _fields, pipeline_document)


def _fields(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    transform = pipeline.transform
    yield "Name", pipeline.name
    yield "Description", pipeline.description
    yield "Created", ago(when(pipeline.created_ns), datetime.now(UTC))
    yield "State", pipeline_state(pipeline)
    for item in pipeline.inputs:
        yield "Input", _input(item)
    branch = pipeline.output_branch or "the branch of the input"
    yield "Output", f"repo {pipeline.name}, {branch}"
    yield "Image", transform.image
    yield "Command", shlex.join(transform.cmd)
    for line in transform.stdin:
        yield "Standard input", line
    yield "Parallelism", str(pipeline.parallelism)


def _input(item: Input) -> str:
    branch = f"branch {item.branch}" if item.branch else "every branch"
    return f"repo {item.repo}, {branch}, {item.glob} at /pfs/{item.name}"


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.option("--keep-repo", is_flag=True, help="Leave the output repo, as an ordinary one.")
@dry_run_option
@click.pass_obj
def delete_pipeline(session: Session, name: str, *, keep_repo: bool, dry_run: bool) -> None:
    """Delete a pipeline with its jobs and its output."""
    with session.open() as store:
        removal = store.delete_pipeline(name, keep_repo=keep_repo, dry_run=dry_run)
        show_removal(session, removal, dry_run=dry_run)
