"""The data file put in the place of a larger one: whole, durably, and leaving nothing behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pfslib.kv.layout import DATA_FILE
from pfslib.kv.syncing import sync_directory, sync_file

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
    """
    beside = Path(tempfile.mkdtemp(prefix=_BESIDE, dir=directory))
    try:
        copy(beside)
        made = beside / DATA_FILE
        made.chmod(0o600)
        sync_file(made)
        made.replace(directory / DATA_FILE)
        sync_directory(directory)
    finally:
        shutil.rmtree(beside)
