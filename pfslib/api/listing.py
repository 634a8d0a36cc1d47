"""Listing: an iterator that shows its first rows, in a notebook as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, Generic, Never, SupportsIndex, TypeVar

from pfslib.model.errors import PfsError

RowT = TypeVar("RowT")
_ROWS: Final = 10
_COLUMNS: Final = 300


class Listing(Iterator[RowT], Generic[RowT]):
    """An iterator over rows. It shows the first ones, which takes nothing from it.

    What is left of an iterator is not for another process: pickle a list of the rows.
    """

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

    def __repr__(self) -> str:
        try:
            rows = [repr(row) for row in islice(self._begin(), _ROWS + 1)]
        except PfsError as error:  # what it lists may be gone: showing never fails
            return f"<Listing: {error}>"
        cut = [row if len(row) <= _COLUMNS else f"{row[:_COLUMNS]}…" for row in rows[:_ROWS]]
        more = ["and more"] if len(rows) > _ROWS else []
        return "\n  ".join(["<Listing:", *(cut or ["no rows"]), *more]) + ">"

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("cannot pickle a listing: it is an iterator; pickle list(listing) instead")

    def _repr_html_(self) -> str:
        return self._show(self._begin())
