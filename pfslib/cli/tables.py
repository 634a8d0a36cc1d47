"""Columns of text, aligned as Go's tabwriter aligns them for pachctl. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pfslib.cli.wording import printable

MIN_WIDTH: Final = 20
PADDING: Final = 3


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, header first; each column as wide as its widest cell asks for.

    Whatever a cell holds, it stays on its line and in its column. Lines have no blanks at the end.
    """
    cells = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [
        max(MIN_WIDTH, PADDING + max(len(cell) for cell in column))
        for column in zip(*cells, strict=True)
    ]
    for row in cells:
        yield "".join(map(str.ljust, row, widths)).rstrip(" ")


def format_fields(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of `Key: value`; a field without a value is left out."""
    for key, value in fields:
        if value:
            yield f"{key}: {printable(value)}"
