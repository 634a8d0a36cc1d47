"""`pfs create-pipeline`, `list-pipeline`, `inspect-pipeline` and `delete-pipeline`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import pipeline_document
from pfslib.cli.output import print_documents, say, show_list, show_one, whisper
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.running import pipelines_cause, run_triggered
from pfslib.cli.session import HOST_PATH, TEXT, Command, FunctionT, Session, runs_jobs
from pfslib.cli.states import pipeline_state
from pfslib.cli.stdin import STDIN, standard_input
from pfslib.cli.wording import ago
from pfslib.model.errors import InvalidSpecError
from pfslib.model.spec_form import pipeline_schema
from pfslib.model.times import when
from pfslib.pipelines.datums import datum_name

if TYPE_CHECKING:
    from pfslib.model.work import Input, Pipeline


def file_option(function: FunctionT) -> FunctionT:
    """Give a command the option --file."""
    return click.option(
        "-f",
        "--file",
        type=HOST_PATH,
        default=STDIN,
        metavar="FILE",
        help="The spec; - for standard input, as without.",
    )(function)


@click.command(cls=Command)
@file_option
@click.option("--dry-run", is_flag=True, help="Only check the spec, and list its datums.")
@runs_jobs
@click.pass_obj
def create_pipeline(session: Session, file: str, *, dry_run: bool) -> None:
    """Create the pipelines of a JSON spec.

    All of them or, when one cannot be, none. What is committed already to their input repos is
    processed at once.
    """
    spec = read_spec(file)
    with session.open() as store:
        pipelines = store.create_pipeline(spec, dry_run=dry_run)
        tell_notes(pipelines)
        if dry_run:
            for name, seen in store.list_datum_of(spec):
                whisper(f"pipeline {name}: datum {datum_name(seen)}")
            say("pfs: nothing was created")
            return
        if session.as_json:
            print_documents(map(pipeline_document, pipelines))
        run_triggered(session, store, pipelines_cause(pipelines))


def tell_notes(pipelines: Sequence[Pipeline]) -> None:
    """Say what of their specs means nothing here."""
    for pipeline in pipelines:
        for note in pipeline.notes:
            say(f"pfs: pipeline {pipeline.name}: {note}")


def read_spec(file: str) -> str:
    """The text of a spec file, or of standard input.

    Raises:
        InvalidSpecError: It is not UTF-8.
    """
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
    yield "Version", str(pipeline.version)
    for note in pipeline.notes:
        yield "Note", note


@click.command(cls=Command)
def schema_pipeline() -> None:
    """Print the form of a pipeline spec as JSON Schema."""
    click.echo(json.dumps(pipeline_schema(), indent=2))


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
