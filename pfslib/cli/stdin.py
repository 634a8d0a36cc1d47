"""Standard input as bytes."""

from __future__ import annotations

import sys
from typing import BinaryIO, Final

import click

STDIN: Final = "-"


def standard_input() -> BinaryIO:
    """Standard input, if this process was given one.

    Raises:
        click.UsageError: It was closed.
    """
    if sys.stdin is None:
        raise click.UsageError("standard input is closed; name a file with -f")
    return sys.stdin.buffer
