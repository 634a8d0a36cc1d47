"""Tables for notebooks: small HTML that looks right on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import islice
from typing import Final, NamedTuple

ROWS_MAX: Final = 20

Cell = str | int | bool | datetime | None


class Bar(NamedTuple):
    """A cell that shows how much of something is done."""

    done: int
    total: int


_TABLE: Final = "border-collapse:collapse;font-size:90%"
_CELL: Final = "padding:.15em .8em .15em 0;border:0;vertical-align:top;text-align:left"
_NUMBER: Final = "padding:.15em .8em .15em 0;border:0;text-align:right;white-space:nowrap"
_HEAD: Final = f"{_CELL};opacity:.65;font-weight:normal;border-bottom:1px solid currentColor"
_FAINT: Final = "opacity:.65;font-size:85%"


def table_html(
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Cell | Bar]],
    *,
    everything: str = "",
    note: str = "",
) -> str:
    """A table of at most ROWS_MAX rows.

    Args:
        title: What it is of.
        header: Names of the columns.
        rows: The cells; of an iterator no more are taken than are shown, and one.
        everything: The call that gives all rows, named below a table that shows only some.
        note: A sentence below the table.
    """
    shown = list(islice(rows, ROWS_MAX + 1))
    more = len(shown) > ROWS_MAX
    head = "".join(f'<th style="{_HEAD}">{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown[:ROWS_MAX])
    below = f"the first {ROWS_MAX}; all: <code>{escape(everything)}</code>" if more else ""
    below = below or ("none" if not shown else "")
    return (
        f"<div>{_title(title)}"
        f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"{below_html(below)}{below_html(_text(note))}</div>"
    )


def fields_html(title: str, fields: Mapping[str, Cell | Bar], *, below: str = "") -> str:
    """The fields of one thing, a line each; empty ones are left out.

    Args:
        title: What it is.
        fields: Name and value.
        below: More HTML.
    """
    rows = "".join(
        f'<tr><th style="{_CELL};opacity:.65;font-weight:normal">{escape(name)}</th>'
        f"{_cell(value, left=True)}</tr>"
        for name, value in fields.items()
        if value not in ("", None)
    )
    return f'<div>{_title(title)}<table style="{_TABLE}"><tbody>{rows}</tbody></table>{below}</div>'


def _title(title: str) -> str:
    return f"<div><strong>{_text(title)}</strong></div>"


def below_html(html: str) -> str:
    """A line in small print, if there is anything to say."""
    return f'<div style="{_FAINT}">{html}</div>' if html else ""


def _cell(value: Cell | Bar, *, left: bool = False) -> str:
    if isinstance(value, Bar):
        bar = f'<progress value="{value.done}" max="{max(value.total, 1)}"></progress>'
        return f'<td style="{_CELL}">{bar} {value.done:,} of {value.total:,}</td>'
    if isinstance(value, bool):
        return f'<td style="{_CELL}">{"yes" if value else "no"}</td>'
    if isinstance(value, int):
        return f'<td style="{_CELL if left else _NUMBER}">{value:,}</td>'
    if isinstance(value, datetime):
        return f'<td style="{_CELL}"><span title="{value.isoformat()}">{value:%F %T}</span></td>'
    return f'<td style="{_CELL}">{_text(value or "")}</td>'


def _text(text: str) -> str:
    """As HTML. Names may hold bytes that are not UTF-8; a page is, wholly."""
    return escape(text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
