"""`pfs create-image`, `list-image` and `delete-image`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from pfslib.cli.documents import image_document
from pfslib.cli.output import show_list, show_made
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.session import HOST_PATH, TEXT, Command, Session
from pfslib.cli.wording import ago, human_size
from pfslib.model.times import when


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@click.argument("directory", metavar="DIR", type=HOST_PATH)
@click.pass_obj
def create_image(session: Session, name: str, directory: str) -> None:
    """Make a local image of a directory.

    Where a pipeline names the image, the sandbox lays the directory over this machine's own files.
    It is read now; a new create-image replaces it.
    """
    with session.open() as store:
        show_made(session, store.create_image(name, directory), image_document)


@click.command(cls=Command)
@click.pass_obj
def list_image(session: Session) -> None:
    """List the local images."""
    now = datetime.now(UTC)
    with session.open() as store:
        show_list(
            session,
            store.list_image(),
            ("NAME", "CREATED", "FILES", "SIZE"),
            lambda image: (
                image.name,
                ago(when(image.created_ns), now),
                str(image.root.files),
                human_size(image.root.size),
            ),
            image_document,
        )


@click.command(cls=Command)
@click.argument("name", type=TEXT)
@dry_run_option
@click.pass_obj
def delete_image(session: Session, name: str, *, dry_run: bool) -> None:
    """Delete a local image."""
    with session.open() as store:
        show_removal(session, store.delete_image(name, dry_run=dry_run), dry_run=dry_run)
