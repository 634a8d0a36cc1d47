r"""What the groups of a glob capture: ``(x)`` is ``$1`` in `join_on` and `group_by`.

Whether a path matches is the business of `globs`; this is asked only of paths that do. ``(x|y)``,
``@(x|y)`` and ``?(x)`` capture. Repetition and negation, which capture in Pachyderm, are refused:
for them a regular expression can take for ever.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pfslib.model.errors import InvalidGlobError
from pfslib.model.globs import compile_glob

_STARS_MAX: Final = 4
"""In one component: each further one multiplies the time that the worst name takes."""

_REFERENCE: Final = re.compile(r"\$(\d+|\{\d+\})")


class Captures:
    """The groups of a pattern.

    Attributes:
        groups: How many there are.
    """

    __slots__ = ("_pattern", "_regex", "groups")

    def __init__(self, pattern: str) -> None:
        compile_glob(pattern)
        translator = _Translator(pattern)
        self.groups = translator.groups
        self._pattern = pattern
        self._regex = re.compile("/" + "".join(translator.regex).strip("/"), re.DOTALL)

    def expand(self, template: str, path: str) -> str:
        """A template with what the groups captured filled in, for a path that matches."""
        found = self._regex.fullmatch(path)

        def captured(reference: re.Match[str]) -> str:
            number = int(reference[1].strip("{}"))
            return (found[number] or "") if found is not None and number <= self.groups else ""

        return _REFERENCE.sub(captured, template)

    def check_template(self, template: str) -> str:
        """What is wrong with a template; empty for nothing."""
        numbers = [int(found[1].strip("{}")) for found in _REFERENCE.finditer(template)]
        if not numbers:
            return "it names no group of the glob, such as $1"
        wrong = next((number for number in numbers if not 1 <= number <= self.groups), None)
        if wrong is None:
            return ""
        return f"the glob {self._pattern} has {self.groups} groups, so there is no ${wrong}"


@lru_cache(maxsize=256)
def captures_of(pattern: str) -> Captures:
    """The groups of a pattern.

    Raises:
        InvalidGlobError: It is no pattern, or has what cannot be had together with captures.
    """
    return Captures(pattern)


class _Translator:
    """A valid pattern to a regular expression."""

    def __init__(self, pattern: str) -> None:
        self.regex: list[str] = []
        self.groups = 0
        self._pattern = pattern
        self._closers: list[str] = []
        self._stars = 0
        at = 0
        while at < len(pattern):
            at = self._read(at)

    def _read(self, at: int) -> int:
        """Translate what is at a place; where it ends."""
        char, following = self._pattern[at], self._pattern[at + 1 : at + 2]
        if char in "*+!" and following == "(":
            raise InvalidGlobError(
                self._pattern,
                f"{char}(…) is not had in a join or group: write (*) or (a|b) to capture",
            )
        if char in "@?" and following == "(":
            self._open("(", ")?" if char == "?" else ")")
            return at + 2
        if char == "*":
            return self._star(at)
        if char == "[":
            return self._class(at)
        if char == "\\" and following:
            self.regex.append(re.escape(following))
            return at + 2
        self._one(char)
        return at + 1

    def _one(self, char: str) -> None:
        if char == "(":
            self._open("(", ")")
        elif char == "{":
            self._open("(?:", "}")
        elif char in ")}" and self._closers:
            self.regex.append(self._closers.pop().replace("}", ")"))
        elif self._closers and char == ("," if self._closers[-1] == "}" else "|"):
            self.regex.append("|")
        elif char == "?":
            self.regex.append("[^/]")
        else:
            self._stars = 0 if char == "/" else self._stars
            self.regex.append(re.escape(char))

    def _open(self, begin: str, closer: str) -> None:
        self.groups += begin == "("
        self.regex.append(begin)
        self._closers.append(closer)

    def _star(self, at: int) -> int:
        end = at
        while self._pattern[end : end + 1] == "*":
            end += 1
        self._stars += 1
        if self._stars > _STARS_MAX:
            raise InvalidGlobError(
                self._pattern, f"with captures, no more than {_STARS_MAX} stars between slashes"
            )
        self.regex.append(".*" if end - at > 1 else "[^/]*")
        return end

    def _class(self, at: int) -> int:
        end = self._pattern.find("]", at + 2)
        negated = self._pattern[at + 1] in "!^"
        inner = self._pattern[at + 1 + negated : end]
        escaped = re.sub(r"([\\\[&~|])", r"\\\1", inner)
        self.regex.append(f"(?!/)[{'^' if negated else ''}{escaped}]")
        return end + 1
