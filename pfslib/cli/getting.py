"""`pfs get-file` and `export`: files out of a commit, to standard output or to this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from pfslib.cli.documents import exported_document
from pfslib.cli.output import print_document, whisper
from pfslib.cli.places import COMMIT, PATH, REPO, parse_place
from pfslib.cli.progress import ProgressLine
from pfslib.cli.resolving import find_readable
from pfslib.cli.session import HOST_PATH, Command, Session, Words, words
from pfslib.cli.stdin import STDIN
from pfslib.cli.whole_files import is_special, written_whole
from pfslib.cli.wording import counted, human_size
from pfslib.model.host_paths import host_path

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.open_commit import OpenCommit

_STDOUT = STDIN


@click.command(cls=Command)
@words("REPO COMMIT PATH")
@click.option(
    "-o",
    "--output",
    type=HOST_PATH,
    default=_STDOUT,
    metavar="FILE",
    help="Where to, instead of standard output. FILE appears whole or not at all.",
)
@click.option("--offset", type=click.IntRange(min=0), default=0, help="First byte wanted.")
@click.option("--size", type=click.IntRange(min=0), help="How many bytes; all, without.")
@click.pass_obj
def get_file(session: Session, words: Words, output: str, offset: int, size: int | None) -> None:
    """Print a file.

    Its bytes go to standard output as they are, and pass through memory in blocks. FILE gets the
    mode and time of the file, too, unless it is only a part; one that is there is replaced.
    """
    place = parse_place(words, REPO, COMMIT, PATH)
    with session.open() as store:
        commit = find_readable(store, place)
        if output == _STDOUT:
            _write(commit.stream_file(place.path, offset, size), sys.stdout.buffer)
        elif offset or size is not None or is_special(output):
            blocks = commit.stream_file(place.path, offset, size)
            with written_whole(output) as file:
                _write(blocks, file)
        else:
            _write_whole(commit, place.path, Path(output).resolve())


def _write_whole(commit: Commit | OpenCommit, path: str, target: Path) -> None:
    with ProgressLine() as line:
        commit.get_file_to(path, target, overwrite=True, progress=line.files("got"))


def _write(blocks: Iterable[bytes], file: BinaryIO) -> None:
    file.writelines(blocks)
    file.flush()


@click.command(cls=Command)
@words("REPO COMMIT [PATH] DIR")
@click.option("--overwrite", is_flag=True, help="Replace files that differ; else one is an error.")
@click.option("--trust-times", is_flag=True, help="Take equal size, mode and time for equal.")
@click.pass_obj
def export(session: Session, words: Words, *, overwrite: bool, trust_times: bool) -> None:
    """Write a directory of a commit into one of this machine.

    The whole commit without PATH. DIR is made when it is not there. Files get their modes and
    times; what else is in DIR stays. Every file appears whole or not at all, and one that is there
    already and is the same is left alone: the same command goes on with an export that was
    interrupted.
    """
    place = parse_place(words[:-1] or words, REPO, COMMIT, PATH, optional=1)
    if len(words) < 2:  # noqa: PLR2004 - one word said it all, but for this
        raise click.UsageError("the DIR is missing")
    directory = host_path(words[-1])
    with session.open() as store, ProgressLine() as line:
        done = find_readable(store, place).export(
            directory,
            place.path,
            overwrite=overwrite,
            trust_times=trust_times,
            progress=line.files("wrote"),
        )
    if session.as_json:
        print_document(exported_document(directory, done))
    else:
        whisper(
            f"wrote {counted(done.files, 'file')}, {human_size(done.bytes)}; "
            f"{counted(done.skipped, 'file')} had been there"
        )
