"""Durations and sizes as specs write them: 1h30m, 500ms; 64Mi, 2G."""

from __future__ import annotations

import re
from typing import Final

EVERY: Final = "@every "

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:[0-9]{1,18}(?:\.[0-9]{0,18})?(?:ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9.]+)(ms|s|m|h)")

_SUFFIXES: Final = {
    "": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "k": 10**3, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
_SIZE: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?) ?([A-Za-z]*)")


def seconds_of(text: str) -> float:
    """Seconds of a duration such as 90s, 1h30m, 500ms.

    Raises:
        ValueError: It is none; says how to write one.
    """
    stripped = text.strip()
    if _DURATION.fullmatch(stripped) is None:
        if re.fullmatch(r"[0-9.]+", stripped):
            msg = f"{text!r} lacks a unit: write 90s, 5m or 1h30m"
            raise ValueError(msg)
        msg = f"{text!r} is no duration: write 90s, 5m or 1h30m"
        raise ValueError(msg)
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(stripped))


def bytes_of(text: str) -> int:
    """Bytes of a size such as 64Mi, 2G or 1000000.

    Raises:
        ValueError: It is none; says how to write one.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or found[2] not in _SUFFIXES:
        msg = f"{text!r} is no size: write 64Mi, 2G or a number of bytes"
        raise ValueError(msg)
    return round(float(found[1]) * _SUFFIXES[found[2]])
