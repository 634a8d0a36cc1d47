"""`pfs fsck`, `gc`, `stats`, `backup` and `recover`: looking after a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

import pfslib
from pfslib.cli.documents import figures_document, fsck_document
from pfslib.cli.output import print_document, print_lines, show_one
from pfslib.cli.progress import ProgressLine
from pfslib.cli.session import HOST_PATH, Command, Session
from pfslib.cli.wording import counted, human_size, printable
from pfslib.model.errors import CorruptionError

if TYPE_CHECKING:
    from pfslib.api.store import Store
    from pfslib.maintenance.fsck import FsckReport
    from pfslib.maintenance.gc import GcReport
    from pfslib.maintenance.stats import StoreStats


@click.command(cls=Command)
@click.option(
    "--read-data", is_flag=True, help="Read all contents, too; else only what names them."
)
@click.pass_obj
def fsck(session: Session, *, read_data: bool) -> None:
    """Check the whole store, and say what is wrong.

    Beside everything else; nothing is repaired. The exit code is 14 when something is wrong. What
    is wrong goes to standard output, each problem a sentence, with files that it hits below it.
    """
    with session.open() as store, ProgressLine() as line:
        report = store.fsck(read_data=read_data, progress=line.steps())
    if session.as_json:
        print_document(fsck_document(report))
    else:
        print_lines(_findings(report))
    if not report.clean:
        raise click.exceptions.Exit(CorruptionError.exit_code)


def _findings(report: FsckReport) -> Iterator[str]:
    checked = report.checked
    for problem in report:
        yield printable(problem.what)
        yield from (f"  {printable(where)}" for where in problem.where)
    if checked.problems > len(report.problems):
        yield f"and {checked.problems - len(report.problems)} more"
    looked_at = ", ".join(
        (
            counted(checked.commits, "commit"),
            counted(checked.nodes, "node"),
            counted(checked.pieces, "piece"),
        )
    )
    read = f", {human_size(checked.read_bytes)} of content" if report.read_data else ""
    if report.clean:
        yield f"nothing is wrong: {looked_at}{read}"
    else:
        yield f"{counted(checked.problems, 'problem')} in {looked_at}{read}"


@click.command(cls=Command)
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option("--compact", is_flag=True, help="Make the store's file smaller, too.")
@click.pass_obj
def gc(session: Session, *, dry_run: bool, compact: bool) -> None:
    """Give back the room of what nothing needs any more.

    What deleted repos, dropped commits, discarded edits and the like have left. Runs beside
    everything else. The room is used again before the store's file grows; --compact writes the
    file anew without it, if nobody else has the store open.
    """
    with session.open() as store, ProgressLine() as line:
        report = store.gc(dry_run=dry_run, compact=compact, progress=line.steps())
    if session.as_json:
        print_document(figures_document(report))
    else:
        print_lines(_results(report))


def _results(report: GcReport) -> Iterator[str]:
    garbage = f"{counted(report.nodes, 'node')} and {counted(report.pieces, 'piece')} of content"
    if report.dry_run:
        yield f"would delete {garbage}, {human_size(report.garbage_bytes)}"
        return
    yield f"deleted {garbage}, {human_size(report.garbage_bytes)}"
    if report.chunks_damaged:
        yield f"{counted(report.chunks_damaged, 'chunk')} could not be read: run `pfs fsck`"
    if report.not_compacted:
        yield f"the file was not compacted: {printable(report.not_compacted)}"
    used, size = human_size(report.used_bytes), human_size(report.file_bytes)
    yield f"{used} of the file's {size} are in use"


@click.command(cls=Command)
@click.pass_obj
def stats(session: Session) -> None:
    """Show what the store holds, in figures.

    Garbage included, until gc has run.
    """
    with session.open() as store:
        show_one(session, store.stats(), _figures, figures_document)


def _figures(stats: StoreStats) -> Iterator[tuple[str, str]]:
    yield "Repos", str(stats.repos)
    yield "Branches", str(stats.branches)
    yield "Commits", str(stats.commits)
    yield "Open commits", str(stats.open_commits)
    yield "Pipelines", str(stats.pipelines)
    yield "Jobs", str(stats.jobs)
    yield "Datum results", str(stats.datum_results)
    yield "Images", str(stats.images)
    yield "Nodes", str(stats.nodes)
    yield "Pieces of content", f"{stats.pieces} in {counted(stats.chunks, 'chunk')}"
    yield "Content", human_size(stats.content_bytes)
    yield "File", human_size(stats.file_bytes)
    yield "In use", human_size(stats.used_bytes)


@click.command(cls=Command)
@click.argument("directory", type=HOST_PATH, metavar="DIR")
@click.pass_obj
def backup(session: Session, directory: str) -> None:
    """Copy the whole store, as it is at one moment.

    While others go on writing it. DIR must not exist, or be empty, and is not the working
    directory; it is a store of its own then, and is there whole or not at all.
    """
    with session.open() as store:
        path = store.backup(directory)
    if session.as_json:
        print_document({"path": str(path)})
    else:
        print_lines([f"made the copy {printable(str(path))}"])


@click.command(cls=Command)
@click.option("--accept-loss", is_flag=True, help="Go on without what the disk has lost.")
@click.pass_obj
def recover(session: Session, *, accept_loss: bool) -> None:
    """Go on with a store after an I/O error or a loss.

    A store takes no writes since an I/O error: what is on the disk is read and checked, all of it,
    and then writers are let in again. A store whose last commits are missing is refused by every
    command, until --accept-loss takes what is there for the whole. Nobody may have it open.
    """
    if accept_loss:
        pfslib.open(session.store, accept_loss=True).close()
    reports: list[FsckReport] = []
    with ProgressLine() as line:

        def check(store: Store) -> None:
            reports.append(store.fsck(read_data=True, progress=line.steps()))
            if not reports[-1].clean:
                raise CorruptionError(
                    f"store {store.path}: {counted(reports[-1].checked.problems, 'problem')}, "
                    f"such as: {reports[-1].problems[0].what}",
                    hint="`pfs fsck --read-data` lists all; it goes on taking no writes",
                )

        pfslib.recover(session.store, check=check)
    if session.as_json:
        print_document(fsck_document(reports[-1]))
    else:
        print_lines(_findings(reports[-1]))
