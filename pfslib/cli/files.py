"""`pfs get-file`, `list-file`, `inspect-file` and `glob-file`: what a finished commit holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from pfslib.api.info import FileInfo
from pfslib.api.store import Store
from pfslib.cli.documents import file_document
from pfslib.cli.names import CommitNames
from pfslib.cli.output import show_list, show_one
from pfslib.cli.places import COMMIT, PATH, REPO, parse_place
from pfslib.cli.session import Command, Session, Words, words
from pfslib.cli.wording import ago, human_size

_HEADER = ("NAME", "TYPE", "MODIFIED", "LAST_COMMIT_MODIFIED", "SIZE")


@click.command(cls=Command)
@words("REPO COMMIT PATH")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to, instead of standard output.",
)
@click.pass_obj
def get_file(session: Session, words: Words, output: Path | None) -> None:
    """Print a file.

    Its bytes go to standard output as they are, and pass through memory in blocks.
    """
    place = parse_place(words, REPO, COMMIT, PATH)
    with session.open() as store:
        blocks = store.commit(place.reference).stream_file(place.path)
        if output is None:
            _write(blocks, sys.stdout.buffer)
            return
        with output.open("wb") as file:
            _write(blocks, file)


def _write(blocks: Iterable[bytes], file: BinaryIO) -> None:
    file.writelines(blocks)
    file.flush()


@click.command(cls=Command)
@words("REPO COMMIT [PATH]")
@click.pass_obj
def list_file(session: Session, words: Words) -> None:
    """List what is in a directory.

    The root without PATH; a file lists itself. The size of a directory is that of all files below.
    """
    place = parse_place(words, REPO, COMMIT, PATH, optional=1)
    with session.open() as store:
        files = store.commit(place.reference).list_file(place.path)
        _show_files(session, store, place.repo, files)


@click.command(cls=Command)
@words("REPO COMMIT PATTERN")
@click.pass_obj
def glob_file(session: Session, words: Words) -> None:
    """List the files and directories that a pattern matches.

    *, ?, [a-z] and {a,b} match within a name, ** across directories. Quote it, for the shell has
    patterns of its own.
    """
    place = parse_place(words, REPO, COMMIT, "PATTERN")
    with session.open() as store:
        _show_files(session, store, place.repo, store.commit(place.reference).glob(place.path))


def _show_files(session: Session, store: Store, repo: str, files: Iterable[FileInfo]) -> None:
    now = datetime.now(UTC)
    names = CommitNames(store)
    show_list(
        session,
        files,
        _HEADER,
        lambda file: (
            file.path,
            file.kind,
            ago(file.modified, now),
            names.of(repo, file.commit),
            human_size(file.size),
        ),
        file_document,
    )


@click.command(cls=Command)
@words("REPO COMMIT PATH")
@click.pass_obj
def inspect_file(session: Session, words: Words) -> None:
    """Show one file or directory."""
    place = parse_place(words, REPO, COMMIT, PATH)
    with session.open() as store:
        names = CommitNames(store)
        show_one(
            session,
            store.commit(place.reference).inspect_file(place.path),
            lambda file: _fields(file, names.of(place.repo, file.commit)),
            file_document,
        )


def _fields(file: FileInfo, commit: str) -> Iterator[tuple[str, str]]:
    yield "Path", file.path
    yield "Type", "executable file" if file.executable else file.kind
    yield "Modified", ago(file.modified, datetime.now(UTC))
    yield "Size", human_size(file.size)
    yield "Files", str(file.files) if file.kind == "dir" else ""
    yield "Commit modified", commit
    yield "Digest", file.digest
