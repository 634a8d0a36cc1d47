"""Data to standard output, as a table, as fields or as JSON; talk to standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from pfslib.cli.tables import format_fields, format_table

if TYPE_CHECKING:
    from pfslib.cli.session import Session

ItemT = TypeVar("ItemT")
Document = Mapping[str, object]


def show_list(
    session: Session,
    items: Iterable[ItemT],
    header: Sequence[str],
    cells: Callable[[ItemT], Sequence[str]],
    document: Callable[[ItemT], Document],
    *,
    page: int | None = None,
) -> None:
    """Print a list: a table, or a JSON document a line as they come.

    A list that may be very long has a page, the number of rows in memory at a time.
    """
    if session.as_json:
        print_documents(map(document, items))
        return
    _print(table_lines(header, map(cells, items), page))


def table_lines(
    header: Sequence[str], rows: Iterable[Sequence[str]], page: int | None = None
) -> Iterator[str]:
    """The lines of a table: as stable as scripts need it, or as narrow as a terminal is."""
    if not sys.stdout.isatty():
        return format_table(header, rows, page)
    from pfslib.cli.fitted_tables import fit_table  # scripts have no terminal

    return fit_table(header, rows, shutil.get_terminal_size().columns, page)


def show_one(
    session: Session,
    item: ItemT,
    fields: Callable[[ItemT], Iterable[tuple[str, str]]],
    document: Callable[[ItemT], Document],
) -> None:
    """Print one thing: a field a line, or a JSON document."""
    if session.as_json:
        print_document(document(item))
        return
    _print(format_fields(fields(item)))


def show_made(
    session: Session, item: ItemT, document: Callable[[ItemT], Document], text: str = ""
) -> None:
    """Print what a command has made: its JSON document, or the text if there is one."""
    if session.as_json:
        print_document(document(item))
    elif text:
        _print([text])


def print_documents(documents: Iterable[Document]) -> None:
    """Print JSON documents, one a line."""
    _print(map(json.dumps, documents))


def print_document(document: Document | None) -> None:
    """Print one JSON document. ASCII only, so that no name of a file can break it."""
    _print([json.dumps(document, indent=2)])


def _print(lines: Iterable[str]) -> None:
    # Not click.echo, which flushes after each line: a directory has a million.
    sys.stdout.writelines(f"{line}\n" for line in lines)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that have no characters but those that can be printed."""
    _print(lines)


def print_text(text: str) -> None:
    """Print text of a file as it is: bytes of it that are not UTF-8, too."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def say(sentence: str) -> None:
    """Tell the user something that is no data."""
    click.echo(sentence, err=True)


def whisper(sentence: str) -> None:
    """Tell it only to somebody who is watching."""
    if sys.stderr is not None and sys.stderr.isatty():
        say(sentence)
