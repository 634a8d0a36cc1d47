"""What can stand where a command line is being typed: for the scripts of `pfs completion`.

All is taken from the commands themselves: their names, their options, the words of their usage.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import click

from pfslib.cli.bash_words import quoted, read_line
from pfslib.cli.commands import ALIASES, COMMANDS
from pfslib.cli.main import cli
from pfslib.cli.session import HostPath
from pfslib.kv.preferences import SETTINGS

if TYPE_CHECKING:
    from pfslib.cli.known_names import KnownNames

_PLACES: Final = frozenset({"NEW", "OLD", "SOURCE", "DESTINATION"})
"""Words of a usage that are each a whole place, `repo@ref:/path`."""

_REFS: Final = frozenset({"COMMIT", "BRANCH", "TAG"})
_PATHS: Final = frozenset({"PATH", "PATTERN"})
_NAMES: Final[dict[str, Callable[[KnownNames, str], Sequence[str]]]] = {
    "REPO": lambda names, typed: names.repos(typed),
    "PIPELINE": lambda names, typed: names.pipelines(typed),
    "IMAGE": lambda names, typed: names.images(typed),
    "JOB": lambda names, typed: names.jobs(typed),
}

Kind = Literal["word", "more", "file", "dir"]
"""A whole word; the beginning of one; or the shell is to offer files or directories."""


class Candidate(NamedTuple):
    """Something that could be typed."""

    kind: Kind
    text: str = ""
    help: str = ""


class _Line(NamedTuple):
    """What there is before the word that is being typed."""

    command: str
    """A command, the first word of one, or nothing."""

    positional: Sequence[str]
    pending: click.Option | None
    """The option whose value is being typed."""

    store: str | None


def main(args: Sequence[str]) -> None:
    """Print what could be typed, a candidate a line: kind, text and help, with tabs between.

    Nothing is ever complained about: it would be in the middle of what somebody types.

    Args:
        args: `words` and the words after `pfs`, the last one being typed, perhaps empty; or `bash`,
            the line up to the cursor, and what of it bash is going to replace.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as paths are, whatever the locale
    with suppress(Exception):  # no store, a damaged one, a commit that is not there
        form, *words = (os.fsencode(arg).decode("utf-8", "surrogateescape") for arg in args)
        for kind, text, explanation in _for_bash(*words) if form == "bash" else candidates(words):
            if (text + explanation).isprintable():  # other names nobody types
                print(kind, text, explanation, sep="\t")  # noqa: T201 - all of it is for standard output


def _for_bash(line: str, replaced: str) -> Iterator[Candidate]:
    """What bash is to put in the place of a part of the line: with quotes, as they are needed."""
    typed = read_line(line, replaced)
    if typed.redirected:
        yield Candidate("file")
        return
    found = [
        one._replace(text=quoted(one.text[typed.kept :], typed.quote))
        for one in candidates(typed.words)
    ]
    yield from found
    if typed.quote and [one.kind for one in found] == ["more"]:
        # Of a single one bash would close the quote, though the word is to go on.
        yield found[0]._replace(text=f"{found[0].text}...")


def candidates(words: Sequence[str]) -> Iterator[Candidate]:
    """What the last of some words could become."""
    *before, typed = words
    line = _parse(before)
    command = cli.get_command(click.Context(cli), line.command)
    if line.pending is not None:
        yield from _values(line, line.pending, typed)
    elif command is None:
        yield from _commands(line.command, typed)
    elif typed.startswith("-"):
        yield from _options(command, typed)
    else:
        yield from _positional(command, line, typed)


# --- words that are the same everywhere --------------------------------------------------------


def _commands(verb: str, typed: str) -> Iterator[Candidate]:
    """Commands by either spelling: after a verb, what it can be done with."""
    if verb == "" and typed.startswith("-"):
        yield from _options(cli, typed)
        return
    prefix = f"{verb}-" if verb else ""
    for name, place in COMMANDS.items():
        if name.startswith(prefix + typed):
            yield Candidate("word", name.removeprefix(prefix), place.summary)


def _options(command: click.Command, typed: str) -> Iterator[Candidate]:
    context = click.Context(command)
    for param in command.get_params(context):
        if isinstance(param, click.Option):
            for name in param.opts:
                if name.startswith(typed) and (len(name) > 2 or typed != "--"):  # noqa: PLR2004 - -x
                    yield Candidate("word", name, param.help or "")


# --- what is there already -------------------------------------------------------------------


def _parse(words: Sequence[str]) -> _Line:
    """Find the command, and which of the words are options of it."""
    start = _walk(cli, words, stop=True)
    rest = start.positional
    for count in (2, 1):
        name = "-".join(rest[:count])
        name = ALIASES.get(name, name)
        if name in COMMANDS and len(rest) >= count:
            command = cli.get_command(click.Context(cli), name)
            assert command is not None
            line = _walk(command, rest[count:], stop=False)
            return line._replace(command=name, store=line.store or start.store)
    return start._replace(command=" ".join(rest))


