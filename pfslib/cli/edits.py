"""`pfs put-file`, `copy-file` and `delete-file`: edits of open commits, or in new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from pfslib.cli.documents import file_document
from pfslib.cli.output import print_documents, print_lines, say
from pfslib.cli.places import COMMIT, PATH, REPO, Place, parse_place, take_place
from pfslib.cli.progress import ProgressLine
from pfslib.cli.removals import dry_run_option
from pfslib.cli.session import HOST_PATH, Command, Session, Words, creates, makes_commit, words
from pfslib.cli.sources import Source, check_source, find_sources, why_left_out
from pfslib.cli.targets import check_new, edit_commit, find_target
from pfslib.cli.wording import counted, printable
from pfslib.model.errors import PathNotFoundError
from pfslib.model.paths import split_path

if TYPE_CHECKING:
    from pfslib.api.info import FileInfo
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.store import Store


@click.command(cls=Command)
@words("REPO COMMIT|BRANCH [PATH]")
@click.option(
    "-f",
    "--file",
    "files",
    type=HOST_PATH,
    multiple=True,
    metavar="FILE",
    help="What to put; - for standard input, as without. May be repeated.",
)
@click.option("-r", "--recursive", is_flag=True, help="Put a directory with all below it.")
@click.option("-a", "--append", is_flag=True, help="Add to what is there, file by file.")
@click.option(
    "--offset",
    type=click.IntRange(min=0),
    metavar="N",
    help="Write over a part of the file, from byte N on.",
)
@click.option("--skip-special", is_flag=True, help="Leave out devices, fifos and sockets.")
@click.option("--reread", is_flag=True, help="Read files that look unchanged, too.")
@creates
@makes_commit
@click.pass_obj
def put_file(
    session: Session,
    words: Words,
    files: Sequence[str],
    *,
    recursive: bool,
    append: bool,
    offset: int | None,
    skip_special: bool,
    reread: bool,
) -> None:
    """Write files into a commit.

    Into an open commit, given by its id or its branch; or, with -c, into a commit made for it,
    whose jobs are run then. `pfs put-file repo@branch:/path` makes a commit if none is open.

    Without PATH, a file is put under the name given to -f. With PATH, one file is put there, and
    several below it. With -r, what is in a directory is put below PATH; files that are unchanged
    since they were last put, by inode, size and times, are not read again. Empty directories are
    not kept: a directory is there for as long as something is in it. The store's own is left out.
    A file that keeps changing while it is read is named: what is stored of it may be neither the
    old nor the new content.
    """
    place = parse_place(words, REPO, COMMIT, PATH, optional=1)
    sources = find_sources(files, place.path)
    # All of them first: an open commit shall not be left with half of what was asked for.
    for source in sources:
        check_source(source, recursive=recursive, patch=offset is not None)
    if offset is not None and (append or len(sources) > 1):
        raise click.UsageError("--offset is for one file, and not with -a")

    def put(target: OpenCommit, source: Source, line: ProgressLine) -> list[str]:
        if offset is not None:
            target.write_at(source.path, offset, source.data())
            return []
        return target.put_file(
            source.path,
            source.data(),
            append=append,
            special="skip" if skip_special else "refuse",
            reread=reread,
            progress=line.files("read"),
        )

    def put_all(store: Store, target: OpenCommit) -> None:
        with ProgressLine() as line:
            left_out = [name for source in sources for name in put(target, source, line)]
        for name in dict.fromkeys(left_out):
            say(f"pfs: left out {printable(name)}: {why_left_out(name, store.path)}")

    edit_commit(session, place, put_all)


@click.command(cls=Command)
@words("SOURCE DESTINATION")
@makes_commit
@click.pass_obj
def copy_file(session: Session, words: Words) -> None:
    """Take a file or directory over from another commit.

    SOURCE and DESTINATION are repo@ref:/path, or each the words REPO COMMIT PATH; the source is of
    a finished commit, of any repo. Into an open commit or, with -c, into one made for it; as in
    put-file. Nothing is read or stored twice, however large it is.
    """
    source, rest = take_place(words, REPO, COMMIT, PATH)
    if not rest:
        raise click.UsageError("the DESTINATION is missing")
    place, rest = take_place(rest, REPO, COMMIT, PATH)
    if rest:
        raise click.UsageError(f"{rest[0]!r} is one word too many")

    def copy(store: Store, target: OpenCommit) -> None:
        target.copy_file(store.commit(source.reference), source.path, place.path)

    edit_commit(session, place, copy)


@click.command(cls=Command)
@words("REPO COMMIT|BRANCH PATH")
@click.option("--glob", "is_glob", is_flag=True, help="PATH is a pattern; see glob-file.")
@click.option("--missing-ok", is_flag=True, help="What is not there is no error.")
@dry_run_option
@makes_commit
@click.pass_obj
def delete_file(
    session: Session, words: Words, *, is_glob: bool, missing_ok: bool, dry_run: bool
) -> None:
    """Remove files and directories in a commit.

    In an open commit or, with -c, in one made for it; as in put-file. A directory goes with all
    below it.
    """
    place = parse_place(words, REPO, COMMIT, PATH)

    if dry_run:
        with session.open() as store:
            found = list(_find(store, session, place, is_glob=is_glob))
            if not found and not missing_ok:
                raise PathNotFoundError(place.path, f"commit {place.reference}")
            _show_plan(session, found)
        return

    def delete(_: Store, target: OpenCommit) -> None:
        if not is_glob:
            target.delete_file(place.path, missing_ok=missing_ok)
        elif not target.delete_glob(place.path) and not missing_ok:
            raise PathNotFoundError(place.path, place.reference)

    edit_commit(session, place, delete)


def _find(store: Store, session: Session, place: Place, *, is_glob: bool) -> Iterator[FileInfo]:
    """What would go; what may not is refused as without --dry-run."""
    from pfslib.api.delete_verbs import check_deletable  # imports all of a store

    if not is_glob:
        check_deletable(split_path(place.path), place.path)
    target = None if session.commit else find_target(store, place)
    if target is None:
        check_new(store, place)
    commit = target if target is not None else store.commit(place.reference)
    if is_glob:
        for file in commit.glob(place.path):
            check_deletable(split_path(file.path), place.path)
            yield file
        return
    with suppress(PathNotFoundError):
        yield commit.inspect_file(place.path)


def _show_plan(session: Session, files: Sequence[FileInfo]) -> None:
    if session.as_json:
        print_documents(map(file_document, files))
        return
    for file in files:
        below = f", with {counted(file.files, 'file')}" if file.kind == "dir" else ""
        print_lines([f"would delete {file.kind} {printable(file.path)}{below}"])
