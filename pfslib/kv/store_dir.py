"""The store's directory: found, made whole or not at all, and recognised by its format marker."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pfslib.kv.layout import DATA_FILE, FORMAT_FILE
from pfslib.kv.lmdb_kv import LmdbKV, create_environment
from pfslib.kv.making import made_beside
from pfslib.kv.preferences import find_setting
from pfslib.kv.room import room_needed
from pfslib.kv.store_files import access_needed, fill_standard_streams
from pfslib.kv.syncing import sync_directory, write_durably
from pfslib.model.encoding import FORMAT_VERSION
from pfslib.model.errors import (
    AlreadyExistsError,
    CorruptionError,
    InvalidInputError,
    StoreNotFoundError,
    UnknownFormatError,
)
from pfslib.model.host_paths import host_path

DEFAULT_NAME = ".pfs"
ENVIRONMENT_VARIABLE = "PFS_STORE"


def locate_store(
    path: str | os.PathLike[str] | None, environ: Mapping[str, str], *, or_here: bool = False
) -> Path:
    """The store directory that is meant.

    By an argument, else PFS_STORE, else the nearest `.pfs` upwards, else the user's settings; or
    else, for a store to be made, the `.pfs` of the working directory.

    Raises:
        StoreNotFoundError: None of them says it.
        InvalidInputError: The argument is empty, or the file of settings is not understood.
    """
    if path is not None:
        return host_path(path).expanduser().absolute()
    if environ.get(ENVIRONMENT_VARIABLE):
        return Path(environ[ENVIRONMENT_VARIABLE]).expanduser().absolute()
    if nearest := nearest_store():
        return nearest
    if default := find_setting("store", environ).value:
        return Path(default).expanduser()
    if or_here:
        return Path.cwd() / DEFAULT_NAME
    raise StoreNotFoundError(str(Path.cwd()), "and the directories above it hold no store")


def nearest_store() -> Path | None:
    """The `.pfs` of the working directory, or of the nearest above it that has one."""
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / DEFAULT_NAME / FORMAT_FILE).is_file():
            return directory / DEFAULT_NAME
    return None


def check_store(path: Path, parameters: Mapping[str, object]) -> Path:
    """The real path of a store that this library can open.

    Args:
        path: Where it should be.
        parameters: What shapes the format: a store made with others is not understood.

    Raises:
        StoreNotFoundError: Nothing there, or no store.
        UnknownFormatError: A store of another format version, or with other parameters.
        CorruptionError: The format marker or the data file is damaged or missing.
        StoreAccessError: It is somebody else's.
        InvalidInputError: The path is not UTF-8.
    """
    fill_standard_streams()
    with access_needed(path):
        return _check_store(path, parameters)


def _check_store(path: Path, parameters: Mapping[str, object]) -> Path:
    if not path.exists():
        raise StoreNotFoundError(str(path), "does not exist")
    if not path.is_dir():
        raise StoreNotFoundError(str(path), "is a file, not a store directory")
    marker = path / FORMAT_FILE
    if not marker.is_file():
        raise StoreNotFoundError(str(path))
    try:
        said = json.loads(marker.read_text("utf-8"))
        found = said["format"]
        if found == FORMAT_VERSION:  # what else another one says is not for us to read
            _check_parameters(path, {name: said[name] for name in parameters}, parameters)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptionError(f"store {path}: its format marker cannot be read") from error
    if found != FORMAT_VERSION:
        raise UnknownFormatError(str(path), found, FORMAT_VERSION)
    data = path / DATA_FILE
    # LMDB would take an empty file for a new store.
    if not data.is_file() or data.stat().st_size == 0:
        raise CorruptionError(f"store {path}: its data file {DATA_FILE} is missing or empty")
    _check_utf8(path)
    return path.resolve()


def _check_parameters(path: Path, found: Mapping[str, object], known: Mapping[str, object]) -> None:
    for name, value in known.items():
        if found[name] != value:
            other = f"{FORMAT_VERSION} with {name} {found[name]}"
            raise UnknownFormatError(str(path), other, f"{FORMAT_VERSION} with {name} {value}")


def create_store(path: Path, parameters: Mapping[str, object]) -> Path:
    """Make an empty store: built beside, synced, renamed; whole or not at all.

    Args:
        path: A directory that does not exist, or is empty; its parents are made.
        parameters: What shapes the format, recorded in the marker.

    Raises:
        AlreadyExistsError: Something is there already.
        InvalidInputError: It is the working directory.
    """
    if path.is_dir() and (path / FORMAT_FILE).exists():
        raise AlreadyExistsError(f"{path} holds a store already")
    fill_standard_streams()
    marker = {"format": FORMAT_VERSION, "store": os.urandom(16).hex(), **parameters}
    with _made_beside(path) as beside:
        create_environment(beside)
        write_durably(beside / FORMAT_FILE, json.dumps(marker, indent=1).encode() + b"\n")
    return path.resolve()


def backup_store(directory: Path, path: Path) -> Path:
    """Make a copy of a store, of the state of one moment; whole or not at all.

    Args:
        directory: The store; others may go on writing it.
        path: A directory that does not exist, or is empty; its parents are made.

    Returns:
        The copy, which can be opened like any store.

    Raises:
        AlreadyExistsError: Something is there already.
        InvalidInputError: It is the working directory.
        StoreFullError: No room for it.
    """
    kv = LmdbKV.open(directory)
    try:
        with _made_beside(path) as beside:
            kv.copy_to(beside)
            write_durably(beside / FORMAT_FILE, (directory / FORMAT_FILE).read_bytes())
    finally:
        kv.close()
    return path.resolve()


@contextmanager
def _made_beside(path: Path) -> Iterator[Path]:
    """A new directory that becomes `path` when the block has put a store into it."""
    if path.exists() and not path.is_dir():
        raise AlreadyExistsError(f"{path} is a file", hint="name a directory")
    if path.is_dir() and any(path.iterdir()):
        raise _not_empty(path)
    _check_not_here(path)
    _check_utf8(path)
    with room_needed(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with made_beside(path) as beside:
            yield beside
            sync_directory(beside)
            _move_in(beside, path)
        sync_directory(path.parent)


def _move_in(beside: Path, path: Path) -> None:
    try:
        beside.rename(path)
    except OSError as error:  # somebody else was quicker
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise
        raise _not_empty(path) from error


def _check_not_here(path: Path) -> None:
    """Refuse to put a new directory in the place of the one that we, and the shell, are in.

    Raises:
        InvalidInputError: It is the working directory.
    """
    if path.is_dir() and path.samefile("."):
        raise InvalidInputError(
            f"{path} is the working directory, and another would take its place",
            hint="name a new directory, or go elsewhere first; `pfs init` alone makes .pfs in it",
        )


def _check_utf8(path: Path) -> None:
    """Refuse what the binding of LMDB cannot be told.

    Raises:
        InvalidInputError: The real path is not UTF-8.
    """
    try:
        os.fsencode(os.path.realpath(path)).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInputError(
            f"{path}: a store cannot be where the path is not UTF-8",
            hint="rename the directory, or name another one",
        ) from None


def _not_empty(path: Path) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{path} is not empty", hint="name a new directory, or `pfs init` inside it makes .pfs"
    )
