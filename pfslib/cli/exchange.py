"""`pfs import-archive`, `export-archive`, `import-git`, `export-git`, `split-file` and `draw`."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, get_args

import click

from pfslib.cli.documents import commit_document
from pfslib.cli.names import full_name_of
from pfslib.cli.output import print_documents, print_lines, say, whisper
from pfslib.cli.places import COMMIT, PATH, REPO, parse_place
from pfslib.cli.resolving import find_readable
from pfslib.cli.running import commit_cause, run_triggered
from pfslib.cli.session import (
    HOST_PATH,
    Command,
    Session,
    Words,
    creates,
    makes_commit,
    runs_jobs,
    words,
)
from pfslib.cli.stdin import STDIN, standard_input
from pfslib.cli.targets import edit_commit
from pfslib.cli.whole_files import written_whole
from pfslib.cli.wording import counted, human_size, printable
from pfslib.interop.records import By, put_split

if TYPE_CHECKING:
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.read_verbs import ReadVerbs
    from pfslib.api.store import Store
    from pfslib.interop.tar_stream import Packing

_ZIP: Final = b"PK"
_PACKINGS: Final[dict[str, Packing]] = {
    "tar": "", "tar.gz": "gz", "tar.bz2": "bz2", "tar.xz": "xz",
}  # fmt: skip

_file_option = click.option(
    "-f",
    "--file",
    type=HOST_PATH,
    default=STDIN,
    metavar="FILE",
    help="What to read; standard input, without.",
)


@click.command(cls=Command)
@words("REPO COMMIT|BRANCH [PATH]")
@_file_option
@click.option("--skip-special", is_flag=True, help="Leave out devices, fifos and sparse files.")
@creates
@makes_commit
@click.pass_obj
def import_archive(session: Session, words: Words, file: str, *, skip_special: bool) -> None:
    """Put what is in a tar or zip file.

    Below PATH, over what is there; into an open commit or, with -c, into one made for it, as in
    put-file. A tar file may be packed by gzip, bzip2 or xz. Names that lead out of the archive are
    refused, and nothing is unpacked to the disk.
    """
    from pfslib.interop.tar_stream import import_tar  # imports what reads archives
    from pfslib.interop.zip_file import import_zip

    place = parse_place(words, REPO, COMMIT, PATH, optional=1)

    def put(_: Store, target: OpenCommit) -> None:
        with _reading(file) as stream:
            read = import_zip if stream.peek(2)[:2] == _ZIP else import_tar
            special = "skip" if skip_special else "refuse"
            done = read(target, stream, place.path, special=special)  # type: ignore[arg-type]
        for name in done.skipped:
            say(f"pfs: left out {printable(name)}: it cannot be stored")
        whisper(f"put {counted(done.files, 'file')}, {human_size(done.bytes)}")

    edit_commit(session, place, put)


@click.command(cls=Command)
@words("REPO COMMIT [PATH]")
@click.option("-o", "--output", type=HOST_PATH, default=STDIN, metavar="FILE", help="Where to.")
@click.option(
    "--format",
    "form",
    type=click.Choice([*_PACKINGS, "zip"]),
    help="What to write; by the name of FILE, without, and else tar.",
)
@click.pass_obj
def export_archive(session: Session, words: Words, output: str, form: str | None) -> None:
    """Write a directory of a commit as a tar or zip file.

    The whole commit without PATH; to standard output, unless -o names a FILE, which appears whole
    or not at all.
    """
    place = parse_place(words, REPO, COMMIT, PATH, optional=1)
    form = form or _form_of(output)
    with session.open() as store:
        commit = find_readable(store, place)
        (commit / place.path).iterdir()  # before there is a file
        if output == STDIN:
            _export(commit, place.path, sys.stdout.buffer, form)
            sys.stdout.buffer.flush()
            return
        with written_whole(output) as target:
            _export(commit, place.path, target, form)


def _form_of(output: str) -> str:
    name = output.lower().replace(".tgz", ".tar.gz")
    return next((form for form in [*_PACKINGS, "zip"] if name.endswith(f".{form}")), "tar")


def _export(commit: ReadVerbs, path: str, target: IO[bytes], form: str) -> None:
    from pfslib.interop.tar_stream import export_tar  # imports what reads archives
    from pfslib.interop.zip_file import export_zip

    if form == "zip":
        export_zip(commit, target, path)
    else:
        export_tar(commit, target, path, packing=_PACKINGS[form])


@click.command(cls=Command)
@click.argument("directory", type=HOST_PATH, metavar="DIR")
@click.argument("repo", metavar="REPO")
@click.argument("branch", metavar="[BRANCH]", default="master")
@click.option("--ref", default="HEAD", show_default=True, help="Whose history.")
@runs_jobs
@click.pass_obj
def import_git(session: Session, directory: str, repo: str, branch: str, ref: str) -> None:
    """Make each commit of a git history one of a repo.

    DIR is the git repository. The history is that of first parents: a merge is one commit. What
    was imported before is not imported again.
    """
    from pfslib.interop.git_history import import_git as import_history  # imports all of a store

    with session.open() as store:
        commits = import_history(store.repo(repo), directory, ref, branch=branch)
        if session.as_json:
            print_documents(map(commit_document, commits))
        else:
            print_lines(full_name_of(commit) for commit in commits)
        if commits:
            run_triggered(session, store, commit_cause(commits[-1]))


@click.command(cls=Command)
@click.argument("repo", metavar="REPO")
@click.argument("directory", type=HOST_PATH, metavar="DIR")
@click.argument("branch", metavar="[BRANCH]", default="master")
@click.pass_obj
def export_git(session: Session, repo: str, directory: str, branch: str) -> None:
    """Make each commit of a branch one of a git repository.

    DIR is the git repository, made when nothing is there; its branch has the same name,
    and is not checked out. What was exported before is not exported again.
    """
    from pfslib.interop.git_export import export_git as export_history

    with session.open() as store:
        commits = export_history(store.repo(repo), directory, branch)
        if session.as_json:
            print_documents(map(commit_document, commits))
        else:
            print_lines(full_name_of(commit) for commit in commits)


@click.command(cls=Command)
@words("REPO COMMIT|BRANCH PATH")
@_file_option
@click.option("--by", type=click.Choice(get_args(By)), default="line", show_default=True)
@click.option("--records", type=click.IntRange(min=0), help="Records in a file; 1, without --size.")
@click.option("--size", type=click.IntRange(min=0), default=0, help="Bytes of a full file.")
@click.option("--header", type=click.IntRange(min=0), default=0, help="Records to repeat.")
@creates
@makes_commit
@click.pass_obj
def split_file(
    session: Session,
    words: Words,
    file: str,
    by: By,
    records: int | None,
    size: int,
    header: int,
) -> None:
    """Put the lines, CSV rows or JSON documents of a stream as many files.

    As numbered files below PATH, after those that are there, so that each can be a datum. With
    --header, so many records at the beginning are repeated in each file.
    """
    place = parse_place(words, REPO, COMMIT, PATH)
    wanted = records if records is not None else int(not size)

    def put(_: Store, target: OpenCommit) -> None:
        with _reading(file) as stream:
            count = put_split(
                target, place.path, stream, by=by, records=wanted, size=size, header=header
            )
        whisper(f"put {counted(count, 'file')}")

    edit_commit(session, place, put)


@contextmanager
def _reading(name: str) -> Iterator[io.BufferedReader]:
    if name == STDIN:
        stream: Any = standard_input()
        yield stream if hasattr(stream, "peek") else io.BufferedReader(stream)
        return
    with Path(name).open("rb") as file:
        yield file


@click.command(cls=Command)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "svg"]),
    default="text",
    show_default=True,
    help="A tree, the language of mermaid or of graphviz, or a picture.",
)
@click.pass_obj
def draw(session: Session, form: str) -> None:
    """Draw the graph of repos and pipelines."""
    with session.open() as store:
        drawing = store.draw()
    drawn = {
        "text": drawing.text,
        "mermaid": drawing.mermaid,
        "dot": drawing.dot,
        "svg": drawing.svg,
    }[form]
    if drawn:
        print_lines([drawn])
    else:
        say("pfs: there is nothing to draw: the store has no repos")
