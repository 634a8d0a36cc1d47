"""`pfs create-repo`, `list-repo`, `inspect-repo` and `delete-repo`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import repo_document
from pfslib.cli.output import show_list, show_made, show_one
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.session import TEXT, Command, Session
from pfslib.cli.wording import ago, human_size

if TYPE_CHECKING:
    from pfslib.api.info import RepoInfo


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.option("-d", "--description", type=TEXT, default="", help="What it is for.")
@click.option("--exist-ok", is_flag=True, help="Take the one that is there, if there is one.")
@click.pass_obj
def create_repo(session: Session, name: str, description: str, *, exist_ok: bool) -> None:
    """Make an empty repo."""
    with session.open() as store:
        repo = store.create_repo(name, description=description, exist_ok=exist_ok)
        show_made(session, repo.inspect(), repo_document)


@click.command(cls=Command)
@click.pass_obj
def list_repo(session: Session) -> None:
    """List all repos.

    SIZE is that of the newest commit of the branch master, or of the only branch.
    """
    now = datetime.now(UTC)
    with session.open() as store:
        show_list(
            session,
            store.list_repo(),
            ("NAME", "CREATED", "SIZE"),
            lambda repo: (repo.name, ago(repo.created, now), human_size(repo.size)),
            repo_document,
        )


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.pass_obj
def inspect_repo(session: Session, name: str) -> None:
    """Show one repo."""
    with session.open() as store:
        show_one(session, store.inspect_repo(name), _fields, repo_document)


def _fields(repo: RepoInfo) -> Iterator[tuple[str, str]]:
    yield "Name", repo.name
    yield "Description", repo.description
    yield "Created", ago(repo.created, datetime.now(UTC))
    yield "Size", human_size(repo.size)
    yield "Branches", ", ".join(repo.branches)
    yield "Output of pipeline", repo.pipeline


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.option("-f", "--force", is_flag=True, help="Also when other commits were made from it.")
@dry_run_option
@click.pass_obj
def delete_repo(session: Session, name: str, *, force: bool, dry_run: bool) -> None:
    """Delete a repo with all its commits.

    gc gives the room back.
    """
    with session.open() as store:
        removal = store.delete_repo(name, force=force, dry_run=dry_run)
        show_removal(session, removal, dry_run=dry_run)
