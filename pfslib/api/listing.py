"""Listing: an iterator that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

RowT = TypeVar("RowT")


class Listing(Iterator[RowT], Generic[RowT]):
    """An iterator over rows; a notebook shows the first ones, which takes nothing from it."""

    def __init__(
        self, rows: Callable[[], Iterator[RowT]], show: Callable[[Iterable[RowT]], str]
    ) -> None:
        """List rows.

        Args:
            rows: Begins at the first row, each time it is called.
            show: The rows as HTML; takes no more of them than it shows.
        """
        self._begin = rows
        self._rows = rows()
        self._show = show

    def __next__(self) -> RowT:
        return next(self._rows)

    def _repr_html_(self) -> str:
        return self._show(self._begin())
