"""`pfs commit`, and the parts of `mount` and `unmount` that are about working copies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import pfslib
from pfslib.cli.documents import commit_document
from pfslib.cli.output import print_document, say, whisper
from pfslib.cli.places import BRANCH, PATH, REPO, parse_place
from pfslib.cli.running import commit_cause, run_triggered
from pfslib.cli.session import HOST_PATH, TEXT, Command, Session, Words, runs_jobs

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.store import Store
    from pfslib.api.working_copy import WorkingCopy


@click.command(cls=Command)
@click.argument("directory", metavar="DIR", type=HOST_PATH)
@click.option("-m", "--message", type=TEXT, default="", help="Why the commit is made.")
@click.option("--branch", type=TEXT, help="Make this branch for it, and go on with that.")
@runs_jobs
@click.pass_obj
def commit(session: Session, directory: str, *, message: str, branch: str | None) -> None:
    """Commit what was changed in a working copy.

    DIR is what `pfs mount -w` has made. All changes are one commit. If others have committed to
    its branch since, nothing is: --branch then keeps the changes on a branch of their own.
    """
    with _open(session, Path(directory)) as store:
        made = _copy(store, Path(directory)).commit(message, branch=branch)
        if made is None:
            say("pfs: nothing has changed, so no commit was made")
        _conclude(session, store, made)


def make(session: Session, words: Words, directory: Path, *, new: bool) -> None:
    """Make a working copy, for `pfs mount -w`."""
    place = parse_place(words, REPO, BRANCH, PATH, optional=1)
    if place.joined and len(words) > 1:
        raise click.UsageError(f"{words[1]!r} is one word too many: -w is for one branch")
    with session.open() as store:
        repo = store.repo(place.repo)
        repo.working_copy(directory, place.commit, below=place.path or "/", new=new)
        whisper(f"{place.reference} is in {directory}; `pfs unmount {directory}` commits changes")


def end(session: Session, directory: Path, *, discard: bool) -> None:
    """Commit a working copy and remove its files, for `pfs unmount`."""
    with _open(session, directory) as store:
        copy = _copy(store, directory)
        if discard:
            copy.discard()
        else:
            _conclude(session, store, copy.unmount())


def _conclude(session: Session, store: Store, made: Commit | None) -> None:
    """Say what was committed, and run the jobs that follow."""
    if session.as_json:
        print_document(commit_document(made) if made is not None else None)
    if made is not None:
        whisper(f"{made} was made")
        run_triggered(session, store, commit_cause(made))


def _open(session: Session, directory: Path) -> Store:
    """The store that is meant; without a word on it, that of one's own working copy."""
    from pfslib.api.copy_origin import store_of_own

    return session.open() if session.store else pfslib.open(store_of_own(directory))


def _copy(store: Store, directory: Path) -> WorkingCopy:
    from pfslib.api.working_copy import WorkingCopy  # with the trees, which no help needs

    return WorkingCopy(store, directory)
