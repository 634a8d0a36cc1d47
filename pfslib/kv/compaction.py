"""The data file put in the place of a larger one: whole, durably, and leaving nothing behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pfslib.kv.layout import DATA_FILE
from pfslib.kv.syncing import sync_directory, sync_file
from pfslib.model.errors import StateError

_BESIDE: Final = "compact."


def clear_left_overs(directory: Path) -> None:
    """Remove what a compaction that was killed has left in a store that nobody has open."""
    for left in directory.glob(f"{_BESIDE}*"):
        shutil.rmtree(left, ignore_errors=True)


def compact_with(copy: Callable[[Path], None], directory: Path) -> None:
    """Put a copy without free pages in the place of the data file of a store nobody has open.

    If it is cut off, the old file is there or the new one, and either is whole.

    Args:
        copy: Writes such a copy into the directory given.
        directory: The store.

    Raises:
        StateError: The file cannot be given to whom the store belongs.
    """
    beside = Path(tempfile.mkdtemp(prefix=_BESIDE, dir=directory))
    try:
        copy(beside)
        made = beside / DATA_FILE
        made.chmod(0o600)
        _give_to_owner_of(directory / DATA_FILE, made)
        sync_file(made)
        made.replace(directory / DATA_FILE)
        sync_directory(directory)
    finally:
        shutil.rmtree(beside)


def _give_to_owner_of(old: Path, made: Path) -> None:
    owner, mine = old.stat(), made.stat()
    if (owner.st_uid, owner.st_gid) == (mine.st_uid, mine.st_gid):
        return
    try:
        os.chown(made, owner.st_uid, owner.st_gid)
    except PermissionError as error:
        if owner.st_uid == mine.st_uid:
            return  # a group that this user is not in; the file is the owner's alone anyway
        raise StateError(
            f"{old} belongs to user {owner.st_uid}, and a new file cannot be given to them",
            hint="let them compact it",
        ) from error
