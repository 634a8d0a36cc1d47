"""An attempt as a script: for a shell that stays, and for what the engine cannot be told.

What the engine is told goes through JSON, which holds no name that is not UTF-8; files may have
such names, and the variables of a datum tell them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pfslib.runners.runner import Attempt

NO_SHELL: Final = "exec sh failed"
"""What the engine's init says in an image that has none."""


def script_of(attempt: Attempt) -> bytes:
    """What the shell does: env, for names that are no shell's names; exec, for the exit code."""
    words = ["exec", "env", "--", *(f"{name}={value}" for name, value in attempt.env.items())]
    lines = [shlex.join([*words, *attempt.cmd])]
    if attempt.working_dir is not None:
        directory = shlex.quote(attempt.working_dir)
        # Made if it is not there, as the engine does for a container's working directory.
        lines.insert(0, f"[ -d {directory} ] || mkdir -p {directory}; cd {directory} || exit 126")
    return os.fsencode("\n".join(lines) + "\n")


@contextlib.contextmanager
def script_file(attempt: Attempt, directory: Path) -> Iterator[Path]:
    """The script in a file, which everybody may read to whom it is shown."""
    path = directory / f"order-{secrets.token_hex(4)}"
    path.write_bytes(script_of(attempt))
    try:
        path.chmod(0o644)
        yield path
    finally:
        path.unlink()


def needs_script(attempt: Attempt) -> bool:
    """Whether something of it is not UTF-8."""
    texts = (*attempt.cmd, *attempt.env, *attempt.env.values(), attempt.working_dir or "")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return True
    return False
