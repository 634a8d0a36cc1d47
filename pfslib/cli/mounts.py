"""`pfs mount`, `unmount` and `list-mount`."""

from __future__ import annotations

from pathlib import Path

import click

from pfslib.cli.documents import mount_document
from pfslib.cli.output import show_list, show_made, whisper
from pfslib.cli.places import COMMIT, REPO, parse_place
from pfslib.cli.session import Command, Session, Words, words
from pfslib.mounts import unmounting
from pfslib.mounts.mountinfo import MountRecord, list_mounts

_FSNAME = "pfs:"


@click.command(cls=Command)
@words("REPO COMMIT DIR")
@click.option("--allow-other", is_flag=True, help="Let other users look in, too.")
@click.pass_obj
def mount(session: Session, words: Words, *, allow_other: bool) -> None:
    """Show a commit as a directory.

    DIR must be there and empty. The mount is read-only and stays until `pfs unmount DIR`.
    """
    place = parse_place(words[:-1] or words, REPO, COMMIT)
    if len(words) < 2:  # noqa: PLR2004 - one word said it all, but for this
        raise click.UsageError("the DIR is missing")
    directory = Path(words[-1])
    with session.open() as store:
        commit = store.commit(place.reference)
        mounted = commit.mount(directory, allow_other=allow_other, tied=False)
        record = MountRecord(mounted.path, f"{_FSNAME}{commit}", alive=True)
        show_made(session, record, mount_document)
        whisper(f"{commit} is at {mounted.path}; `pfs unmount {directory}` takes it away")


@click.command(cls=Command)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--lazy", is_flag=True, help="At once, also while files in it are in use.")
@click.pass_obj
def unmount(_: Session, directory: Path, *, lazy: bool) -> None:
    """Take a mounted commit away."""
    unmounting.unmount(directory, lazy=lazy)


@click.command(cls=Command)
@click.pass_obj
def list_mount(session: Session) -> None:
    """List the mounts.

    Of every store, as far as this user can see them. A dead one, whose server is gone, only waits
    to be unmounted.
    """
    show_list(
        session,
        list_mounts(),
        ("DIR", "COMMIT", "STATE"),
        lambda mount: (
            str(mount.path),
            mount.fsname.removeprefix(_FSNAME),
            "running" if mount.alive else "dead",
        ),
        mount_document,
    )
