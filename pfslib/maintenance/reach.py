"""Everything that can be reached from the roots, each node visited once.

Memory: about 110 bytes a node (of directories one for 32 entries, of large files one for 64 chunks)
and 8 bytes a piece; 1,000,000 small files are 31,000 nodes and 1,000,000 pieces, 12 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pfslib.chunks.digest import directory_key
from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.nodes import PIECE_MAX, Entry, Leaf
from pfslib.trees.nodestore import (
    TreeCache,
    get_directory_node,
    get_piece_list,
    has_node,
    read_node,
)

_NODES_A_TXN: Final = 512
"""Nodes read in one transaction: tens of milliseconds, so that nobody waits for its end."""


class Reach:
    """The nodes reached so far, and where to go on.

    Args:
        on_piece: Called with the digest of each piece of each node, so a piece may come again.
        on_node: Called with the key of each node, once.
    """

    def __init__(
        self, on_piece: Callable[[bytes], None], on_node: Callable[[bytes], None] | None = None
    ) -> None:
        self.nodes: set[bytes] = set()
        self._on_piece = on_piece
        self._on_node = on_node
        self._directories: list[bytes] = []
        self._lists: list[bytes] = []
        self._cache = TreeCache()

    def add_entry(self, entry: Entry) -> None:
        """Begin from what an entry refers to."""
        if entry.is_dir:
            self._add(self._directories, entry.node)
        elif entry.size > PIECE_MAX:
            self._add(self._lists, entry.content)
        elif not entry.is_inline:
            self._on_piece(entry.content)

    def add_name(self, txn: ReadTxn, name: bytes) -> None:
        """Begin from the key of a node or the digest of a piece, whichever it is, stored or not."""
        if not has_node(txn, name):
            self._on_piece(name)
        elif directory_key(read_node(txn, name)) == name:
            self._add(self._directories, name)
        else:
            self._add(self._lists, name)

    def walk(
        self, kv: KV, *, tolerant: bool = False, progress: Callable[[int], None] | None = None
    ) -> None:
        """Go on until everything is reached, in short transactions.

        Args:
            kv: The store.
            tolerant: Pass over nodes that are missing.
            progress: Told from time to time how many nodes have been reached.

        Raises:
            CorruptionError: A node is missing or damaged, so that what is below it is unknown.
        """
        while self._directories or self._lists:
            with kv.read() as txn:
                for _ in range(_NODES_A_TXN):
                    if not self._visit_next(txn, tolerant=tolerant):
                        break
            if progress is not None:
                progress(len(self.nodes))

    def _visit_next(self, txn: ReadTxn, *, tolerant: bool) -> bool:
        if self._lists:
            visit, key = self._visit_list, self._lists.pop()
        elif self._directories:
            visit, key = self._visit_directory, self._directories.pop()
        else:
            return False
        if not tolerant or has_node(txn, key):
            visit(txn, key)
        return True

    def _add(self, todo: list[bytes], key: bytes) -> None:
        if key not in self.nodes:
            self.nodes.add(key)
            todo.append(key)
            if self._on_node is not None:
                self._on_node(key)

    def _visit_directory(self, txn: ReadTxn, key: bytes) -> None:
        node = get_directory_node(txn, key, self._cache)
        if isinstance(node, Leaf):
            for entry in node.items:
                self.add_entry(entry)
        else:
            for child in node.items:
                self._add(self._directories, child.node)

    def _visit_list(self, txn: ReadTxn, key: bytes) -> None:
        node = get_piece_list(txn, key, self._cache)
        for item in node.items:
            if node.level:
                self._add(self._lists, item.digest)
            else:
                self._on_piece(item.digest)
