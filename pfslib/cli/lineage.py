"""`pfs wait-commit`, `flush-commit`, `find-commit`, and the commits that others come from."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from pfslib.cli.commits import show_commits
from pfslib.cli.documents import commit_document, found_document
from pfslib.cli.jobs import show_jobs
from pfslib.cli.names import full_name_of
from pfslib.cli.output import show_list, show_made
from pfslib.cli.places import COMMIT, PATH, REPO, parse_place
from pfslib.cli.running import exit_if_failed, flush_jobs
from pfslib.cli.session import Command, Session, Words, runs_jobs, words
from pfslib.cli.wording import ago, human_size

_timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long at most; for ever, without. The exit code is then 11.",
)


@click.command(cls=Command)
@words("REPO COMMIT")
@_timeout_option
@click.pass_obj
def wait_commit(session: Session, words: Words, timeout: float | None) -> None:
    """Wait until a commit is finished, and print its id.

    What does not exist yet is waited for, too: the first commit of a branch, the output of a job.
    For all that follows from a commit there is `flush-commit`.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        commit = store.wait(place.reference, timeout)
        show_made(session, commit, commit_document, commit.id)


@click.command(cls=Command)
@words("REPO COMMIT")
@_timeout_option
@runs_jobs
@click.pass_obj
def flush_commit(session: Session, words: Words, timeout: float | None) -> None:
    """Wait until all that follows from a commit is over.

    Lists the jobs that it caused, directly or through outputs, oldest first; those that nobody runs
    are run here. The exit code is 3 when one of them failed.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        jobs = flush_jobs(session, store, place.reference, timeout)
        show_jobs(session, jobs)
        exit_if_failed(jobs)


@click.command(cls=Command)
@words("REPO COMMIT PATH")
@click.pass_obj
def find_commit(session: Session, words: Words) -> None:
    """List the commits that changed a file or directory.

    From COMMIT back, newest first; deleting it is a change, too. SIZE is its size afterwards.
    """
    place = parse_place(words, REPO, COMMIT, PATH)
    now = datetime.now(UTC)
    with session.open() as store:
        show_list(
            session,
            store.commit(place.reference).find_commit(place.path),
            ("OP", "REPO/ID", "FINISHED", "SIZE", "MESSAGE"),
            lambda found: (
                found.op,
                full_name_of(found.commit),
                ago(found.commit.finished, now),
                "-" if found.op == "removed" else human_size(found.size),
                found.commit.message,
            ),
            found_document,
        )


@click.command(cls=Command)
@words("REPO COMMIT")
@click.pass_obj
def list_provenance(session: Session, words: Words) -> None:
    """List the commits that a commit was made from.

    Directly or not, nearest first.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        show_commits(session, store, store.commit(place.reference).provenance())


@click.command(cls=Command)
@words("REPO COMMIT")
@click.pass_obj
def list_subvenance(session: Session, words: Words) -> None:
    """List the commits that were made from a commit.

    Directly or not, nearest first.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        show_commits(session, store, store.commit(place.reference).subvenance())
