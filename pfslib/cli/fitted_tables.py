"""Tables for somebody who watches, as wide as the terminal. Pure functions.

A table that is too wide is set closer; then its ids are cut, as far as commands still take them;
then each row becomes lines of its own. Nothing but ids is ever shortened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from pfslib.cli.tables import MIN_WIDTH, PADDING
from pfslib.cli.wording import printable

_CLOSE: Final = 2
_ID: Final = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,52}\b")
"""An id or a digest, and what of it is enough."""

Row = Sequence[str]
Form = Callable[[Row, Sequence[Row]], list[str]]


def fit_table(
    header: Row, rows: Iterable[Row], columns: int, page: int | None = None
) -> Iterator[str]:
    """The lines of a table in the first form that fits, header first; or a row after the other.

    Args:
        header: The names of the columns.
        rows: The cells below them.
        columns: How wide the terminal is.
        page: How many rows to have in memory at a time; a later page may need a narrower form, and
            begins with the header then. None for all.
    """
    cells = ([printable(cell) for cell in row] for row in rows)
    forms: list[Form] = [_wide, _close, _short, _folded]
    shown: Form | None = None
    while lines := list(islice(cells, page)):
        while len(forms) > 1 and max(map(_columns, forms[0](header, lines))) > columns:
            del forms[0]
        first, *rest = forms[0](header, lines)
        if shown is not (None if forms[0] is _folded else forms[0]):
            yield first
        yield from rest
        shown = forms[0]
    if shown is None:
        yield from _close(header, [])


def _wide(header: Row, rows: Sequence[Row]) -> list[str]:
    return _aligned([header, *rows], MIN_WIDTH, PADDING)


def _close(header: Row, rows: Sequence[Row]) -> list[str]:
    return _aligned([header, *rows], 0, _CLOSE)


def _short(header: Row, rows: Sequence[Row]) -> list[str]:
    return _close(header, list(map(_cut, rows)))


def _folded(header: Row, rows: Sequence[Row]) -> list[str]:
    """A line for each cell that is not empty; before each row, one that is."""
    lines: list[str] = []
    for row in map(_cut, rows):
        named = zip(header, row, strict=True)
        lines += ["", *(f"{name}: {cell}" for name, cell in named if cell)]
    return lines


def _cut(row: Row) -> Row:
    return [_ID.sub(r"\1", cell) for cell in row]


def _aligned(lines: Sequence[Row], least: int, padding: int) -> list[str]:
    needed = [list(map(_columns, line)) for line in lines]
    widths = [max(least, padding + max(column)) for column in zip(*needed, strict=True)]
    return [
        "".join(
            cell + " " * (width - columns)
            for cell, columns, width in zip(line, own, widths, strict=True)
        ).rstrip(" ")
        for line, own in zip(lines, needed, strict=True)
    ]


def _columns(text: str) -> int:
    """How many columns a terminal needs for a text: two for a letter of Chinese, say."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
