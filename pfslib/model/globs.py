r"""Glob patterns: text in, matcher out.

As in Pachyderm, a pattern is matched against a whole path that begins with '/' and does not end
with one; '/' alone means the root. ``*`` is any run without '/', ``**`` any run, ``?`` one
character but '/', ``[abc]`` ``[!a-z]`` a class, ``{a,b}`` alternatives, ``\c`` the character c.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pfslib.model.errors import InvalidGlobError

_STAR: Final = "[^/]*"
_STARS: Final = ".*"
_NOT_SLASH: Final = "[^/]"
_ALTERNATIVES_MAX: Final = 1000
_BRACES_MAX: Final = 64

_Sequence = tuple[str, ...]
"""Regular expressions of one character each, `_STAR` and `_STARS`."""


class Glob:
    """A compiled pattern.

    Attributes:
        pattern: Its one text form, beginning with '/'.
        parts: A matcher for each component, when each component of the pattern stands for exactly
            one of the path; None for patterns with ``**`` or with '/' inside braces.
    """

    __slots__ = ("_regex", "parts", "pattern")

    def __init__(self, pattern: str) -> None:
        text = "/" + pattern.strip("/")
        self.pattern = text
        self._regex = _compile(text)
        self.parts = _compile_parts(text)

    def matches(self, path: str) -> bool:
        """Whether a path, in its normal form, matches."""
        return self._regex.fullmatch(path) is not None


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> Glob:
    """The matcher of a pattern.

    Raises:
        InvalidGlobError: A bracket or brace is not closed, or braces stand for too much.
    """
    return Glob(pattern)


def _compile_parts(text: str) -> tuple[re.Pattern[str], ...] | None:
    if "**" in text or "\\/" in text:
        return None
    try:
        return tuple(_compile(part) for part in text.split("/") if part)
    except InvalidGlobError:  # the whole is valid: a '/' is inside braces or brackets
        return None


def _compile(pattern: str) -> re.Pattern[str]:
    if pattern.count("{") > _BRACES_MAX:
        raise InvalidGlobError(pattern, f"it has more than {_BRACES_MAX} braces")
    sequences, _ = _read_sequence(pattern, 0, inside=False)
    return re.compile("|".join(_regex_of(sequence) for sequence in sequences), re.DOTALL)


def _read_sequence(pattern: str, at: int, *, inside: bool) -> tuple[list[_Sequence], int]:
    """All that a pattern stands for, from a place to its end or the end of an alternative."""
    found: list[_Sequence] = [()]
    while at < len(pattern) and not (inside and pattern[at] in ",}"):
        following, at = _read_item(pattern, at)
        found = [(*before, *after) for before in found for after in following]
        if len(found) > _ALTERNATIVES_MAX:
            why = f"its braces stand for more than {_ALTERNATIVES_MAX} patterns"
            raise InvalidGlobError(pattern, why)
    return found, at


def _read_item(pattern: str, at: int) -> tuple[list[_Sequence], int]:
    """The alternatives that a character, class or brace stands for, and where it ends."""
    char, after = pattern[at], at + 1
    if char == "*":
        while pattern[after : after + 1] == "*":
            after += 1
        return [(_STARS if after - at > 1 else _STAR,)], after
    if char == "?":
        return [(_NOT_SLASH,)], after
    if char == "[":
        return _read_class(pattern, after)
    if char == "{":
        return _read_braces(pattern, after)
    if char == "\\" and after < len(pattern):
        return [(re.escape(pattern[after]),)], after + 1
    return [(re.escape(char),)], after


def _read_braces(pattern: str, at: int) -> tuple[list[_Sequence], int]:
    found: list[_Sequence] = []
    while True:
        alternatives, at = _read_sequence(pattern, at, inside=True)
        found += alternatives
        if at == len(pattern):
            raise InvalidGlobError(pattern, "a '{' is not closed")
        at += 1
        if pattern[at - 1] == "}":
            return found, at


def _read_class(pattern: str, at: int) -> tuple[list[_Sequence], int]:
    negated = pattern[at : at + 1] in {"!", "^"}
    at += negated
    end = pattern.find("]", at + 1)
    if end < 0:
        raise InvalidGlobError(pattern, "a '[' is not closed")
    members = []
    while at < end:
        first, last = pattern[at], pattern[at]
        at += 1
        if pattern[at] == "-" and at + 1 < end:
            last = pattern[at + 1]
            at += 2
        if last < first:
            raise InvalidGlobError(pattern, f"the range {first}-{last} is empty")
        members.append(f"{re.escape(first)}-{re.escape(last)}")
    return [(f"(?!/)[{'^' if negated else ''}{''.join(members)}]",)], end + 1


def _regex_of(sequence: _Sequence) -> str:
    """A regular expression that never looks for what follows a star twice.

    What follows a star, up to the next one, has a fixed length. Its first occurrence is as good as
    any other: one further on leaves less to what comes after. So it is not given up once found
    (an atomic group), and no name can make the matching explode. Only the last one must be at the
    end, instead, and after a `**`, which unlike `*` may go beyond a '/', so must all since then.
    """
    *groups, last = _split(sequence, _STARS)
    regexes = []
    for group in groups:
        start, *others = ("".join(run) for run in _split(group, _STAR))
        regexes.append(start + "".join(f"(?>{_STAR}?{run})" for run in others))
    start, *others = ("".join(run) for run in _split(last, _STAR))
    regexes.append(start + "".join(f"(?>{_STAR}?{run})" for run in others[:-1]))
    if others:
        regexes[-1] += _STAR + others[-1]
    if not groups:
        return regexes[0]
    first, *middle, end = regexes
    return first + "".join(f"(?>{_STARS}?{regex})" for regex in middle) + _STARS + end


def _split(sequence: _Sequence, at: str) -> list[_Sequence]:
    """The parts of a sequence between the occurrences of an item."""
    places = [number for number, item in enumerate(sequence) if item == at]
    starts = [0, *(place + 1 for place in places)]
    return [sequence[start:end] for start, end in zip(starts, [*places, None], strict=True)]
