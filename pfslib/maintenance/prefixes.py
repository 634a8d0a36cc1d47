"""Many digests in little memory, to be compared with a table in key order.

Of each digest the first 8 bytes are kept, 8 bytes of memory each, in a few sorted arrays. Two
digests with the same 8 bytes are taken for one: a thing that is asked for may then be found though
it was not added (once in 10**13 for a million), never the other way round.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from heapq import merge
from typing import Final

PREFIX_SIZE: Final = 8
_RUN: Final = 1 << 18
_RUNS_MAX: Final = 16


class PrefixSet:
    """A set of digests, by prefix."""

    def __init__(self) -> None:
        self._fresh = array("Q")
        self._runs: list[array[int]] = []

    def add(self, digest: bytes) -> None:
        """Add a digest. Cost: amortised, a step of a sort."""
        self._fresh.append(int.from_bytes(digest[:PREFIX_SIZE], "big"))
        if len(self._fresh) == _RUN:
            self._close_run()

    def ordered(self) -> OrderedPrefixes:
        """What was added so far, to be asked in order of the digests."""
        self._close_run()
        return OrderedPrefixes(merge(*self._runs))

    def _close_run(self) -> None:
        if not self._fresh:
            return
        self._runs.append(array("Q", _without_repeats(iter(sorted(self._fresh)))))
        self._fresh = array("Q")
        if len(self._runs) > _RUNS_MAX:
            self._runs = [array("Q", _without_repeats(merge(*self._runs)))]


class OrderedPrefixes:
    """Answers whether digests are in the set; the questions must come in ascending order."""

    def __init__(self, prefixes: Iterator[int]) -> None:
        self._prefixes = prefixes
        self._next = next(prefixes, None)

    def __contains__(self, digest: bytes) -> bool:
        wanted = int.from_bytes(digest[:PREFIX_SIZE], "big")
        while self._next is not None and self._next < wanted:
            self._next = next(self._prefixes, None)
        return self._next == wanted


def _without_repeats(ordered: Iterator[int]) -> Iterator[int]:
    last = -1
    for value in ordered:
        if value != last:
            yield value
            last = value