def _walk(command: click.Command, words: Sequence[str], *, stop: bool) -> _Line:
    options = {
        name: param
        for param in command.get_params(click.Context(command))
        if isinstance(param, click.Option)
        for name in param.opts
    }
    positional: list[str] = []
    pending: click.Option | None = None
    store: str | None = None
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            positional.append(word)
            if stop:
                positional += rest
            continue
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            name = f"-{name[-1]}"  # of several in one word, the last may take a value
        option = options.get(name)
        if option is None or option.is_flag:
            continue
        given = value if equals else next(rest, None)
        pending = option if given is None else None
        store = given if option.name == "store" else store
    return _Line("", positional, pending, store)


# --- words that are names of something -------------------------------------------------------


def _values(line: _Line, option: click.Option, typed: str) -> Iterator[Candidate]:
    """What can be the value of an option."""
    if isinstance(option.type, click.Choice):
        yield from _of(option.type.choices, typed)
    elif option.metavar == "DIR":
        yield Candidate("dir")
    elif option.metavar == "FILE" or isinstance(option.type, HostPath | click.Path):
        yield Candidate("file")
    elif option.metavar == "COMMIT" and line.positional:
        repo = line.positional[0].partition("@")[0]
        yield from _named(line, lambda names: names.refs(repo, typed))
    elif option.name == "pipeline":
        yield from _named(line, lambda names: names.pipelines(typed))


def _positional(command: click.Command, line: _Line, typed: str) -> Iterator[Candidate]:
    """What can be the next word of a command, by the words of its usage."""
    wanted = _usage(command)
    given = list(line.positional)
    if wanted[:1] == ["REPO"] and given and "@" in given[0]:  # which says more than one word
        said = _REFS | _PATHS if ":" in given[0] else _REFS
        wanted = [word for word in wanted[1:] if word not in said]
        given.pop(0)
    if "DIR" in wanted:  # first, for there may be no store to ask for more
        yield Candidate("dir")
    if wanted == ["COMMAND"]:
        yield from _commands("-".join(given), typed)
        return
    word = wanted[len(given)] if len(given) < len(wanted) else ""
    if word in _PLACES or (word == "REPO" and _REFS & {*wanted}):
        yield from _place(line, typed, has_path=word in _PLACES or bool(_PATHS & {*wanted}))
    elif word in _REFS and given:
        yield from _named(line, lambda names: names.refs(given[0], typed))
    elif word in _PATHS and line.positional:
        yield from _path(line, typed)
    elif word in _NAMES:
        yield from _named(line, lambda names: _NAMES[word](names, typed))
    elif word == "SETTING":
        yield from _of(SETTINGS, typed)
    elif word:
        yield from _choices(command, given, typed)


def _usage(command: click.Command) -> list[str]:
    """The words of a command's usage: what its arguments are."""
    words: list[str] = []
    for param in command.params:
        if isinstance(param, click.Argument):
            usage = param.metavar or str(param.name).upper()
            words += re.findall("[A-Z]+", usage.replace("COMMIT|BRANCH", "COMMIT"))
    verb, _, noun = str(command.name).partition("-")
    named = noun.upper() if verb != "create" else ""
    return [named if word == "NAME" else word for word in words]


def _choices(command: click.Command, given: Sequence[str], typed: str) -> Iterator[Candidate]:
    if command.name == "config-set" and (setting := SETTINGS.get(given[0])):
        yield from _of(setting.choices, typed) if setting.choices else [Candidate("dir")]
    for param in command.params:
        if isinstance(param, click.Argument) and isinstance(param.type, click.Choice):
            yield from _of(param.type.choices, typed)


def _of(words: Iterable[str], typed: str) -> Iterator[Candidate]:
    return (Candidate("word", word) for word in words if word.startswith(typed))


def _place(line: _Line, typed: str, *, has_path: bool) -> Iterator[Candidate]:
    """A commit or a path in it as one word, or a repo as the first of several."""
    repo, at, rest = typed.partition("@")
    ref, colon, path = rest.partition(":")
    with _names_of(line) as names:
        if not at:
            yield from (Candidate("more", name) for name in names.repos(typed))
        elif not colon:
            kind: Kind = "more" if has_path else "word"
            yield from (Candidate(kind, f"{repo}@{name}") for name in names.refs(repo, ref))
        elif has_path:
            found = names.paths(repo, ref, path)
            yield from (_step(f"{repo}@{ref}:{path}") for path in found)


def _path(line: _Line, typed: str) -> Iterator[Candidate]:
    """A path in the commit that the words before it mean."""
    repo, at, ref = line.positional[0].partition("@")
    with _names_of(line) as names:
        for path in names.paths(repo, ref if at else line.positional[1], typed):
            yield _step(path)


def _step(path: str) -> Candidate:
    return Candidate("more" if path.endswith("/") else "word", path)


def _named(line: _Line, find: Callable[[KnownNames], Sequence[str]]) -> Iterator[Candidate]:
    with _names_of(line) as names:
        yield from (Candidate("word", name) for name in find(names))


def _names_of(line: _Line) -> AbstractContextManager[KnownNames]:
    from pfslib.cli.known_names import known_names  # imports what opens a store

    return known_names(line.store)
