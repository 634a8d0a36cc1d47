"""Tree: reading below one root. What the mount server, and every commit, reads through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice

from pfslib.kv.protocol import KV, Hold, ReadTxn
from pfslib.kv.short_reads import ShortReads
from pfslib.model.errors import NotADirectoryInCommitError, NotFoundError, PathNotFoundError
from pfslib.model.nodes import DIGEST_SIZE, Entry
from pfslib.model.paths import join_path, split_path
from pfslib.trees.damage import damage_of
from pfslib.trees.directories import root_entry
from pfslib.trees.filereader import count_pieces, read_file
from pfslib.trees.lookup import find_child, get_entry, scan_from
from pfslib.trees.nodestore import TreeCache, has_node

_PAGE = 1024
_STREAM_BYTES = 1 << 20


class Tree:
    """An immutable directory with all below it.

    Every call reads in a short transaction of its own, so a Tree kept for long pins nothing of
    LMDB's. Safe to use from several threads.

    Attributes:
        root: Its root directory.
        where: What it is called in errors.
    """

    def __init__(
        self,
        kv: KV,
        root: Entry,
        cache: TreeCache,
        *,
        where: str,
        check_there: Callable[[], None] | None = None,
        hold: Hold | None = None,
    ) -> None:
        """See a tree.

        Args:
            kv: Its store.
            root: Its root directory.
            cache: What is remembered of trees.
            where: What it is called in errors.
            check_there: Raises when what the tree is of was deleted; then what is missing of it is
                no damage.
            hold: What keeps the tree from gc for as long as it is read.
        """
        self._kv = kv
        self._hold = hold
        self._nodes = ShortReads(kv)
        self._cache = cache
        self.where = where
        self._check_there = check_there
        self.root = root

    @classmethod
    def of_node(cls, kv: KV, key: bytes, cache: TreeCache) -> Tree:
        """The tree whose root directory has a node of that key.

        Args:
            kv: The store.
            key: The key of the node.
            cache: What is remembered of trees.

        Raises:
            NotFoundError: No such node is stored.
        """
        with kv.read() as txn:
            if len(key) != DIGEST_SIZE or not has_node(txn, key):
                raise NotFoundError(f"tree {key.hex()} not found")
            root = root_entry(txn, key, cache)
        return cls(kv, root, cache, where=f"tree {key.hex()[:12]}")

    def find(self, path: str | bytes) -> Entry:
        """The entry at a path; the root for '/' or ''.

        Raises:
            PathNotFoundError: Nothing there.
            NotADirectoryInCommitError: A file stands where the path needs a directory.

        Cost: for each component of the path, O(log n) in its directory.
        """
        parts = split_path(path)
        with self._reading(path) as txn:
            return get_entry(txn, self.root, parts, self._cache, where=self.where)

    def child(self, directory: Entry, name: bytes) -> Entry:
        """The entry of a name in a directory of this tree.

        Args:
            directory: The directory.
            name: One component.

        Raises:
            PathNotFoundError: There is none.
        """
        with self.naming(name):
            found = find_child(self._nodes, directory, name, self._cache)
        if found is None:
            raise PathNotFoundError(join_path((name,)), self.where)
        return found

    def children(self, directory: Entry, position: int = 0) -> Iterator[Entry]:
        """The entries of a directory of this tree, in byte order of their names.

        Args:
            directory: Which.
            position: How many to leave out, which costs O(log n) nodes.
        """
        return self._scan(directory, directory.name, position)

    def pieces(self, entry: Entry) -> int:
        """How many pieces a file is stored in; none when its content stands in the entry.

        Cost: of a large file, reading the list of its pieces.
        """
        with self._reading(entry.name) as txn:
            return count_pieces(txn, entry, self._cache)

    def scan(self, path: str | bytes = b"") -> Iterator[Entry]:
        """The entries of a directory, in byte order of their names.

        Raises:
            PathNotFoundError: Nothing there.
            NotADirectoryInCommitError: It is a file.
        """
        directory = self.find(path)
        if not directory.is_dir:
            raise NotADirectoryInCommitError(join_path(split_path(path)))
        return self._scan(directory, path)

    def _scan(self, directory: Entry, path: str | bytes, position: int = 0) -> Iterator[Entry]:
        while True:
            with self._reading(path) as txn:
                rows = scan_from(txn, directory, position, self._cache)
                page = list(islice(rows, _PAGE))
            yield from page
            if len(page) < _PAGE:
                return
            position += len(page)

    def walk(self, path: str | bytes = b"") -> Iterator[tuple[str, Entry]]:
        """Everything below a directory, as path and entry; a directory comes before its content."""
        top = split_path(path)
        stack = [(top, self.scan(path))]
        while stack:
            parts, rows = stack[-1]
            entry = next(rows, None)
            if entry is None:
                stack.pop()
                continue
            below = (*parts, entry.name)
            yield join_path(below), entry
            if entry.is_dir:
                stack.append((below, self._scan(entry, b"/".join(below))))

    def read(
        self,
        entry: Entry,
        offset: int = 0,
        size: int | None = None,
        *,
        path: str | bytes | None = None,
    ) -> bytes:
        """Bytes of a file's content, verified; fewer than asked for at its end.

        Args:
            entry: A file of this tree (any entry of the same store will do).
            offset: First byte wanted.
            size: Most bytes wanted; None for all that follow.
            path: Where it is, for errors; else they give its name alone.

        Raises:
            IsADirectoryInCommitError: It is a directory.
            CorruptionError: What is stored is not what was written.
        """
        with self._reading(entry.name if path is None else path) as txn:
            return read_file(txn, entry, offset, size, self._cache)

    def stream(
        self,
        entry: Entry,
        offset: int = 0,
        size: int | None = None,
        *,
        path: str | bytes | None = None,
    ) -> Iterator[bytes]:
        """The same as `read`, in blocks of a MiB: for contents larger than memory."""
        end = entry.size if size is None else min(entry.size, offset + size)
        while offset < end:
            block = self.read(entry, offset, min(_STREAM_BYTES, end - offset), path=path)
            offset += len(block)
            yield block

    def check_there(self) -> None:
        """See that what the tree is of has not been deleted, if that can be.

        Raises:
            NotFoundError: It has.
        """
        if self._check_there is not None:
            self._check_there()

    def naming(self, path: str | bytes) -> AbstractContextManager[None]:
        """Let reports of damage that is met inside name a file, and what the tree is of."""
        return damage_of(self.where, path, check_there=self.check_there)

    @contextmanager
    def _reading(self, path: str | bytes) -> Iterator[ReadTxn]:
        with self.naming(path), self._kv.read() as txn:
            yield txn
