"""`pfs list-file`, `inspect-file` and `glob-file`: what a commit holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import file_document
from pfslib.cli.names import CommitNames
from pfslib.cli.output import show_list, show_one
from pfslib.cli.places import COMMIT, PATH, REPO, parse_place
from pfslib.cli.resolving import find_readable
from pfslib.cli.session import Command, Session, Words, words
from pfslib.cli.wording import ago, human_size

if TYPE_CHECKING:
    from pfslib.api.info import FileInfo
    from pfslib.api.store import Store

_HEADER = ("NAME", "TYPE", "MODIFIED", "LAST_COMMIT_MODIFIED", "SIZE")


@click.command(cls=Command)
@words("REPO COMMIT [PATH]")
@click.option("-r", "--recursive", is_flag=True, help="And all that is below it.")
@click.pass_obj
def list_file(session: Session, words: Words, *, recursive: bool) -> None:
    """List what is in a directory.

    The root without PATH; a file lists itself. The size of a directory is that of all files below.
    An open commit, given by its id, is listed as it is so far.
    """
    place = parse_place(words, REPO, COMMIT, PATH, optional=1)
    with session.open() as store:
        commit = find_readable(store, place)
        is_tree = recursive and commit.inspect_file(place.path).kind == "dir"
        files = commit.walk(place.path) if is_tree else commit.list_file(place.path)
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
        _show_files(session, store, place.repo, find_readable(store, place).glob(place.path))


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
            find_readable(store, place).inspect_file(place.path),
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
