"""Where engine runs lay out their work: a folder for each, removed when its process is dead."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pfslib.kv.process import is_alive
from pfslib.model.errors import MountError
from pfslib.mounts.mountinfo import find_mount
from pfslib.mounts.unmounting import detach
from pfslib.pipelines.clearing import clear_away

TREES = "trees"
"""In such a folder: where the inputs may be mounted."""

_SCRATCH = "scratch"


def scratch_of(store_dir: Path, owner: str) -> Path:
    """The folder of an engine run."""
    return store_dir / _SCRATCH / owner.replace("/", "~")


def sweep_scratch(store_dir: Path) -> None:
    """Remove what dead processes left behind, as far as it is this user's to remove."""
    with suppress(FileNotFoundError, PermissionError):  # nothing was ever run, or by others only
        for folder in (store_dir / _SCRATCH).iterdir():
            if is_alive(folder.name.partition("~")[0]) is False:
                _remove(folder)


def _remove(folder: Path) -> None:
    left = find_mount(folder / TREES)
    if left is not None:  # its server is about to notice
        with suppress(MountError):
            detach(left, lazy=True)
    clear_away(folder)
