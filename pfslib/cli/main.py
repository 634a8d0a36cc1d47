"""The way in: `pfs`, its options, and what it says when it is called without a command.

Importing this module costs what click costs. Nothing that opens a store is imported before a
command runs that does.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NoReturn

import click

from pfslib import __version__
from pfslib.cli.closed_output import closed_output
from pfslib.cli.failures import report
from pfslib.cli.group import CommandGroup
from pfslib.cli.session import CONTEXT_SETTINGS, HOST_PATH, JSON_HELP, STORE_HELP, Session
from pfslib.kv.store_files import fill_standard_streams

PROGRAM = "pfs"

_BEGIN: Final = {
    "pfs init": "make a store: .pfs, here",
    "pfs create-repo REPO": "make a repo in it",
    "pfs put-file REPO BRANCH PATH -f FILE -c": "commit a file to a branch",
    "pfs create-pipeline -f SPEC.json": "keep a result up to date",
    "pfs list-job": "see what that ran",
    "pfs get-file REPO COMMIT PATH": "print a file of any commit",
}
_EXAMPLE: Final = """\
For example:

  $ pfs init
  $ pfs create-repo data
  $ echo 1 | pfs put-file data@master:/x
  $ pfs get-file data@master:/x
  1
"""
_COLUMNS: Final = 72
"""How wide the introduction is; a narrower terminal gets a narrower one."""


@click.group(cls=CommandGroup, invoke_without_command=True, context_settings=CONTEXT_SETTINGS)
@click.option("--store", type=HOST_PATH, metavar="DIR", help=STORE_HELP)
@click.option("--json", "--raw", "as_json", is_flag=True, help=JSON_HELP)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, store: str | None, *, as_json: bool) -> None:
    """Git for data: versioned files, mounts and pipelines, without a server."""
    context.obj = Session(store, as_json=as_json)
    if context.invoked_subcommand is None:
        click.echo("\n".join(_introduction()))


def _introduction() -> Iterator[str]:
    narrow = sys.stdout.isatty() and shutil.get_terminal_size().columns < _COLUMNS
    gap = "\n" if narrow else " "
    yield f"pfs: git for data.{gap}Six commands to begin with:\n"
    for command, what in _BEGIN.items():
        yield f"{command}\n    {what}" if narrow else f"  {command:<43} {what}"
    yield f"\n{_EXAMPLE}"
    yield f"`pfs --help` lists all commands,{gap}`pfs help COMMAND` explains one."


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code.

    Args:
        args: The words after `pfs`; None for those of this process.
    """
    if sys.stdout is None:
        sys.stdout = closed_output()
    _open_closed_streams()
    _never_fail_to_print()
    try:
        code = cli.main(args, PROGRAM, standalone_mode=False)
        # Here and not at the interpreter's end, where a full disk could only be muttered about.
        sys.stdout.flush()
    except BaseException as error:
        code = report(error)
        _print_no_more()
    sys.exit(code)


def _print_no_more() -> None:
    """Keep the interpreter from trying once more, at its end, to print what could not be."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 1)


def _open_closed_streams() -> None:
    """Let `pfs … 2>&-` talk into nothing, and never into a file of the store."""
    fill_standard_streams()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _never_fail_to_print() -> None:
    """Have characters that the terminal's encoding lacks escaped; an ASCII locale is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
