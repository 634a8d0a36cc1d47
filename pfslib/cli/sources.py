"""What `pfs put-file` puts: files, directories and standard input, and where each goes."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from pfslib.cli.places import as_typed
from pfslib.cli.stdin import STDIN, standard_input
from pfslib.model.errors import InvalidPathError
from pfslib.model.paths import split_path


class Source(msgspec.Struct, frozen=True):
    """Something to put."""

    name: str
    """As given to -f."""

    path: str
    """Where, in the commit."""

    def data(self) -> Path | BinaryIO:
        """What the api is to put there."""
        if self.name == STDIN:
            return standard_input()
        path = Path(self.name)
        # A directory that somebody names may be a link to one; inside, links stay links.
        return path.resolve() if path.is_dir() else path


def find_sources(names: Sequence[str], path: str) -> list[Source]:
    """What goes where, by the rules of Pachyderm 1.3.

    Args:
        names: As given to -f; none for standard input.
        path: As given; where one source goes, or below which several go. Without it, each goes
            under its own name.

    Raises:
        click.UsageError: Standard input has no name to be put under, or is there twice.
        InvalidPathError: A file is above the working directory, where no name in a commit is.
    """
    names = names or (STDIN,)
    if path and len(names) == 1:
        return [Source(names[0], path)]
    if names.count(STDIN) > 1:
        raise click.UsageError("standard input can be put only once")
    if STDIN in names:
        raise click.UsageError("the PATH is missing: standard input has no name to be put under")
    return [Source(name, f"{path}/{_own_path(name)}") for name in names]


def check_source(source: Source, *, recursive: bool, patch: bool) -> None:
    """Find what cannot be put, before anything is.

    Raises:
        InvalidPathError: It would go to where nothing can be.
        click.UsageError: A directory, which was not asked for.
        OSError: It cannot be read.
    """
    split_path(source.path)
    if source.name == STDIN:
        return
    is_dir = stat.S_ISDIR(os.stat(source.name).st_mode)  # noqa: PTH116 - "" is no file, Path("") is
    if is_dir and not recursive:
        raise click.UsageError(f"{source.name} is a directory: -r puts it with all below it")
    if is_dir and patch:
        raise click.UsageError(f"{source.name} is a directory: --offset is for one file")
    if not os.access(source.name, os.R_OK):
        raise PermissionError(13, "Permission denied", source.name)


def why_left_out(name: str, store: Path) -> str:
    """Why a host path was not put."""
    same = Path(name).is_dir() and Path(name).resolve() == store
    return "it is the store itself" if same else "it is a device, a fifo or a socket"


def _own_path(name: str) -> str:
    """The path of a file without one: `./one.txt` is one.txt, and `.` the root."""
    path = os.path.normpath(name)
    if path.split("/")[0] == "..":
        hint = "say where it is to be: `pfs put-file REPO BRANCH PATH -f FILE`"
        raise InvalidPathError(as_typed(path), "it has a component '..'", hint=hint)
    return "" if path == "." else as_typed(path)
