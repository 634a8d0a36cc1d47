"""Times of the store as times of Python."""

from __future__ import annotations

from datetime import UTC, datetime


def when(time_ns: int) -> datetime:
    """A time of the store as an aware datetime, in UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC)
