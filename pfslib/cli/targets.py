"""The commit that an edit goes into: one that is open, or one made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import commit_document
from pfslib.cli.output import print_document, say
from pfslib.cli.resolving import open_info
from pfslib.cli.running import commit_cause, run_triggered
from pfslib.model.errors import (
    BranchBusyError,
    CommitFinishedError,
    CommitNotFoundError,
    InvalidNameError,
    NotFoundError,
    OutputRepoError,
    RepoNotFoundError,
    StateError,
)
from pfslib.model.names import check_name
from pfslib.model.paths import split_path

if TYPE_CHECKING:
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.store import Store
    from pfslib.cli.places import Place
    from pfslib.cli.session import Session

_HINT = "-c makes a commit on the branch; `pfs start-commit {} {}` starts one that stays open"


def edit_commit(session: Session, place: Place, edit: Callable[[Store, OpenCommit], None]) -> None:
    """Edit the open commit that is meant, or make one, with what follows from it."""

    def check() -> None:
        _check_makable(session, place)

    with session.open_or_make(check) as store:
        if session.create:
            _make_repo(store, place, check)
        target = None if session.commit else find_target(store, place)
        if target is None:
            repo = store.repo(place.repo)
            with repo.commit(
                place.commit, message=session.message, wait_s=session.wait_s
            ) as target:
                edit(store, target)
            _conclude(session, store, target)
        elif session.message:
            raise click.UsageError("-m goes with a new commit, and this one was started before")
        else:
            edit(store, target)
            if session.as_json:
                print_document(commit_document(open_info(store, target.repo, target.id)))


def _check_makable(session: Session, place: Place) -> None:
    """See that nothing is made for a place that cannot be, or without a commit on its branch."""
    check_name("repo", place.repo)
    check_name("branch", place.commit)  # where nothing is, nothing else can be meant
    split_path(place.path)
    if not (place.joined or session.commit):
        raise click.UsageError("nothing is there yet, so --create needs -c, or REPO@BRANCH:/PATH")


def _make_repo(store: Store, place: Place, check: Callable[[], None]) -> None:
    try:
        store.repo(place.repo)
    except RepoNotFoundError:
        check()
        store.create_repo(place.repo, exist_ok=True)
        say(f"pfs: made the repo {place.repo}")


def find_target(store: Store, place: Place) -> OpenCommit | None:
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


def check_new(store: Store, place: Place) -> None:
    """See that a commit could be made where one is meant, without making it.

    Raises:
        OutputRepoError: The repo is a pipeline's output.
        BranchBusyError: The branch has an open commit.
    """
    repo = store.repo(place.repo)
    if repo.inspect().pipeline:
        raise OutputRepoError(place.repo)
    for info in repo.list_open():
        if info.branch == place.commit:
            raise BranchBusyError(place.repo, place.commit, info.id)


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
