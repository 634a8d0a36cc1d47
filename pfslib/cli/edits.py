"""`pfs put-file` and `delete-file`: edits, in a commit that is open or in one made for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from pfslib.api.open_commit import OpenCommit
from pfslib.api.store import Store
from pfslib.cli.documents import commit_document
from pfslib.cli.output import print_document, say
from pfslib.cli.places import COMMIT, PATH, REPO, Place, parse_place
from pfslib.cli.running import commit_cause, run_triggered
from pfslib.cli.session import TEXT, Command, Session, Words, runs_jobs, words
from pfslib.cli.sources import check_source, find_sources
from pfslib.model.errors import (
    CommitFinishedError,
    CommitNotFoundError,
    InvalidNameError,
    NotFoundError,
    StateError,
)
from pfslib.model.names import check_name

_COMMIT_HELP = "Make a commit of it on the branch, which is made when there is none."
_HINT = "-c makes a commit on the branch; `pfs start-commit {} {}` starts one that stays open"


@click.command(cls=Command)
@words("REPO COMMIT|BRANCH [PATH]")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="What to put; - for standard input, as without. May be repeated.",
)
@click.option("-c", "--commit", is_flag=True, help=_COMMIT_HELP)
@click.option("-r", "--recursive", is_flag=True, help="Put a directory with all below it.")
@click.option("-a", "--append", is_flag=True, help="Add to the file instead of replacing it.")
@click.option("-m", "--message", type=TEXT, default="", help="Why the commit is made.")
@runs_jobs
@click.pass_obj
def put_file(
    session: Session,
    words: Words,
    files: Sequence[str],
    *,
    commit: bool,
    recursive: bool,
    append: bool,
    message: str,
) -> None:
    """Write files into a commit.

    Into an open commit, given by its id or its branch; or, with -c, into a commit made for it,
    whose jobs are run then. `pfs put-file repo@branch:/path` makes a commit if none is open.

    Without PATH, a file is put under the name given to -f. With PATH, one file is put there, and
    several below it. With -r, what is in a directory is put below PATH.
    """
    place = parse_place(words, REPO, COMMIT, PATH, optional=1)
    sources = find_sources(files, place.path)
    # All of them first: an open commit shall not be left with half of what was asked for.
    for source in sources:
        check_source(source, recursive=recursive, append=append)

    def put_all(target: OpenCommit) -> None:
        for source in sources:
            target.put_file(source.path, source.data(), append=append)

    _edit(session, place, put_all, commit=commit, message=message)


@click.command(cls=Command)
@words("REPO COMMIT|BRANCH PATH")
@click.option("-c", "--commit", is_flag=True, help=_COMMIT_HELP)
@click.option("-m", "--message", type=TEXT, default="", help="Why the commit is made.")
@runs_jobs
@click.pass_obj
def delete_file(session: Session, words: Words, *, commit: bool, message: str) -> None:
    """Remove a file or directory in a commit.

    In an open commit or, with -c, in one made for it; as in put-file. What is not there stays so.
    """
    place = parse_place(words, REPO, COMMIT, PATH)

    def delete(target: OpenCommit) -> None:
        target.delete_file(place.path)

    _edit(session, place, delete, commit=commit, message=message)


def _edit(
    session: Session,
    place: Place,
    edit: Callable[[OpenCommit], None],
    *,
    commit: bool,
    message: str,
) -> None:
    """Edit the open commit that is meant, or make one, with what follows from it."""
    with session.open() as store:
        open_commit = None if commit else _find_open(store, place)
        if open_commit is None:
            with store.repo(place.repo).commit(place.commit, message=message) as new:
                edit(new)
            _conclude(session, store, new)
        elif message:
            raise click.UsageError("-m goes with a new commit, and this one was started before")
        else:
            edit(open_commit)


def _find_open(store: Store, place: Place) -> OpenCommit | None:
    """The open commit that is meant; None if the way it is written asks for a new one.

    Raises:
        StateError: What is meant is finished.
        NotFoundError: Nothing is meant.
    """
    try:
        return store.open_commit(place.repo, place.commit)
    except CommitFinishedError as error:
        if not any(row.name == place.commit for row in store.repo(place.repo).list_branch()):
            raise
        if place.joined:
            return None
        hint = _HINT.format(place.repo, place.commit)
        raise StateError(error.message, hint=hint) from error
    except CommitNotFoundError as error:
        if not _may_be_branch(place.commit):
            raise
        if place.joined:
            return None
        hint = _HINT.format(place.repo, place.commit)
        raise NotFoundError(error.message, hint=hint) from error


def _may_be_branch(name: str) -> bool:
    try:
        check_name("branch", name)
    except InvalidNameError:
        return False
    return True


def _conclude(session: Session, store: Store, ended: OpenCommit) -> None:
    commit = ended.commit
    if session.as_json:
        print_document(commit_document(commit) if commit is not None else None)
    if commit is None:
        say(f"pfs: nothing has changed, so no commit was made on {ended.repo}@{ended.branch}")
        return
    run_triggered(session, store, commit_cause(commit))
