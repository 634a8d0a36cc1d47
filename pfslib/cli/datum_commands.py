"""`pfs list-datum`, `explain-job` and `explain-file`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import datum_document, made_document
from pfslib.cli.output import say, show_list
from pfslib.cli.pipelines import read_spec
from pfslib.cli.places import COMMIT, PATH, REPO, parse_place
from pfslib.cli.session import HOST_PATH, TEXT, Command, Session, Words, words
from pfslib.cli.wording import human_duration, human_size
from pfslib.model.work import DatumRecord, Seen
from pfslib.pipelines.datums import datum_name

if TYPE_CHECKING:
    from pfslib.pipelines.datum_listing import Made

_KEY_DIGITS = 12


@click.command(cls=Command)
@click.argument("job", type=TEXT, required=False)
@click.option(
    "-f",
    "--file",
    type=HOST_PATH,
    metavar="FILE",
    help="The datums that a spec would have; - for stdin.",
)
@click.option("--state", type=click.Choice(["processed", "skipped", "failed", "recovered"]))
@click.pass_obj
def list_datum(session: Session, job: str | None, file: str | None, state: str | None) -> None:
    """List the datums of a job, or those that a spec would have.

    With --file nothing is created: the heads of the inputs are looked at.
    """
    if (job is None) == (file is None):
        raise click.UsageError("give either a job or --file")
    with session.open() as store:
        if file is not None:
            rows = store.list_datum_of(read_spec(file))
            show_list(session, rows, ("PIPELINE", "FILES"), _planned, _planned_document)
            return
        assert job is not None
        records = [r for r in store.list_datum(job) if state in {None, r.state}]
        show_list(session, records, ("ID", "FILES", "STATUS", "TIME"), _row, datum_document)


def _planned(row: tuple[str, tuple[Seen, ...]]) -> Sequence[str]:
    return row[0], datum_name(row[1])


def _planned_document(row: tuple[str, tuple[Seen, ...]]) -> dict[str, object]:
    return {"pipeline": row[0], **datum_document(DatumRecord(b"", "unknown", row[1]))}


def _row(record: DatumRecord) -> Sequence[str]:
    time = human_duration(record.seconds) if record.attempts else "-"
    return record.key.hex()[:_KEY_DIGITS], datum_name(record.inputs), str(record.state), time


@click.command(cls=Command)
@click.argument("job", type=TEXT)
@click.pass_obj
def explain_job(session: Session, job: str) -> None:
    """Say for each datum of a job why it ran, or was skipped."""
    with session.open() as store:
        found = store.inspect_job(job)
        if found.reason:
            say(f"job {found.id} of pipeline {found.pipeline}: {found.state}, for {found.reason}")
        show_list(
            session,
            store.list_datum(found.id),
            ("FILES", "STATUS", "WHY"),
            lambda record: (datum_name(record.inputs), str(record.state), record.why),
            datum_document,
        )


@click.command(cls=Command)
@words("REPO COMMIT PATH")
@click.pass_obj
def explain_file(session: Session, words: Words) -> None:
    """Say which datums made a file of an output, in which jobs, and from what.

    WHY is why a datum ran in its job: what it sees was new or had changed, or the transform or its
    image had, or somebody had asked for it.
    """
    place = parse_place(words, REPO, COMMIT, PATH)
    with session.open() as store:
        made = store.explain_file(place.repo, place.commit, place.path)
        if not made and not session.as_json:
            info = store.commit(place.reference).inspect_file(place.path)
            say(f"pfs: no datum wrote {place.path}: commit {info.commit} last changed it")
        show_list(
            session, made, ("FILES", "SIZE", "JOB", "MADE FROM", "WHY"), _made_row, made_document
        )


def _made_row(made: Made) -> Sequence[str]:
    job = made.job.id if made.job is not None else "-"
    return (
        datum_name(made.datum.inputs),
        human_size(made.size),
        job,
        " ".join(_sources(made)),
        made.datum.why,
    )


def _sources(made: Made) -> Iterator[str]:
    for item in made.inputs:
        yield f"{item.repo}@{item.commit}"
