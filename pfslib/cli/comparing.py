"""`pfs diff-file`: what differs between two commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from pfslib.cli.coloring import color_diff, color_option
from pfslib.cli.documents import diff_document
from pfslib.cli.output import (
    print_document,
    print_documents,
    print_lines,
    print_text,
    show_list,
)
from pfslib.cli.places import COMMIT, PATH, REPO, Place, take_place
from pfslib.cli.resolving import find_readable
from pfslib.cli.session import Command, Session, Words, words
from pfslib.cli.wording import human_size
from pfslib.model.errors import InvalidInputError

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.differences import DiffEntry
    from pfslib.api.open_commit import OpenCommit

_OPS = ("added", "removed", "changed")
_HEADER = ("OP", "OLD_SIZE", "NEW_SIZE", "NAME")


@click.command(cls=Command)
@words("NEW [OLD]")
@click.option("--text", is_flag=True, help="Print the lines that differ, as a unified diff.")
@click.option("--stat", is_flag=True, help="Print only how many files differ, and their sizes.")
@color_option
@click.pass_obj
def diff_file(session: Session, words: Words, *, text: bool, stat: bool, color: bool) -> None:
    """List what differs between two commits.

    NEW and OLD are repo@ref, or repo@ref:/path to look only there; or each the words REPO COMMIT
    [PATH]. What NEW has more than OLD is `added`. OLD is the parent of NEW unless it is given, and
    its path that of NEW. An open commit, given by its id, can be NEW: what has been put into it so
    far. Times are no difference. The exit code does not depend on what differs.
    """
    if text and stat:
        raise click.UsageError("--text and --stat: only one of them")
    new_place, old_place = _take_places(words)
    with session.open() as store:
        new = find_readable(store, new_place)
        old = store.commit(old_place.reference) if old_place is not None else None
        differences = new.diff(old, new_place.path)
        if stat:
            _show_totals(session, differences)
        elif text:
            show = color_diff if color and not session.as_json else str
            _show_texts(session, differences, lambda path: show(_text_diff(new, old, path)))
        else:
            show_list(session, differences, _HEADER, _row, diff_document)


def _take_places(words: Words) -> tuple[Place, Place | None]:
    new, rest = take_place(words, REPO, COMMIT, PATH, optional=1)
    if not rest:
        return new, None
    old, rest = take_place(rest, REPO, COMMIT, PATH, optional=1)
    if rest:
        raise click.UsageError(f"{rest[0]!r} is one word too many")
    if old.path and old.path.strip("/") != new.path.strip("/"):
        raise click.UsageError("two commits are compared at one path")
    return new, old


def _row(entry: DiffEntry) -> Sequence[str]:
    old = "-" if entry.op == "added" else human_size(entry.old_size)
    new = "-" if entry.op == "removed" else human_size(entry.new_size)
    return entry.op, old, new, entry.path


def _show_totals(session: Session, differences: Iterable[DiffEntry]) -> None:
    counts, old_bytes, new_bytes = Counter[str](), 0, 0
    for entry in differences:
        counts[entry.op] += 1
        old_bytes += entry.old_size
        new_bytes += entry.new_size
    if session.as_json:
        totals = {op: counts[op] for op in _OPS}
        print_document({**totals, "old_bytes": old_bytes, "new_bytes": new_bytes})
        return
    said = ", ".join(f"{counts[op]} {op}" for op in _OPS)
    print_lines([f"{said}; {human_size(old_bytes)} became {human_size(new_bytes)}"])


def _show_texts(
    session: Session, differences: Iterable[DiffEntry], text_diff: Callable[[str], str]
) -> None:
    if session.as_json:
        print_documents(
            {**diff_document(entry), "text": text_diff(entry.path)} for entry in differences
        )
        return
    for entry in differences:
        print_text(text_diff(entry.path))


def _text_diff(new: Commit | OpenCommit, old: Commit | None, path: str) -> str:
    try:
        return new.text_diff(path, old)
    except InvalidInputError as error:  # it is too long, which spoils no other file
        return f"Files a{path} and b{path} differ: {error.message}\n"
