"""Rows of figures: one table on stdout, JSON beside it."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import Step


@dataclass
class Row:
    """One line of the table: what was done, what it took, and what that is a ratio of.

    Attributes:
        ratio: The figure that counts: this against `against`, in this run.
        goal: What the ratio, or another figure that the note gives, should be.
        met: Whether it is; None when there is no goal.
    """

    what: str
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_mib: float | None = None
    against: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""


def row(what: str, step: Step, *, note: str = "") -> Row:
    """A step by itself: a foil, or what has none."""
    return Row(what, step.seconds, step.cpu_seconds, step.peak_mib, note=note)


def versus(
    what: str, step: Step, against: str, foil: Step, *, at_most: float = 0.0, note: str = ""
) -> Row:
    """A step as a multiple of its foil's time, which must be at most so much, if that is said."""
    found = row(what, step, note=note)
    found.against, found.ratio = against, step.seconds / foil.seconds
    if at_most:
        found.goal, found.met = f"≤ {at_most:.3g}", found.ratio <= at_most
    return found


def each(
    what: str, step: Step, count: int, *, less: Step | None = None, at_most_ms: float = 0.0
) -> Row:
    """A step of many equal ones: milliseconds of one, less those of a step that it includes."""
    ms = (step.seconds - (less.seconds if less else 0.0)) * 1000 / count
    found = row(what, step, note=f"{ms:.2f} ms each" + (", less that" if less else ""))
    if at_most_ms:
        found.goal, found.met = f"≤ {at_most_ms:g} ms", ms <= at_most_ms
    return found


HEAD = f"{'':44} {'seconds':>8} {'CPU':>7} {'MiB':>5} {'ratio':>6}  goal"


def line(found: Row) -> str:
    """A row as it is printed."""
    cells = [
        f"{found.what:44}",
        _cell(found.seconds, 8, 3),
        _cell(found.cpu_seconds, 7, 2),
        _cell(found.peak_mib, 5, 0),
        _cell(found.ratio, 6, 2),
    ]
    of = f" of {found.against}" if found.against else ""
    goal = "" if found.met is None else f" {found.goal}: {'met' if found.met else 'NOT MET'}"
    note = f" ({found.note})" if found.note else ""
    return f"{' '.join(cells)} {of}{goal}{note}".rstrip()


def write_json(path: Path, scale: str, rows: Iterable[tuple[str, Row]]) -> None:
    """All rows, and where they were measured."""
    found = [{"case": case, **asdict(of_case)} for case, of_case in rows]
    machine = {"python": sys.version, "machine": platform.platform(), "scale": scale}
    path.write_text(json.dumps({**machine, "rows": found}, indent=1, ensure_ascii=False))


def _cell(value: float | None, width: int, digits: int) -> str:
    return " " * width if value is None else f"{value:{width}.{digits}f}"
