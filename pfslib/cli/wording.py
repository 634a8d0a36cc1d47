"""Times, sizes and names in words, as Docker and Pachyderm write them. Pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY_H: Final = 24
_WEEK_H: Final = 7 * _DAY_H
_MONTH_H: Final = 30 * _DAY_H
_YEAR_H: Final = 365 * _DAY_H
_KIB: Final = 1024
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

NONE: Final = "<none>"


def human_duration(seconds: float) -> str:
    """A length of time to one significant unit: `57 seconds`, `About an hour`, `2 weeks`."""
    if seconds < _HOUR:
        return _short_duration(int(seconds))
    hours = int(seconds / _HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    # A unit begins at two of it, so that nothing is rounded by more than half.
    for unit_h, name in ((_YEAR_H, "years"), (_MONTH_H, "months"), (_WEEK_H, "weeks")):
        if hours >= 2 * unit_h:
            return f"{hours // unit_h} {name}"
    return f"{hours // _DAY_H} days" if hours >= 2 * _DAY_H else f"{hours} hours"


def _short_duration(seconds: int) -> str:
    if seconds < 1:
        return "Less than a second"
    if seconds < _MINUTE:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = seconds // _MINUTE
    return "About a minute" if minutes == 1 else f"{minutes} minutes"


def ago(time: datetime, now: datetime) -> str:
    """How long ago something was; a time that a wrong clock put into the future is now."""
    return f"{human_duration((now - time).total_seconds())} ago"


def human_size(size: int) -> str:
    """A number of bytes to four digits: `27 B`, `1.5 KiB`."""
    value, unit = float(size), 0
    while value >= _KIB and unit + 1 < len(_UNITS):
        value, unit = value / _KIB, unit + 1
    return f"{value:.4g} {_UNITS[unit]}"


def counted(number: int, what: str) -> str:
    """A number of things: `1 file`, `2 files`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    r"""Text that changes nothing but what it says.

    Control characters, those that turn the direction of writing, and bytes that are not UTF-8
    become ``\n``, ``\u202e``, ``\xff``. Beside them a backslash is ``\\``, or it would be taken for
    the beginning of one; in text that needs none of that it stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() and char != "\\" else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - surrogateescape's bytes 0x80 to 0xff
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
