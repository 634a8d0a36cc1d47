"""Files of this machine that appear whole or not at all, as `-o` promises."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_whole(name: str) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of what is there when the block ends in good order.

    The mode stays. A device, a pipe or the like is written to as it is, and never replaced.
    """
    if is_special(name):
        with Path(name).open("wb") as file:
            yield file
        return
    target = Path(name).resolve()
    descriptor, made = tempfile.mkstemp(dir=target.parent, prefix=".pfs-", suffix="~")
    beside = Path(made)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        beside.chmod(_mode_of(target))
        beside.replace(target)
    except BaseException:
        beside.unlink()
        raise


def is_special(name: str) -> bool:
    """Whether something is there that is neither a file nor a directory."""
    try:
        mode = Path(name).stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _mode_of(target: Path) -> int:
    """The mode of a file that is there, or of one that is made here in the ordinary way."""
    if target.exists():
        return target.stat().st_mode & 0o777
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask
