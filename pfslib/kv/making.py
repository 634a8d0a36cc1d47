"""A store's directory in the making: beside its place, and cleared away if its maker is killed."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pfslib.kv.layout import STORE_FILES

_SUFFIX: Final = ".new"


@contextmanager
def made_beside(path: Path) -> Iterator[Path]:
    """A new directory beside a path, locked as long as the block lasts; gone after it, or moved.

    What makers of the same path that were killed have left there is removed first.
    """
    _clear(path)
    beside, lock = _make(path)
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _make(path: Path) -> tuple[Path, int]:
    while True:
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent))
        try:
            lock = os.open(beside, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # taken for what a dead one left, before it was locked
            continue
        except OSError:
            beside.rmdir()
            raise
        fcntl.flock(lock, fcntl.LOCK_EX)
        if beside.exists():
            return beside, lock
        os.close(lock)


def _clear(path: Path) -> None:
    """Remove what killed makers have left, which nobody has locked, as far as it is ours to."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????{_SUFFIX}"):
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if {file.name for file in left.iterdir()} <= STORE_FILES:
                    shutil.rmtree(left)
            finally:
                os.close(lock)
