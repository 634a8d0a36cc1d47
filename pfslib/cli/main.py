"""The way in: `pfs`, its options, and what it says when it is called without a command.

Importing this module costs what click costs. Nothing that opens a store is imported before a
command runs that does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

import click

from pfslib import __version__
from pfslib.cli.closed_output import closed_output
from pfslib.cli.failures import report
from pfslib.cli.group import CommandGroup
from pfslib.cli.session import CONTEXT_SETTINGS, HOST_PATH, JSON_HELP, STORE_HELP, Session
from pfslib.kv.store_files import fill_standard_streams

PROGRAM = "pfs"

_INTRODUCTION = """\
pfs: git for data. Six commands to begin with:

  pfs init                                    make a store, in .pfs of this directory
  pfs create-repo REPO                        make a repo in it
  pfs put-file REPO BRANCH PATH -f FILE -c    commit a file to a branch of the repo
  pfs create-pipeline -f SPEC.json            keep a result up to date with what is committed
  pfs list-job                                see what that ran, and where its output is
  pfs get-file REPO COMMIT PATH               print a file of any commit, however old

For example:

  $ pfs init
  $ pfs create-repo projects
  $ echo docker/docker | pfs put-file projects master one.txt -c
  $ pfs get-file projects master /one.txt
  docker/docker

`pfs --help` lists all commands, `pfs help COMMAND` explains one."""


@click.group(cls=CommandGroup, invoke_without_command=True, context_settings=CONTEXT_SETTINGS)
@click.option("--store", type=HOST_PATH, metavar="DIR", help=STORE_HELP)
@click.option("--json", "--raw", "as_json", is_flag=True, help=JSON_HELP)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, store: str | None, *, as_json: bool) -> None:
    """Git for data: versioned files, mounts and pipelines, without a server."""
    context.obj = Session(store, as_json=as_json)
    if context.invoked_subcommand is None:
        click.echo(_INTRODUCTION)


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
