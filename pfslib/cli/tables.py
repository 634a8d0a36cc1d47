"""Columns of text, aligned as Go's tabwriter aligns them for pachctl. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from pfslib.cli.wording import printable

MIN_WIDTH: Final = 20
PADDING: Final = 3


def format_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], page: int | None = None
) -> Iterator[str]:
    """The lines of a table, header first; each column as wide as its widest cell asks for.

    Whatever a cell holds, it stays on its line and in its column. Lines have no blanks at the end.

    Args:
        header: The names of the columns.
        rows: The cells below them.
        page: How many rows to have in memory at a time, of which the widths are taken; a later page
            may be wider. None for all.
    """
    cells = ([printable(cell) for cell in row] for row in rows)
    widths = [MIN_WIDTH] * len(header)
    lines = [list(header), *islice(cells, page)]
    while lines:
        columns = zip(widths, zip(*lines, strict=True), strict=True)
        widths = [max(width, PADDING + max(map(len, column))) for width, column in columns]
        yield from ("".join(map(str.ljust, line, widths)).rstrip(" ") for line in lines)
        lines = list(islice(cells, page))


def format_fields(fields: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of `Key: value`; a field without a value is left out."""
    for key, value in fields:
        if value:
            yield f"{key}: {printable(value)}"
