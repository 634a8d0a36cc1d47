"""The store's own files, opened: never as a standard stream, and always the store owner's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pfslib.model.errors import PfsError, StoreAccessError

_STANDARD: Final = (0, 1, 2)
_FLAGS: Final = os.O_RDWR | os.O_CLOEXEC


def open_store_file(path: Path) -> int:
    """Open a file of a store to read and write; made, readable by its owner alone, if need be."""
    fill_standard_streams()
    with suppress(FileNotFoundError):
        return os.open(path, _FLAGS)
    try:
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # somebody else was quicker
        return os.open(path, _FLAGS)
    give_to_owner(path)
    return fd


def make_store_folder(path: Path) -> None:
    """Make a folder of a store, for its owner alone, if it is not there."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        give_to_owner(path)


def give_to_owner(path: Path) -> None:
    """Give what was just made to whom the directory belongs that it is in.

    Root may work on the store of a user, who must not be locked out by what that leaves.
    """
    owner = path.parent.stat()
    if path.stat().st_uid != owner.st_uid:
        with suppress(
            PermissionError
        ):  # a guest in a directory that its owner has opened to others
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def is_as_long_as(fd: int, size: int) -> bool:
    """Whether a file has so many bytes, or more; also if it has been closed meanwhile.

    Cost: half a µs, a quarter of what `os.fstat` takes.
    """
    try:
        return size <= 0 or os.pread(fd, 1, size - 1) != b""
    except OSError:
        return True


@contextmanager
def access_needed(directory: Path) -> Iterator[None]:
    """Turn the system's refusal to open something of a store into ours, for the block.

    Raises:
        StoreAccessError: This user may not.
    """
    try:
        yield
    except PfsError:
        raise
    except PermissionError as error:
        what = Path(os.fsdecode(error.filename or directory))
        try:
            owner = f"user {what.stat().st_uid}"
        except OSError:  # the way there is barred, too
            owner = "somebody else"
        raise StoreAccessError(
            str(directory), f"user {os.geteuid()} may not open {what}, which belongs to {owner}"
        ) from error


def fill_standard_streams() -> None:
    """Make 0, 1 and 2 lead nowhere, for good, where the process has closed them.

    The next files opened would get these numbers, and be printed into.
    """
    if all(map(_is_open, _STANDARD)):
        return
    while (fd := os.open(os.devnull, os.O_RDWR)) in _STANDARD:
        os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's own signature
    os.close(fd)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
