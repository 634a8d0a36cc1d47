"""`pfs init`, `version` and `delete-all`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

import pfslib
from pfslib.cli.failures import ERROR
from pfslib.cli.output import print_document, say, show_list
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.session import HOST_PATH, Command, Session
from pfslib.model.encoding import FORMAT_VERSION


@click.command(cls=Command)
@click.argument("directory", required=False, type=HOST_PATH, metavar="[DIR]")
@click.pass_obj
def init(session: Session, directory: str | None) -> None:
    """Make a new, empty store.

    DIR must not exist, or be empty. Without it, the store is made where --store or PFS_STORE
    says; without those, in .pfs of this directory.
    """
    wanted = directory or session.store or os.environ.get("PFS_STORE") or ".pfs"
    with pfslib.init(wanted) as store:
        if session.as_json:
            print_document({"path": str(store.path), "format": FORMAT_VERSION})
        else:
            click.echo(f"made the store {store.path}")


@click.command(cls=Command)
@click.pass_obj
def version(session: Session) -> None:
    """Print the versions of pfs and of the store format."""
    rows = [
        ("pfs", pfslib.__version__),
        ("pfslib", pfslib.__version__),
        ("store format", str(FORMAT_VERSION)),
    ]
    show_list(
        session,
        rows,
        ("COMPONENT", "VERSION"),
        tuple,
        lambda row: {"component": row[0], "version": row[1]},
    )


@click.command(cls=Command)
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@click.pass_obj
def delete_all(session: Session, *, yes: bool, dry_run: bool) -> None:
    """Delete every repo, pipeline, job and image of the store.

    Asks first, if there is somebody to ask. gc gives the room back.
    """
    with session.open() as store:
        if not (yes or dry_run or _may(store.path)):
            say("nothing was deleted")
            raise click.exceptions.Exit(ERROR)
        show_removal(session, store.delete_all(dry_run=dry_run), dry_run=dry_run)


def _may(path: Path) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask: say --yes to delete everything")
    question = f"Delete every repo, pipeline, job and image of {path}?"
    return click.confirm(question, err=True)
