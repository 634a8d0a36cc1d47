"""What a mount shows, by the name that the command line gives it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple, NoReturn, Protocol

from pfsfuse.inodes import Inode
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


class Tree(Protocol):
    """What the mount needs of a tree; `pfslib.Tree` has it."""

    @property
    def root(self) -> Entry:
        """Its top directory."""
        ...

    def child(self, directory: Entry, name: bytes, /) -> Entry:
        """The entry of a name in a directory.

        Raises:
            PathNotFoundError: There is none.
        """
        ...

    def children(self, directory: Entry, position: int, /) -> Iterator[Entry]:
        """The entries of a directory, in byte order of name, from some position on."""
        ...

    def read(self, entry: Entry, offset: int, size: int, /) -> bytes:
        """Bytes of a file or of a link's target, fewer only at its end."""
        ...

    def pieces(self, entry: Entry, /) -> int:
        """How many pieces a file is stored in."""
        ...


class Trees(Protocol):
    """What the mount needs of a store; `pfslib.TreeSource` has it."""

    def tree(self, root: bytes, /) -> Tree:
        """The tree with a root.

        Raises:
            NotFoundError: There is none.
        """
        ...

    def pin(self, *roots: bytes) -> object:
        """Keep trees from gc as long as the store is open.

        Raises:
            OSError: It cannot be.
        """
        ...


class ShownTree:
    """A tree, from its root or from a directory in it downwards."""

    is_final = True

    def __init__(self, tree: Tree, *, label: bytes = b"") -> None:
        self._tree = tree
        self.label = label

    def top(self) -> Inode:
        """The tree as all that a mount shows."""
        return Inode(self._tree.root, self)

    def under(self, directory: Inode, name: bytes, *, salt: bytes = b"") -> Inode:
        """The tree under a name in a directory that shows several."""
        return Inode(named(self._tree.root, name), self, directory, salt=salt)

    def child(self, directory: Inode, name: bytes, /) -> Inode:
        """See Shown."""
        return Inode(self._tree.child(directory.entry, name), self, directory)

    def children(self, directory: Inode, position: int = 0, /) -> Iterator[Inode]:
        """See Shown."""
        for entry in self._tree.children(directory.entry, position):
            yield Inode(entry, self, directory)

    def total(self, top: Inode, /) -> Entry:
        """See Shown."""
        return top.entry

    def read(self, file: Inode, offset: int, size: int, /) -> bytes:
        """See Shown."""
        return self._tree.read(file.entry, offset, size)

    def pieces(self, file: Inode, /) -> int:
        """See Shown."""
        return self._tree.pieces(file.entry)


class ShownDirectory:
    """A directory that is in no tree, but has trees in it."""

    label = b""
    is_final = False

    def total(self, top: Inode, /) -> Entry:
        """See Shown."""
        return top.entry

    def read(self, _file: Inode, _offset: int, _size: int, /) -> NoReturn:
        """See Shown."""
        raise IsADirectoryInCommitError("/")

    def pieces(self, _file: Inode, /) -> int:
        """See Shown."""
        return 0


class Labelled(NamedTuple):
    """A tree to show beside others."""

    root: bytes
    label: bytes


class SideBySide(ShownDirectory):
    """Several trees, each under a name."""

    is_final = True

    def __init__(self, store: Trees, trees: dict[bytes, Labelled]) -> None:
        self._shown = {
            name: ShownTree(store.tree(tree.root), label=tree.label)
            for name, tree in sorted(trees.items())
        }

    def top(self) -> Inode:
        """The directory of the names."""
        roots = [shown.top().entry for shown in self._shown.values()]
        return Inode(
            directory_entry(
                b"",
                mtime_ns=max((root.mtime_ns for root in roots), default=0),
                size=sum(root.size for root in roots),
                files=sum(root.files for root in roots),
            ),
            self,
        )

    def child(self, directory: Inode, name: bytes, /) -> Inode:
        """See Shown."""
        if name not in self._shown:
            raise PathNotFoundError(name.decode("utf-8", "surrogateescape"))
        return self._shown[name].under(directory, name)

    def children(self, directory: Inode, position: int = 0, /) -> Iterator[Inode]:
        """See Shown."""
        names = islice(self._shown, position, None)
        return (self._shown[name].under(directory, name) for name in names)


