"""`pfs config list`, `get`, `set` and `unset`: the user's settings."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from pfslib.cli.output import Document, show_list, show_made
from pfslib.cli.session import TEXT, Command, Session
from pfslib.cli.whole_files import written_whole
from pfslib.cli.wording import printable
from pfslib.kv.directory_lock import locked
from pfslib.kv.preferences import (
    SETTINGS,
    Value,
    check_value,
    config_file,
    find_setting,
    known_setting,
    parse_config,
    read_config,
)
from pfslib.model.errors import InvalidInputError

_COMMENT: Final = r"""^\s*(?:"(?:[^"\\]|\\.)*"|'[^']*')(\s*#.*)$"""
"""What may stand behind a value."""


@click.command(cls=Command)
@click.option("--origin", is_flag=True, help="Also show who says so.")
@click.pass_obj
def config_list(session: Session, *, origin: bool) -> None:
    """List the settings, and what they are.

    An option says it first, then the environment, then the user's file, then a default. Before the
    file is asked for the store, the nearest .pfs upwards is taken.
    """
    columns = 4 if origin else 3
    show_list(
        session,
        map(_find, SETTINGS),
        ("NAME", "VALUE", "MEANING", "ORIGIN")[:columns],
        lambda found: _row(found)[:columns],
        _document,
    )


@click.command(cls=Command)
@click.argument("name", metavar="SETTING", type=TEXT)
@click.pass_obj
def config_get(session: Session, name: str) -> None:
    """Print what a setting is."""
    found = _find(name)
    show_made(session, found, _document, printable(found.value))


def _find(name: str) -> Value:
    from pfslib.kv.store_dir import nearest_store  # imports what opens a store

    found = find_setting(name, os.environ)
    if name == "store" and found.origin != found.setting.variable and (near := nearest_store()):
        return Value(found.setting, str(near), "nearest .pfs")
    return found


def _row(found: Value) -> Sequence[str]:
    return found.setting.name, found.value or "-", found.setting.meaning, found.origin


def _document(found: Value) -> Document:
    return {
        "name": found.setting.name,
        "value": found.value,
        "variable": found.setting.variable,
        "origin": found.origin,
    }


@click.command(cls=Command)
@click.argument("name", metavar="SETTING", type=TEXT)
@click.argument("value", type=TEXT)
def config_set(name: str, value: str) -> None:
    """Set something for good, in the user's file.

    An option or the environment still says it first. Comments in the file stay.
    """
    setting = known_setting(name)
    if not value:
        raise InvalidInputError(
            f"{name} cannot be empty", hint=f"`pfs config unset {name}` takes it out of the file"
        )
    if not setting.choices:
        value = str(Path(value).expanduser().absolute())
    _change(name, check_value(setting, value, "config set"))


@click.command(cls=Command)
@click.argument("name", metavar="SETTING", type=TEXT)
def config_unset(name: str) -> None:
    """Take a setting out of the user's file."""
    _change(known_setting(name).name, None)


def _change(name: str, value: str | None) -> None:
    """Write the user's file anew, as it is but for one setting.

    Raises:
        InvalidInputError: It is written in a way that this does not understand.
    """
    file = config_file(os.environ)
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.parent, wait_s=math.inf):
        _rewrite(file, name, value)


def _rewrite(file: Path, name: str, value: str | None) -> None:
    wanted = {key: text for key, text in read_config(file).items() if key != name}
    if value is not None:
        wanted[name] = value
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    data = "".join(f"{row}\n" for row in _changed(lines, name, value)).encode()
    try:
        understood = parse_config(data, file) == wanted
    except InvalidInputError:
        understood = False
    if not understood:
        raise InvalidInputError(f"{file} is written in too clever a way", hint="edit it by hand")
    with written_whole(str(file)) as opened:  # through a link, to where people keep such files
        opened.write(data)


def _changed(lines: Sequence[str], name: str, value: str | None) -> Iterator[str]:
    """The lines with a setting in its place, or at the end; a comment behind it stays."""
    new = None if value is None else f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for row in lines:
        if found := re.match(rf"\s*[\"']?{name}[\"']?\s*=", row):
            if new is not None:
                comment = re.search(_COMMENT, row[found.end() :])
                yield new + (comment[1] if comment else "")
            new = None
        else:
            yield row
    if new is not None:
        yield new
