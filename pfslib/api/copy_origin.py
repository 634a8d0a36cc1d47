"""What a directory is a working copy of: its marker file."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from pfslib.api.copy_register import noted_copies
from pfslib.kv.syncing import sync_directory, write_durably
from pfslib.model.errors import (
    CorruptionError,
    InvalidInputError,
    NotFoundError,
    PfsError,
    UnsupportedFileError,
)

MARKER: Final = ".pfs-working-copy"
"""Names at the top that begin so are ours."""

ASIDE: Final = f"{MARKER}-aside"
"""The folder of what is put aside while the working copy ends."""

CLAIM: Final = f"{MARKER}-making"
PROBE: Final = f"{MARKER}-clock"
_NEW: Final = f"{MARKER}~"
_OUR_FILES: Final = frozenset({MARKER, CLAIM, PROBE, _NEW})


class Origin(msgspec.Struct, frozen=True):
    """What a working copy is a copy of: the marker file, as JSON."""

    store: str
    """Its directory, percent-encoded: its name may be of any bytes."""

    repo: str
    branch: str
    below: str
    """The directory of the commit that is copied."""

    base: str
    """Id of the commit it was last the same as; empty for a branch without any."""

    pending: str = ""
    """Id of the commit that was being made of it; it counts as base once it is there."""

    discarding: bool = False
    """Whether what was put aside is being removed: it is nobody's work."""

    removing: bool = False
    """The same, as far as ``base`` holds it."""

    @property
    def shown(self) -> str:
        """What it is a copy of, as commands take it."""
        below = "" if self.below == "/" else f":{self.below}"
        return f"{self.repo}@{self.branch}{below}"


def is_working_copy(path: Path) -> bool:
    """Whether a directory is a working copy."""
    return (path / MARKER).is_file()


def list_copies(store_dir: Path) -> list[tuple[Path, Origin]]:
    """The working copies of a store, as far as this user may look, sorted by path."""
    found: list[tuple[Path, Origin]] = []
    for path in noted_copies(store_dir):
        with suppress(PfsError, OSError):  # it is none any more, damaged, or somebody else's
            if store_of(path).samefile(store_dir):
                found.append((path, read_origin(path)))
    return found


def read_origin(path: Path) -> Origin:
    """What a directory is a working copy of.

    Raises:
        NotFoundError: It is none.
    """
    try:
        return msgspec.json.decode((path / MARKER).read_bytes(), type=Origin)
    except FileNotFoundError:
        raise NotFoundError(
            f"{path} is no working copy", hint="`pfs mount -w REPO@BRANCH DIR` makes one"
        ) from None
    except msgspec.DecodeError as error:
        raise CorruptionError(f"{path / MARKER} is damaged: {error}") from error


def store_of(path: Path) -> Path:
    """The directory of the store that a directory is a working copy of.

    Raises:
        NotFoundError: It is none.
    """
    return Path(os.fsdecode(unquote_to_bytes(read_origin(path).store)))


def store_of_own(path: Path) -> Path:
    """The same, if it was this user who made the working copy.

    A stranger's marker may name any store, such as this user's.

    Raises:
        NotFoundError: It is none.
        InvalidInputError: It was not.
    """
    store_dir = store_of(path)
    if (path / MARKER).lstat().st_uid != os.geteuid():
        raise InvalidInputError(
            f"{path} is a working copy of somebody else, who says that it is of {store_dir}",
            hint="`--store` names the store that you mean",
        )
    return store_dir


def our_files(path: Path) -> list[str]:
    """The names of our own files in a working copy.

    Raises:
        UnsupportedFileError: Something else has such a name.
    """
    ours = [entry for entry in path.iterdir() if entry.name.startswith(MARKER)]
    for entry in ours:
        mode = entry.lstat().st_mode
        right = stat.S_ISDIR(mode) if entry.name == ASIDE else stat.S_ISREG(mode)
        if not right or entry.name not in {*_OUR_FILES, ASIDE}:
            why = f"cannot be committed: names that begin with {MARKER} mark working copies"
            raise UnsupportedFileError(str(entry), why, hint="rename it")
    return [entry.name for entry in ours if entry.name != ASIDE]


def write_origin(path: Path, origin: Origin) -> None:
    """Say what a directory is a working copy of, durably."""
    temporary = path / _NEW
    temporary.unlink(missing_ok=True)  # of somebody who was killed right here
    write_durably(temporary, msgspec.json.encode(origin))
    temporary.replace(path / MARKER)
    sync_directory(path)
