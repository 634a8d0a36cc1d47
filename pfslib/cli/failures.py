"""What went wrong, in a sentence on standard error, and the exit code that says it to scripts."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Final, NoReturn

import click

from pfslib.cli.wording import printable
from pfslib.model.errors import PfsError

ERROR: Final = 1
USAGE: Final = 2
JOB_FAILED: Final = 3
INTERRUPTED: Final = 130
TERMINATED: Final = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM has come: what an interrupt undoes and cleans up, it does, too."""


def terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM."""
    raise Terminated


def report(error: BaseException) -> int:
    """Say what is wrong, and what to do about it.

    Returns:
        The exit code.
    """
    if isinstance(error, PfsError):
        complain(error.message, error.hint)
        return error.exit_code
    if isinstance(error, click.ClickException):
        message = error.format_message().replace("\n\t", " ")  # so click lists choices
        complain(message.removesuffix("."), *_usage(error))
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        die_of_broken_pipe()
    if isinstance(error, KeyboardInterrupt | click.Abort):
        # click makes an Abort of whatever interrupts a command.
        terminated = isinstance(error, Terminated) or isinstance(error.__cause__, Terminated)
        complain("terminated" if terminated else "interrupted")
        return TERMINATED if terminated else INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else ERROR
    if isinstance(error, OSError):
        complain(_sentence(error), "; ".join(getattr(error, "__notes__", ())))
        return ERROR
    traceback.print_exception(error)
    complain(
        f"this is a mistake in pfs itself: {error!r}",
        "please report it, with the lines above; what was finished before is safe",
    )
    return ERROR


def complain(message: str, advice: str = "", kind: str = "hint") -> None:
    """Print an error; the lines of a message, such as those of a caret, stay lines."""
    click.echo(f"pfs: {_lines(message)}", err=True)
    if advice:
        click.echo(f"  {kind}: {_lines(advice)}", err=True)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _usage(error: click.ClickException) -> tuple[str, str]:
    """How the command is to be called, or where to read it."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return "", ""
    if context.parent is None:
        return "`pfs --help` lists all commands", "hint"
    return context.get_usage().removeprefix("Usage: "), "usage"


def _sentence(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename is not None else what


def die_of_broken_pipe() -> NoReturn:
    """End as `cat` does when nobody reads on: without a word, of the signal itself."""
    # What is still in the buffer would be complained about when it cannot be written either.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(ERROR)  # whoever started this process blocks the signal
