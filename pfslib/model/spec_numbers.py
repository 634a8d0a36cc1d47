"""Numbers, sizes and durations of a spec, each within what makes sense."""

from __future__ import annotations

from typing import Final

from pfslib.model.durations import bytes_of, seconds_of
from pfslib.model.errors import InvalidSpecError

DURATION_MAX_S: Final = 366 * 24 * 3600


def limit_of(number: float, low: float, high: float, field: str) -> float:
    """A limit; 0 for none."""
    return in_range(number, low, high, field) if number else 0


def in_range(number: float, low: float, high: float, field: str) -> float:
    """A number that must lie between two others."""
    if not low <= number <= high:
        raise InvalidSpecError(f"{number} is not between {low} and {high}", field=field)
    return number


def size_of(text: str, field: str) -> int:
    """Bytes; 0 for none."""
    try:
        return bytes_of(text) if text else 0
    except ValueError as error:
        raise InvalidSpecError(str(error), field=field) from None


def duration_of(text: str, field: str) -> float:
    """Seconds; 0 for none."""
    if not text.strip():
        return 0.0
    try:
        seconds = seconds_of(text)
    except ValueError as error:
        raise InvalidSpecError(str(error), field=field) from None
    if seconds > DURATION_MAX_S:
        raise InvalidSpecError(f"{text!r} is longer than a year", field=field)
    return seconds
