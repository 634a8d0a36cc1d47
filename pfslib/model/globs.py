r"""Glob patterns: text in, matcher out.

As in Pachyderm, a pattern is matched against a whole path that begins with '/' and does not end
with one; '/' alone means the root. ``*`` is any run without '/', ``**`` any run, ``?`` one
character but '/', ``[abc]`` ``[!a-z]`` a class, ``{a,b}`` alternatives, ``\c`` the character c;
``(a|b)`` and ``@(a|b)`` are one of, ``?(a|b)`` at most one, ``*(a|b)`` any number, ``+(a|b)`` at
least one, ``!(a|b)`` none of these.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pfslib.model.errors import InvalidGlobError
from pfslib.model.glob_machine import (
    Chars,
    Choice,
    Item,
    Repeated,
    Run,
    Sequence,
    State,
    Unlike,
    literal,
    machine,
    slashes_in,
)

_NESTED_MAX: Final = 64
_EXTENDED: Final = "@?*+!"


class Glob:
    """A compiled pattern.

    Attributes:
        pattern: Its one text form, beginning with '/'.
        start: The state before the '/' that a path begins with.
        depth: How many components every path that matches has; None if that varies.
    """

    __slots__ = ("depth", "pattern", "start")

    def __init__(self, pattern: str) -> None:
        self.pattern = "/" + re.sub("/+", "/", pattern).strip("/")
        sequence = _Parser(self.pattern).read()
        self.start: State = machine(sequence)
        self.depth = 0 if self.pattern == "/" else slashes_in(sequence)

    def matches(self, path: str) -> bool:
        """Whether a path, in its normal form, matches. Cost: O(length of the path)."""
        return self.start.feed(path).accepts if path != "/" else self.depth == 0


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> Glob:
    """The matcher of a pattern.

    Raises:
        InvalidGlobError: A bracket, brace or parenthesis is not closed, or they are nested too
            deeply.
    """
    return Glob(pattern)


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._nested = 0

    def read(self) -> Sequence:
        """All of it."""
        return self._sequence("")

    def _sequence(self, ends: str) -> Sequence:
        """Up to one of some characters, which is not taken, or the end."""
        items: list[Item] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in ends:
            item = self._item()
            if not (isinstance(item, Run) and items and items[-1] == item):
                items.append(item)
        return tuple(items)

    def _item(self) -> Item:
        char, following = self._pattern[self._at], self._pattern[self._at + 1 : self._at + 2]
        self._at += 1
        if char in _EXTENDED and following == "(":
            self._at += 1
            return self._extended(char)
        if char == "*":
            return self._run()
        if char == "?":
            return Chars((("/", "/"),), negated=True)
        if char == "[":
            return self._class()
        if char == "{":
            return Choice(self._options(",", "}"))
        if char == "(":
            return Choice(self._options("|", ")"))
        if char == "\\" and following:
            self._at += 1
            return literal(following)
        return literal(char)

    def _run(self) -> Run:
        """The stars that follow, but for one that begins a `*(…)`."""
        start = self._at - 1
        while self._pattern[self._at : self._at + 1] == "*":
            if self._pattern[self._at + 1 : self._at + 2] == "(":
                break
            self._at += 1
        return Run(with_slashes=self._at - start > 1)

    def _extended(self, kind: str) -> Item:
        options = self._options("|", ")")
        if kind == "!":
            return Unlike(options)
        if kind == "*":
            return Repeated(options)
        if kind == "+":
            again = Repeated(options)
            return Choice(frozenset((*option, again) for option in options))
        return Choice(options | {()}) if kind == "?" else Choice(options)

    def _options(self, separator: str, end: str) -> frozenset[Sequence]:
        """Patterns up to the end of a brace or group."""
        self._nested += 1
        if self._nested > _NESTED_MAX:
            raise InvalidGlobError(self._pattern, f"it is nested more than {_NESTED_MAX} deep")
        begin = self._pattern[self._at - 1]
        found: set[Sequence] = set()
        while True:
            found.add(self._sequence(separator + end))
            if self._at == len(self._pattern):
                raise InvalidGlobError(self._pattern, f"a '{begin}' is not closed")
            self._at += 1
            if self._pattern[self._at - 1] == end:
                self._nested -= 1
                return frozenset(found)

    def _class(self) -> Chars:
        pattern = self._pattern
        negated = pattern[self._at : self._at + 1] in {"!", "^"}
        at = self._at + negated
        end = pattern.find("]", at + 1)
        if end < 0:
            raise InvalidGlobError(pattern, "a '[' is not closed")
        ranges: list[tuple[str, str]] = []
        while at < end:
            first = last = pattern[at]
            at += 1
            if pattern[at] == "-" and at + 1 < end:
                last = pattern[at + 1]
                at += 2
            if last < first:
                raise InvalidGlobError(pattern, f"the range {first}-{last} is empty")
            ranges.extend(_without_slash(first, last))
        self._at = end + 1
        return Chars((*ranges, ("/", "/")) if negated else tuple(ranges), negated)


def _without_slash(first: str, last: str) -> list[tuple[str, str]]:
    """A range less the '/', which no class takes."""
    if not first <= "/" <= last:
        return [(first, last)]
    parts = [(first, "."), ("0", last)]
    return [(low, high) for low, high in parts if low <= high]