class Roots(ShownDirectory):
    """Every tree of the store, each at ``/<64 hex digits of its root>``.

    The mount point itself lists nothing: trees come and go, and there is no end of them.
    """

    def __init__(self, store: Trees) -> None:
        self._shown = lru_cache(maxsize=_TREES_KEPT)(lambda root: ShownTree(store.tree(root)))

    def top(self) -> Inode:
        """The directory that lists nothing."""
        return Inode(directory_entry(b"", mtime_ns=time.time_ns()), self)

    def child(self, directory: Inode, name: bytes, /) -> Inode:
        """See Shown."""
        root = _root_key(name.decode("latin-1"))
        if root is None:
            raise PathNotFoundError(name.decode("utf-8", "surrogateescape"))
        return self._shown(root).under(directory, name)

    def children(self, _directory: Inode, _position: int = 0, /) -> Iterator[Inode]:
        """See Shown."""
        return iter(())


def directory_entry(name: bytes, *, mtime_ns: int, size: int = 0, files: int = 0) -> Entry:
    """The entry of a directory that is in no tree."""
    return Entry(
        name=name,
        kind=Kind.DIRECTORY,
        size=size,
        content=b"",
        mtime_ns=mtime_ns,
        origin=b"",
        files=files,
    )


def named(entry: Entry, name: bytes) -> Entry:
    """A directory under another name."""
    return Entry(
        name=name,
        kind=entry.kind,
        size=entry.size,
        content=entry.content,
        mtime_ns=entry.mtime_ns,
        origin=entry.origin,
        node=entry.node,
        files=entry.files,
    )


def _root_key(text: str) -> bytes | None:
    """The bytes that 64 lower-case hex digits stand for; None for any other text."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == _ROOT_KEY_SIZE and key.hex() == text else None


def open_view(store: Trees, text: str, *, label: str = "") -> Inode:
    """The top of the view that the command line names.

    Args:
        store: The open store.
        text: ``tree:<64 hex digits>``, ``trees:<name>=<64 hex digits>=<label>,...`` or ``roots``.
        label: What a single tree is of.

    Raises:
        InvalidInputError: The text names no view.
        NotFoundError: The store has no such tree.
    """
    if text == "roots":
        return Roots(store).top()
    kind, _, rest = text.partition(":")
    if kind == "tree" and (root := _root_key(rest)) is not None:
        _pin(store, root)
        return ShownTree(store.tree(root), label=label.encode()).top()
    if kind == "trees" and (trees := _parse_trees(rest)) is not None:
        _pin(store, *(tree.root for tree in trees.values()))
        return SideBySide(store, trees).top()
    message = f"view {text!r} invalid"
    hint = "it is 'roots', 'tree:ROOT' or 'trees:NAME=ROOT=LABEL,...', each ROOT 64 hex digits"
    raise InvalidInputError(message, hint=hint)


def _parse_trees(text: str) -> dict[bytes, Labelled] | None:
    trees: dict[bytes, Labelled] = {}
    for item in text.split(","):
        name, _, rest = item.partition("=")
        digits, _, label = rest.partition("=")
        root = _root_key(digits)
        if root is None or not name:
            return None
        trees[name.encode()] = Labelled(root, label.encode())
    return trees


def _pin(store: Trees, *roots: bytes) -> None:
    try:
        store.pin(*roots)
    except OSError as error:  # a full disk, or one that cannot be written: it can still be read
        _log.warning("the mount does not keep its commits from gc: %s", error)
