"""Which directories are working copies of a store: a symbolic link to each, in its ``copies/``.

Only for lists. What is a working copy says the marker in it, and what is none any more is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from blake3 import blake3

from pfslib.kv.layout import COPIES_FOLDER
from pfslib.kv.store_files import make_store_folder

_NAME_DIGITS: Final = 32


def note_copy(store_dir: Path, path: Path) -> None:
    """Have a directory listed. Does nothing where the store cannot be written to."""
    link = _link(store_dir, path)
    with suppress(OSError):
        make_store_folder(link.parent)
        link.symlink_to(Path(os.path.realpath(path)))


def forget_copy(store_dir: Path, path: Path) -> None:
    """Have a directory listed no more."""
    with suppress(OSError):
        _link(store_dir, path).unlink()


def noted_copies(store_dir: Path) -> Iterator[Path]:
    """The directories noted, sorted; those that are gone are forgotten."""
    folder = store_dir / COPIES_FOLDER
    links = list(folder.iterdir()) if folder.is_dir() else []
    for path in sorted(link.readlink() for link in links):
        if os.path.lexists(path):
            yield path
        else:
            forget_copy(store_dir, path)


def _link(store_dir: Path, path: Path) -> Path:
    name = blake3(os.fsencode(os.path.realpath(path))).hexdigest()[:_NAME_DIGITS]
    return store_dir / COPIES_FOLDER / name
