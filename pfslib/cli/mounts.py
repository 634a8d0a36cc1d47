"""`pfs mount`, `unmount` and `list-mount`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pfslib.cli.output import say, show_list, show_made, whisper
from pfslib.cli.places import COMMIT, PATH, REPO, parse_place
from pfslib.cli.session import HOST_PATH, Command, Session, Words, runs_jobs, words
from pfslib.model.errors import StoreNotFoundError
from pfslib.model.host_paths import host_path
from pfslib.mounts import unmounting
from pfslib.mounts.mount_zygote import prepare
from pfslib.mounts.mountinfo import MountRecord, MountState, find_mount, list_mounts

if TYPE_CHECKING:
    from pfslib.api.commit_source import CommitSource
    from pfslib.mounts.mounting import Mounted

_FSNAME = "pfs:"
_WORDS_OF_A_COMMIT = 2


@click.command(cls=Command)
@words("[REPO COMMIT | [NAME=]REPO@COMMIT[:/PATH]...] DIR")
@click.option("--allow-other", is_flag=True, help="Let other users look in, too.")
@click.option("-w", "--writable", is_flag=True, help="A copy of a branch, to be edited.")
@click.option("--new", is_flag=True, help="With -w: begin the branch, with nothing in it.")
@click.pass_obj
def mount(session: Session, words: Words, *, allow_other: bool, writable: bool, new: bool) -> None:
    """Show a commit as a directory.

    DIR must be there and empty. Several commits are shown side by side, each under NAME or that of
    its repo; without any, the whole store is shown, as DIR/REPO/BRANCH and DIR/REPO/ID. The mount
    is read-only and stays until `pfs unmount DIR`.

    With -w, the files of REPO@BRANCH are written to DIR, to be edited by any program; `pfs commit
    DIR` commits all changes at once, and so does `pfs unmount DIR`.
    """
    if not words or (len(words) == 1 and "@" in words[0] and not Path(words[0]).is_dir()):
        raise click.UsageError("the DIR is missing")
    directory = host_path(words[-1])
    if writable:
        if allow_other:
            raise click.UsageError("--allow-other is not for -w: the files' modes say who may look")
        from pfslib.cli import working_copies  # imports what commits and runs jobs

        working_copies.make(session, words[:-1], directory, new=new)
        return
    if new:
        raise click.UsageError("--new is for -w")
    prepare()  # while the store is opened
    with session.open_to_look() as store:
        mounted = _mount(store, words[:-1], directory, allow_other=allow_other)
        record = MountRecord(mounted.path, mounted.source, MountState.RUNNING)
        show_made(session, record, mount_document)
        shown = mounted.source.removeprefix(_FSNAME)
        whisper(f"{shown} is at {mounted.path}; `pfs unmount {directory}` takes it away")


def _mount(store: CommitSource, words: Words, directory: Path, *, allow_other: bool) -> Mounted:
    apart = len(words) == _WORDS_OF_A_COMMIT and not any("@" in word for word in words)
    if words and not apart and (len(words) > 1 or "=" in words[0]):
        show = dict(_named(word) for word in words)
        if len(show) < len(words):
            raise click.UsageError("two have one name; write NAME=REPO@COMMIT")
        return store.mount(directory, show=show, allow_other=allow_other, tied=False)
    if not words:
        return store.mount(directory, allow_other=allow_other, tied=False)
    place = parse_place(words, REPO, COMMIT, PATH, optional=1)
    commit = store.commit(place.reference)
    below = place.path or "/"
    return commit.mount(directory, below=below, allow_other=allow_other, tied=False)


def _named(word: str) -> tuple[str, str]:
    """A name, and what is to be shown under it."""
    name, equals, rest = word.partition("=")
    place = parse_place([rest if equals else word], REPO, COMMIT, PATH, optional=1)
    below = f":{place.path}" if place.path else ""
    return name if equals else place.repo, f"{place.reference}{below}"


@click.command(cls=Command)
@click.argument("directory", metavar="DIR", type=HOST_PATH)
@click.option("--lazy", is_flag=True, help="At once, also while files in it are in use.")
@click.option("--force", is_flag=True, help="At once; whoever uses it gets errors from then on.")
@click.option("--discard", is_flag=True, help="Of a working copy: do not commit the changes.")
@runs_jobs
@click.pass_obj
def unmount(session: Session, directory: str, *, lazy: bool, force: bool, discard: bool) -> None:
    """Take a mounted commit away.

    One that is in use is not, unless its server is dead or hung, which is said then: whoever waits
    for a hung one gets an error, if root unmounts it. Of what was mounted with -w, the changes are
    committed first.
    """
    if lazy and force:
        raise click.UsageError("either --lazy or --force")
    from pfslib.api.copy_origin import is_working_copy

    path = Path(directory)
    mounted = find_mount(path)  # of ours, or what a working copy lies on
    if not (mounted and mounted.is_pfs) and is_working_copy(path):
        if lazy or force:
            which = "lazy" if lazy else "force"
            raise click.UsageError(f"--{which} is not for a working copy, which is no mount")
        from pfslib.cli import working_copies  # imports what commits and runs jobs

        working_copies.end(session, path, discard=discard)
        return
    if discard:
        raise click.UsageError("--discard is for a working copy, and this is none")
    _tell(unmounting.unmount(path, lazy=lazy, force=force))


def _tell(unmounted: unmounting.Unmounted) -> None:
    said = f"{unmounted.path} is unmounted"
    if not unmounted.in_use:
        whisper(said)
    elif unmounted.state is MountState.DEAD:
        say(f"{said}, though in use: its server was dead")
    elif unmounted.aborted:
        why = ": its server does not answer" if unmounted.state is MountState.HUNG else ""
        say(f"{said}, though in use{why}; whoever uses it gets errors from now on")
    elif unmounted.state is MountState.HUNG:
        say(f"{said}, though in use: its server does not answer, and ends when it does again")
    else:
        say(f"{said}; its server goes on until nothing in it is in use")


@click.command(cls=Command)
@click.pass_obj
def list_mount(session: Session) -> None:
    """List the mounts, and the working copies.

    The mounts are those of every store, as far as this user can see them. A dead one, whose server
    is gone, only waits to be unmounted; a hung one has a server that does not answer at the moment.
    The working copies are those of the store that is meant.
    """
    show_list(
        session,
        [*list_mounts(), *_list_copies(session)],
        ("DIR", "COMMIT", "STATE"),
        lambda mount: (str(mount.path), mount.fsname.removeprefix(_FSNAME), _state(mount)),
        mount_document,
    )


class CopyRecord(MountRecord, frozen=True):
    """A working copy, listed beside mounts."""


def _list_copies(session: Session) -> list[CopyRecord]:
    """The working copies of the store that is meant; of none, if there is none and none named."""
    from pfslib.api.copy_origin import list_copies
    from pfslib.kv.store_dir import locate_store  # imports what opens a store

    try:
        store_dir = locate_store(session.store, os.environ)
    except StoreNotFoundError:
        return []
    return [
        CopyRecord(path, f"{_FSNAME}{origin.shown}", MountState.RUNNING)
        for path, origin in list_copies(store_dir)
    ]


def _state(mount: MountRecord) -> str:
    if isinstance(mount, CopyRecord):
        return "working copy"
    return str(mount.state)


def mount_document(mount: MountRecord) -> dict[str, object]:
    """What --json prints of a mount; here, so that `pfs mount` imports no other documents."""
    return {
        "path": str(mount.path),
        "source": mount.fsname,
        "alive": mount.alive,
        "state": _state(mount),
        "writable": isinstance(mount, CopyRecord),
    }
