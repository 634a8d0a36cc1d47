"""What a URL means: which store, and which file of which commit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pfslib.api.store import Store
from pfslib.api.tree_source import STORE_PARAMETERS
from pfslib.kv.lmdb_kv import open_directories
from pfslib.kv.store_dir import DEFAULT_NAME, ENVIRONMENT_VARIABLE, check_store, locate_store
from pfslib.model.errors import PathNotFoundError, StoreNotFoundError

PROTOCOL = "pfs"


class Location(NamedTuple):
    """``repo@ref/path`` taken apart."""

    repo: str
    ref: str
    path: str
    """In the commit, without a leading slash; empty for its root."""

    @property
    def branch(self) -> str:
        """The part that names a commit: ``repo@ref``."""
        return f"{self.repo}@{self.ref}"


def parse_location(path: str) -> Location:
    """Take ``repo@ref/path`` apart.

    Raises:
        PathNotFoundError: It names no commit, so nothing can be there.
    """
    place, _, below = path.partition("/")
    repo, _, ref = place.partition("@")
    if not repo or not ref:
        raise PathNotFoundError(
            path, "any store: it names no commit", hint=f"write {PROTOCOL}://repo@branch/path"
        )
    return Location(repo, ref, below)


def choose_store(store: str | os.PathLike[str] | Store | None) -> Path:
    """The directory of the store that URLs mean.

    That is the one given; else the one that PFS_STORE names; else the nearest ``.pfs`` upwards;
    else, when this process has just one store open, that one.

    Raises:
        StoreNotFoundError: None of them; says what was tried.
    """
    if isinstance(store, Store):
        return store.path
    try:
        return check_store(locate_store(store, os.environ), STORE_PARAMETERS)
    except StoreNotFoundError as error:
        if store is not None or os.environ.get(ENVIRONMENT_VARIABLE):
            raise
        opened = open_directories()
        if len(opened) == 1:
            return opened[0]
        held = f"{len(opened)} stores open" if opened else "none open"
        raise StoreNotFoundError(
            error.path,
            f"is not below a {DEFAULT_NAME}, {ENVIRONMENT_VARIABLE} is not set,"
            f" and this process has {held}: a {PROTOCOL}:// URL does not say which store it means",
            hint='give storage_options={"store": "/path/of/the/store"}, or set'
            f" {ENVIRONMENT_VARIABLE}",
        ) from None
