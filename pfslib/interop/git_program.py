"""The program git, for one repository: none around it, and none that the environment names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from pfslib.model.errors import InvalidInputError

_HARMLESS: Final = (
    # A repository's own settings may name programs, which git runs even when it only looks.
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "protocol.allow=never"),
)

_ELSEWHERE: Final = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_INDEX_FILE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
}

_ENVIRONMENT: Final = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}


def make_bare(directory: Path) -> None:
    """Make a git repository without a work tree.

    Raises:
        InvalidInputError: None can be there, or no git.
    """
    _output(["git", "init", "--quiet", "--bare", "--", str(directory)], _environ(directory))


class GitProgram:
    """The program git, for one repository.

    Attributes:
        directory: Where git keeps the repository: itself, or `.git` in it.
    """

    def __init__(self, directory: Path) -> None:
        """Find the repository.

        Raises:
            InvalidInputError: None is there, or no git.
        """
        self._command = ["git", "-C", str(directory), *_HARMLESS]
        self._environ = _environ(directory)
        try:
            found = self.output("rev-parse", "--absolute-git-dir").removesuffix(b"\n")
        except InvalidInputError as error:
            if error.hint:  # there is no git
                raise
            raise InvalidInputError(
                f"{directory}: {error.message}",
                hint="name the directory of the repository itself, not one inside of it",
            ) from error
        self.directory = Path(os.fsdecode(found))

    def start(
        self, *arguments: str, stdin: int | IO[bytes], stderr: int | IO[bytes] = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start it, with its output as a pipe."""
        return subprocess.Popen(
            [*self._command, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=self._environ,
        )

    def lines(self, *arguments: str) -> list[str]:
        """The lines that it prints."""
        return self.output(*arguments).decode().splitlines()

    def output(self, *arguments: str) -> bytes:
        """What it prints.

        Raises:
            InvalidInputError: It fails, or is not there.
        """
        return _output([*self._command, *arguments], self._environ)


def _environ(directory: Path) -> Mapping[str, str]:
    """For that repository and no other: none around it, and none that the environment names."""
    return {
        **{name: text for name, text in os.environ.items() if name not in _ELSEWHERE},
        **_ENVIRONMENT,
        "GIT_CEILING_DIRECTORIES": str(directory.resolve().parent),
    }


def _output(command: list[str], environ: Mapping[str, str]) -> bytes:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environ, check=False
        )
    except FileNotFoundError as error:
        raise InvalidInputError("git is not installed", hint="install git") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise InvalidInputError(f"git says: {said}")
    return done.stdout
