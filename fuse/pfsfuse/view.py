"""What a mount shows: a path below the mount point to a tree and the path inside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol

from pfslib import (
    Entry,
    InvalidInputError,
    IsADirectoryInCommitError,
    Kind,
    PathNotFoundError,
)

_log = logging.getLogger("pfsfuse")
_ROOT_KEY_SIZE: Final = 32
_TREES_KEPT: Final = 256


class Directory(Protocol):
    """What the mount needs of a tree; `pfslib.Tree` has it."""

    def find(self, path: bytes, /) -> Entry:
        """The entry at a path; the root for an empty one."""
        ...

    def scan(self, path: bytes, /) -> Iterator[Entry]:
        """The children of a directory, in byte order of name."""
        ...

    def read(self, entry: Entry, offset: int, size: int, /) -> bytes:
        """Bytes of a file, fewer only at its end."""
        ...

    def read_link(self, entry: Entry, /) -> bytes:
        """Where a symbolic link points."""
        ...


class Trees(Protocol):
    """What the mount needs of a store; `pfslib.Store` has it."""

    def tree(self, root: bytes, /) -> Directory:
        """The tree with a root.

        Raises:
            NotFoundError: There is none.
        """
        ...

    def pin(self, root: bytes, /) -> object:
        """Keep a tree from gc as long as the store is open.

        Raises:
            OSError: It cannot be.
        """
        ...


class View(Protocol):
    """What a mount shows."""

    names_are_final: bool
    """Whether a name that is missing now will always be missing."""

    def locate(self, path: bytes) -> tuple[Directory, bytes]:
        """The tree that holds a path, and the path inside it.

        Args:
            path: As the kernel gives it: absolute, normalised, ``b"/"`` for the mount point.

        Raises:
            NotFoundError: No tree holds the path.
        """
        ...


class TreeView:
    """One tree; its root is the root of the mount."""

    names_are_final = True

    def __init__(self, tree: Directory) -> None:
        self._tree = tree

    def locate(self, path: bytes) -> tuple[Directory, bytes]:
        """See View."""
        return self._tree, path


class RootsView:
    """Every tree of the store, each at ``/<64 hex digits of its root>``.

    The mount point itself lists nothing: trees come and go, and there is no end of them.
    """

    names_are_final = False

    def __init__(self, store: Trees) -> None:
        self._tree = lru_cache(maxsize=_TREES_KEPT)(store.tree)
        self._top = _Top()

    def locate(self, path: bytes) -> tuple[Directory, bytes]:
        """See View."""
        name, _, rest = path[1:].partition(b"/")
        if not name:
            return self._top, path
        root = _root_key(name.decode("latin-1"))
        if root is None:
            raise PathNotFoundError(name.decode("utf-8", "surrogateescape"))
        return self._tree(root), b"/" + rest


class _Top:
    """The empty directory above the trees; only ever asked for itself."""

    def __init__(self) -> None:
        self._entry = Entry(
            name=b"",
            kind=Kind.DIRECTORY,
            size=0,
            content=b"",
            mtime_ns=time.time_ns(),
            origin=b"",
        )

    def find(self, _path: bytes, /) -> Entry:
        return self._entry

    def scan(self, _path: bytes, /) -> Iterator[Entry]:
        return iter(())

    def read(self, _entry: Entry, _offset: int, _size: int, /) -> bytes:
        raise IsADirectoryInCommitError("/")

    def read_link(self, _entry: Entry, /) -> bytes:
        raise IsADirectoryInCommitError("/")


def _root_key(text: str) -> bytes | None:
    """The bytes that 64 lower-case hex digits stand for; None for any other text."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == _ROOT_KEY_SIZE and key.hex() == text else None


def open_view(store: Trees, text: str) -> View:
    """The view that the command line names.

    Args:
        store: The open store.
        text: ``tree:<64 hex digits>`` or ``roots``.

    Raises:
        InvalidInputError: The text names no view.
        NotFoundError: The store has no such tree.
    """
    if text == "roots":
        return RootsView(store)
    kind, _, name = text.partition(":")
    root = _root_key(name)
    if kind != "tree" or root is None:
        message = f"view {text!r} invalid"
        raise InvalidInputError(message, hint="it is 'roots' or 'tree:' and 64 hex digits")
    try:
        store.pin(root)
    except OSError as error:  # a full disk, or one that cannot be written: it can still be read
        _log.warning("the mount does not keep its commit from gc: %s", error)
    return TreeView(store.tree(root))
