"""Where a command is to act: REPO COMMIT PATH as words, or `repo@ref:/path` as one.

The first word may say it all, in either of two forms: `projects@master:/one.txt`, or what listings
print, `projects/master/0`. What it leaves open, the words after it say.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
import msgspec

from pfslib.cli.session import is_text
from pfslib.model.errors import InvalidReferenceError
from pfslib.model.paths import to_text

REPO, COMMIT, BRANCH, PATH = "REPO", "COMMIT", "BRANCH", "PATH"


class Place(msgspec.Struct, frozen=True):
    """A place in a store; parts that were not given are empty."""

    repo: str
    commit: str = ""
    path: str = ""
    joined: bool = False
    """Whether repo and commit were one word."""

    @property
    def reference(self) -> str:
        """The commit, as `Store.commit` wants it."""
        return f"{self.repo}@{self.commit}"


def parse_place(words: Sequence[str], *names: str, optional: int = 0) -> Place:
    """The place that words mean.

    Args:
        words: What was given.
        names: What is wanted, in this order: the repo, then the commit or branch, then the path.
        optional: How many of those, from the end, may be left out.

    Raises:
        click.UsageError: A word is missing, or there is one too many.
        InvalidReferenceError: The words mean no commit.
    """
    given = [*_taken_apart(words[0]), *words[1:]] if words else []
    if len(given) > len(names):
        raise click.UsageError(f"{given[len(names)]!r} is one word too many")
    if len(given) < len(names) - optional:
        raise click.UsageError(f"the {names[len(given)]} is missing")
    repo, commit, path = (*given, "", "", "")[:3]
    for word in (repo, commit):
        if not is_text(word):
            raise InvalidReferenceError(ascii(word), "it is not UTF-8")
    joined = bool(words) and words[0] != repo
    return Place(repo, check_commit(repo, commit), as_typed(path), joined)


def take_place(words: Sequence[str], *names: str, optional: int = 0) -> tuple[Place, Sequence[str]]:
    """The place that the first words mean, and the words after them.

    One word that says which commit is a place of its own. Otherwise a place is as many words as
    there are names, or as few as may be if that many are left, or twice that many.
    """
    few = len(names) - optional
    if words and len(_taken_apart(words[0])) > 1:
        count = 1
        optional = len(names) - 1 if optional else optional
    else:
        count = few if len(words) in {few, 2 * few} else len(names)
    return parse_place(words[:count], *names, optional=optional), words[count:]


def check_commit(repo: str, word: str) -> str:
    """A commit as the api wants it, of one that may be written as listings print it.

    `projects/master/0` is `master/0` in repo projects. `master/0` stays what it is, also where the
    repo itself is called master.

    Raises:
        InvalidReferenceError: It has a repo or path of its own.
    """
    rest = word.removeprefix(f"{repo}/")
    if rest != word and not rest.isdecimal():
        word = rest
    if "@" in word or ":" in word:
        raise InvalidReferenceError(word, "a commit has no '@' and no ':'")
    return word


def _taken_apart(word: str) -> list[str]:
    """The repo, and what the word says besides."""
    place, colon, path = word.partition(":")
    repo, at, commit = place.partition("@")
    if not at:
        repo, at, commit = place.partition("/")
    if not repo:
        raise InvalidReferenceError(word, "it names no repo")
    if (at or colon) and not commit:
        raise InvalidReferenceError(word, "it names no commit")
    return [repo, *([commit] if at else []), *([path] if colon else [])]


def as_typed(path: str) -> str:
    """The path as the bytes that were typed mean it, whatever encoding the terminal has."""
    return to_text(os.fsencode(path))
