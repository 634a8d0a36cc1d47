"""`pfs create-branch`, `move-branch`, `create-tag` and the like: names of commits; the reflog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import branch_document, move_document, tag_document
from pfslib.cli.names import CommitNames
from pfslib.cli.output import show_list, show_made, show_one
from pfslib.cli.places import BRANCH, REPO, Place, check_commit, parse_place
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.session import TEXT, Command, Session, Words, words
from pfslib.cli.wording import NONE, ago
from pfslib.model.errors import BranchNotFoundError

if TYPE_CHECKING:
    from pfslib.api.info import BranchInfo
    from pfslib.api.store import Store

_TAG = "TAG"
_DEFAULT = "master"

# --- branches --------------------------------------------------------------------------------


@click.command(cls=Command)
@words("REPO BRANCH")
@click.option(
    "--head", type=TEXT, default=_DEFAULT, metavar="COMMIT", help="Its head; master, without."
)
@click.pass_obj
def create_branch(session: Session, words: Words, head: str) -> None:
    """Make a branch that begins at any commit.

    COMMIT is a branch, an id, or any reference in the repo, such as master^2. A branch that exists
    stays where it is. Pipelines that read the branch take its head as a new commit; `pfs run` runs
    their jobs.
    """
    place = parse_place(words, REPO, BRANCH)
    with session.open() as store:
        repo = store.repo(place.repo)
        branch = repo.create_branch(place.commit, check_commit(place.repo, head))
        show_made(session, branch, branch_document)


@click.command(cls=Command)
@click.argument("repo", type=TEXT)
@click.pass_obj
def list_branch(session: Session, repo: str) -> None:
    """List the branches of a repo."""
    now = datetime.now(UTC)
    with session.open() as store:
        names = CommitNames(store)
        show_list(
            session,
            store.repo(repo).list_branch(),
            ("BRANCH", "HEAD", "CREATED"),
            lambda branch: (branch.name, names.of(repo, branch.head), ago(branch.created, now)),
            branch_document,
        )


@click.command(cls=Command)
@words("REPO BRANCH")
@click.pass_obj
def inspect_branch(session: Session, words: Words) -> None:
    """Show one branch."""
    place = parse_place(words, REPO, BRANCH)
    with session.open() as store:
        branch = _find(store, place)
        head = CommitNames(store).of(place.repo, branch.head)
        show_one(session, branch, lambda branch: _fields(branch, head), branch_document)


def _find(store: Store, place: Place) -> BranchInfo:
    branches = {branch.name: branch for branch in store.repo(place.repo).list_branch()}
    if place.commit not in branches:
        raise BranchNotFoundError(place.repo, place.commit, branches)
    return branches[place.commit]


def _fields(branch: BranchInfo, head: str) -> Iterator[tuple[str, str]]:
    yield "Branch", branch.name
    yield "Head", head
    yield "Head id", branch.head
    yield "Created", ago(branch.created, datetime.now(UTC))


@click.command(cls=Command)
@words("REPO BRANCH")
@click.option("--head", type=TEXT, required=True, metavar="COMMIT", help="Its new head.")
@click.pass_obj
def move_branch(session: Session, words: Words, head: str) -> None:
    """Make another commit the head of a branch.

    The old head stays, and can be given by its id; list-reflog tells which it was. Pipelines that
    read the branch take the new head as a new commit; `pfs run` runs their jobs.
    """
    place = parse_place(words, REPO, BRANCH)
    with session.open() as store:
        branch = store.repo(place.repo).move_branch(place.commit, check_commit(place.repo, head))
        show_made(session, branch, branch_document)


@click.command(cls=Command)
@words("REPO BRANCH")
@dry_run_option
@click.pass_obj
def delete_branch(session: Session, words: Words, *, dry_run: bool) -> None:
    """Delete a branch; its commits stay.

    They can be given by their ids.
    """
    place = parse_place(words, REPO, BRANCH)
    with session.open() as store:
        removal = store.repo(place.repo).delete_branch(place.commit, dry_run=dry_run)
        show_removal(session, removal, dry_run=dry_run)


# --- tags ------------------------------------------------------------------------------------


@click.command(cls=Command)
@words("REPO TAG")
@click.option(
    "--at", type=TEXT, default=_DEFAULT, metavar="COMMIT", help="The commit; master, without."
)
@click.pass_obj
def create_tag(session: Session, words: Words, at: str) -> None:
    """Give a commit a name that never moves.

    The name is taken wherever a commit is wanted. A commit that a tag holds cannot be removed.
    """
    place = parse_place(words, REPO, _TAG)
    with session.open() as store:
        tag = store.repo(place.repo).create_tag(place.commit, check_commit(place.repo, at))
        show_made(session, tag, tag_document)


@click.command(cls=Command)
@click.argument("repo", type=TEXT)
@click.pass_obj
def list_tag(session: Session, repo: str) -> None:
    """List the tags of a repo."""
    now = datetime.now(UTC)
    with session.open() as store:
        names = CommitNames(store)
        show_list(
            session,
            store.repo(repo).list_tag(),
            ("TAG", "COMMIT", "CREATED"),
            lambda tag: (tag.name, names.of(repo, tag.commit), ago(tag.created, now)),
            tag_document,
        )


@click.command(cls=Command)
@words("REPO TAG")
@dry_run_option
@click.pass_obj
def delete_tag(session: Session, words: Words, *, dry_run: bool) -> None:
    """Delete a tag; its commit stays."""
    place = parse_place(words, REPO, _TAG)
    with session.open() as store:
        removal = store.repo(place.repo).delete_tag(place.commit, dry_run=dry_run)
        show_removal(session, removal, dry_run=dry_run)


# --- the log ---------------------------------------------------------------------------------


@click.command(cls=Command)
@click.option(
    "--from",
    "start",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="The first line wanted, by its number.",
)
@click.pass_obj
def list_reflog(session: Session, start: int) -> None:
    """List how all branches were made, moved and deleted.

    Of all repos, oldest first. To go on later, start from the number after the last one.
    """
    now = datetime.now(UTC)
    with session.open() as store:
        show_list(
            session,
            store.reflog(start),
            ("NUMBER", "REPO", "BRANCH", "OLD", "NEW", "WHEN"),
            lambda move: (
                str(move.number),
                move.repo,
                move.branch,
                move.old or NONE,
                move.new or NONE,
                ago(move.when, now),
            ),
            move_document,
        )
