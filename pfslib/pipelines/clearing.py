"""A directory removed whatever a command left in it: any depth, no permission to look inside."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path


def clear_away(top: Path) -> None:
    """Remove a directory with all below it, as far as that is allowed; nothing runs in it any more.

    The usual way first, which is the quickest, but stumbles over what is meant to make it stumble.
    """
    try:
        shutil.rmtree(top)
    except (OSError, RecursionError):
        _dig(top)


def _dig(top: Path) -> None:
    """Remove a directory: those in it are moved up before they are looked into.

    So no path becomes too long for the kernel, and however deep they lie, there is no recursion and
    one open descriptor.
    """
    names = (top / f".{secrets.token_hex(4)}-{number}" for number in count())
    todo = [top]
    while todo:
        directory = todo.pop()
        # What cannot be removed stays, with all above it: nobody could do anything about it.
        with contextlib.suppress(OSError):
            todo += _moved_out(directory, names)
            if directory != top:
                directory.rmdir()
    with contextlib.suppress(OSError):
        top.rmdir()


def _moved_out(directory: Path, names: Iterator[Path]) -> list[Path]:
    """Empty a directory; the directories that were in it, where they are now."""
    directory.chmod(0o700)
    with os.scandir(directory) as entries:
        found = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in entries]
    moved = []
    for path, is_directory in found:
        with contextlib.suppress(OSError):
            if is_directory:
                path.chmod(0o700)  # what it is in is written in it, too
                moved.append(path.rename(next(names)))
            else:
                path.unlink()
    return moved
