"""TreeSource: a store opened to read trees from, and nothing else.

What a mount server opens: none of the modules for commits, pipelines and mounts are imported.
"""

from __future__ import annotations

import copyreg
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from weakref import WeakValueDictionary

from pfslib.api.tree import Tree
from pfslib.chunks.digest import HASH_NAME
from pfslib.chunks.split import PARAMETERS
from pfslib.kv.handle import KVHandle
from pfslib.kv.lmdb_kv import LmdbKV, identity
from pfslib.kv.protocol import KV, Hold
from pfslib.kv.store_dir import check_store
from pfslib.model.nodes import Entry
from pfslib.trees.nodestore import TreeCache

STORE_PARAMETERS: Final = {"hash": HASH_NAME, **PARAMETERS}
"""What a store's marker says of how contents are named and cut."""

_reopened: WeakValueDictionary[tuple[type, tuple[int, int]], TreeSource] = WeakValueDictionary()


class TreeSource:
    """An open store that trees can be read from. A context manager.

    Attributes:
        path: The store's directory.
    """

    def __init__(self, path: Path, *, accept_loss: bool = False) -> None:
        self.path = path
        backend = LmdbKV.open(path, accept_loss=accept_loss)
        self._handle = KVHandle(backend, path, abandon=backend.abandon)
        self.kv: KV = self._handle
        self.cache = TreeCache()
        self._pins: list[Hold] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def __reduce__(self) -> tuple[Callable[[str], Self], tuple[str]]:
        """What is pickled of a store is its path: another process opens it there."""
        return type(self)._reopen, (str(self.path),)  # noqa: SLF001 - its own class

    @classmethod
    def _reopen(cls, path: str) -> Self:
        """The store at a path; the same one for all handles that are unpickled while it is open.

        Raises:
            StoreNotFoundError: It is not there any more.
        """
        directory = check_store(Path(path), STORE_PARAMETERS)
        key = (cls, identity(directory))
        source = _reopened.get(key)
        if not isinstance(source, cls) or source.closed:
            source = _reopened[key] = cls(directory)
        return source

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the store back; its handles raise StoreClosedError from then on. Idempotent."""
        for pin in self._pins:
            pin.release()
        self.kv.close()

    def tree(self, root: bytes) -> Tree:
        """The tree whose root directory node has a key of 32 bytes; what mounts read.

        Raises:
            NotFoundError: There is no such node.
        """
        return Tree.of_node(self.kv, root, self.cache)

    def pin(self, *roots: bytes) -> Hold:
        """Keep trees from gc though their commits be deleted, as long as this store is open.

        Args:
            roots: Keys of their root directories. To be sure of all of a tree, see afterwards that
                its commit is there.

        Returns:
            What to ``release()`` if the trees may go sooner.

        Raises:
            StoreFullError: There is no room to note it down.
            OSError: The store's directory cannot be written to.
        """
        pin = self.kv.hold()
        pin.add(roots)
        self._pins.append(pin)
        return pin


def _reduce_tree(tree: Tree) -> tuple[Callable[..., Tree], tuple[object, ...]]:
    """What is pickled of a tree is the path of its store, and the entry of its root."""
    handle = tree._kv  # noqa: SLF001 - a tree cannot know who opens stores
    assert isinstance(handle, KVHandle)
    held = tree._hold is not None  # noqa: SLF001
    return _reopen_tree, (str(handle.path), tree.root, tree.where, tree._check_there, held)  # noqa: SLF001


def _reopen_tree(
    path: str,
    root: Entry,
    where: str,
    check_there: Callable[[], None] | None,
    held: bool,  # noqa: FBT001
) -> Tree:
    source = TreeSource._reopen(path)  # noqa: SLF001 - of this module
    hold = source.kv.hold() if held else None
    if hold is not None:
        hold.add([root.node])
    return Tree(source.kv, root, source.cache, where=where, check_there=check_there, hold=hold)


copyreg.pickle(Tree, _reduce_tree)


def open_trees(path: str | os.PathLike[str]) -> TreeSource:
    """Open an existing store to read trees by key: light, for mounts.

    Raises:
        StoreNotFoundError: No store there.
        UnknownFormatError: The store was made by a newer pfslib.
    """
    return TreeSource(check_store(Path(path).absolute(), STORE_PARAMETERS))
