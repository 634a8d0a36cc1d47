r"""Glob patterns: text in, matcher out.

As in Pachyderm, a pattern is matched against a whole path that begins with '/' and does not end
with one; '/' alone means the root. ``*`` is any run without '/', ``**`` any run, ``?`` one
character but '/', ``[abc]`` ``[!a-z]`` a class, ``{a,b}`` alternatives, ``\c`` the character c.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pfslib.model.errors import InvalidGlobError


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
        self.parts: tuple[re.Pattern[str], ...] | None = None
        if "**" not in text and not re.search(r"\{[^}]*/", text):
            self.parts = tuple(_compile(part) for part in text.split("/") if part)

    def matches(self, path: str) -> bool:
        """Whether a path, in its normal form, matches."""
        return self._regex.fullmatch(path) is not None


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> Glob:
    """The matcher of a pattern.

    Raises:
        InvalidGlobError: A bracket or brace is not closed.
    """
    return Glob(pattern)


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_translate(pattern), re.DOTALL)
    except re.error as error:
        raise InvalidGlobError(pattern, str(error)) from error


def _translate(pattern: str) -> str:  # noqa: C901 - one branch a kind of character
    out: list[str] = []
    at, depth = 0, 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            stars = 1
            while pattern[at : at + 1] == "*":
                stars, at = stars + 1, at + 1
            out.append(".*" if stars > 1 else "[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            text, at = _translate_class(pattern, at)
            out.append(text)
        elif char == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        elif char == "{":
            depth += 1
            out.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            out.append(")")
        elif char == "," and depth:
            out.append("|")
        else:
            out.append(re.escape(char))
    if depth:
        raise InvalidGlobError(pattern, "a '{' is not closed")
    return "".join(out)


def _translate_class(pattern: str, at: int) -> tuple[str, int]:
    """The class that begins after a '[', and where it ends."""
    negated = pattern[at : at + 1] in {"!", "^"}
    start = at + negated
    end = pattern.find("]", start + 1)
    if end < 0:
        raise InvalidGlobError(pattern, "a '[' is not closed")
    inside = pattern[start:end].replace("\\", r"\\").replace("[", r"\[").replace("&", r"\&")
    inside = inside.replace("~", r"\~").replace("|", r"\|")
    return f"(?!/)[{'^' if negated else ''}{inside}]", end + 1
