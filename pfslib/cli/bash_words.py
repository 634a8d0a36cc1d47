"""A command line as bash has it: its words without the quotes, and words with them again."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from typing import Final, NamedTuple

_TYPED: Final = "\x01"
_REDIRECTION: Final = re.compile(r"\d*(?:&?>>?|>\||<)(?!&)")


class BashLine(NamedTuple):
    """A command line, up to the cursor."""

    words: list[str]
    """After the command; the last one is being typed."""

    quote: str
    """The quote that is open; or nothing."""

    kept: int
    """So many characters of the last word stay, as bash takes them for words before it."""

    redirected: bool
    """Whether the last word is the file of a redirection."""


def read_line(line: str, replaced: str) -> BashLine:
    """Understand a command line.

    Args:
        line: All of it.
        replaced: What of it bash is going to replace: as it was typed, but without an open quote.
    """
    words, quote = _split(line)
    typed, plain = words[-1], _split(quote + replaced)[0][-1]
    words, redirected = _without_redirections(words[1:])
    kept = len(typed) - len(plain) if typed.endswith(plain) else 0
    return BashLine(words, quote, kept, redirected)


def quoted(text: str, quote: str) -> str:
    """What is to be typed for some text, after a quote or without one."""
    if quote == "'":
        return text.replace("'", r"'\''")
    special = r'[\\"$`]' if quote else r"[^\w@%+=:,./^-]"
    return re.sub(special, r"\\\g<0>", text)


def _split(line: str) -> tuple[list[str], str]:
    """The words of a line, and the quote that is open at its end."""
    for quote in ("", "'", '"'):
        with suppress(ValueError):
            *words, last = shlex.split(line + _TYPED + quote)
            return [*words, last.removesuffix(_TYPED)], quote
    return [""], ""


def _without_redirections(words: list[str]) -> tuple[list[str], bool]:
    """The words that the command gets, and whether the last one is none of them."""
    kept: list[str] = []
    is_file = redirected = False
    for word in words:
        found = None if is_file else _REDIRECTION.match(word)
        redirected = is_file or found is not None
        is_file = found is not None and found.end() == len(word)
        if not redirected:
            kept.append(word)
    return kept, redirected
