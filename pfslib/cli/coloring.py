"""Colours, for somebody who watches and has not said no. They never say what no word says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from pfslib.kv.preferences import SETTINGS, find_setting

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_PLAIN: Final = "\x1b[m"
_OF_LINES: Final = (
    ("+++ ", "\x1b[1m"),
    ("--- ", "\x1b[1m"),
    ("@@", "\x1b[36m"),
    ("+", "\x1b[32m"),
    ("-", "\x1b[31m"),
)


def color_option(function: FunctionT) -> FunctionT:
    """Give a command the option --color; the function is told whether to colour."""
    return click.option(
        "--color",
        type=click.Choice(SETTINGS["color"].choices),
        default=lambda: find_setting("color", os.environ).value,
        show_default="auto",
        envvar="PFS_COLOR",
        show_envvar=True,
        callback=lambda _context, _option, choice: is_wanted(choice),
        help="Whether to colour; auto: on a terminal, without NO_COLOR.",
    )(function)


def is_wanted(choice: str) -> bool:
    """Whether to colour what goes to standard output."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced not in {"0", "false"}  # which elsewhere means to force the contrary
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def color_diff(text: str) -> str:
    """A unified diff in the colours that git gives one."""
    return "\n".join(map(_color_line, text.split("\n")))


def _color_line(line: str) -> str:
    color = next((color for start, color in _OF_LINES if line.startswith(start)), "")
    return f"{color}{line}{_PLAIN}" if color else line
