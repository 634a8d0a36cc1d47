"""Make the content of a file: inline, one packed piece, or a tree of pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from pfslib.chunks.chunkstore import get_piece, has_piece
from pfslib.chunks.ingest import Ingest
from pfslib.chunks.split import ReadInto, reader_of
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.model.encoding import unpack
from pfslib.model.nodes import INLINE_MAX, PIECE_MAX, Content, Piece, PieceList
from pfslib.trees.nodestore import (
    TreeCache,
    add_node,
    encode_piece_list,
    get_piece_list,
    has_node,
)
from pfslib.trees.splitting import SplitTree

_ENDS_MASK = 63
"""A node of a large file ends after an item whose digest has these bits zero: 64 on average."""


class _PieceShape:
    """Nodes of a large file; sealed ones are kept until they are written."""

    def __init__(self, nodes: dict[bytes, bytes]) -> None:
        self._nodes = nodes

    def ends_node(self, item: Piece, level: int) -> bool:
        """See Shape. Each level looks at a byte of its own."""
        return item.digest[level] & _ENDS_MASK == 0

    def seal(self, items: list[Piece], level: int) -> Piece:
        """See Shape."""
        key, data = encode_piece_list(PieceList(level, tuple(items)))
        self._nodes[key] = data
        return Piece(sum(item.size for item in items), key)


class ContentWriter:
    """Contents waiting to be written into one store, with the pieces they are made of."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._ingest = Ingest(kv)
        self._nodes: dict[bytes, bytes] = {}

    @property
    def pending_bytes(self) -> int:
        """Plain bytes not yet written."""
        return self._ingest.pending_bytes

    def add_bytes(self, data: bytes) -> Content:
        """Add a content held in memory."""
        if len(data) <= INLINE_MAX:
            return Content(len(data), data)
        if len(data) <= PIECE_MAX:
            return Content(len(data), self._ingest.add_piece(data))
        return self._add_large(reader_of([data]))

    def add_blocks(self, blocks: Iterable[bytes]) -> Content:
        """Add a content that comes in blocks, of any size; memory stays bounded."""
        return self.add_stream(reader_of(blocks))

    def add_stream(self, readinto: ReadInto) -> Content:
        """Add a content read by filling buffers; memory stays bounded."""
        head = bytearray(PIECE_MAX + 1)
        filled = 0
        while filled < len(head):
            count = readinto(memoryview(head)[filled:])
            if count == 0:
                return self.add_bytes(bytes(head[:filled]))
            filled += count
        return self._add_large(_after(head, readinto))

    def concatenate(self, txn: ReadTxn, contents: Iterable[Content], cache: TreeCache) -> Content:
        """Add the contents one after the other, without reading what need not be cut again.

        Cost: linear in all but the first content, of which only the last chunk is read.
        """
        parts = [content for content in contents if content.size]
        if not parts:
            return Content(0, b"")
        first, rest = parts[0], parts[1:]
        if not rest:
            return first
        following = chain.from_iterable(read_blocks(txn, part, cache) for part in rest)
        if first.size <= PIECE_MAX:
            return self.add_blocks(chain(read_blocks(txn, first, cache), following))
        tree = self._new_tree()
        last = _copy_all_but_last(txn, first, cache, tree)
        blocks = chain([read_piece(txn, last, cache)], following)
        self._ingest.add_stream(reader_of(blocks), tree.add)
        return self._finish(tree, sum(part.size for part in parts))

    @contextmanager
    def writing(self) -> Iterator[WriteTxn]:
        """A write transaction of the store that begins with everything pending.

        All other work is finished before, to keep it short. When it rolls back, everything is
        pending as before, so that what failed can be tried again.
        """
        self._ingest.settle()
        with self._kv.write() as txn:
            self._ingest.flush(txn)
            for key, data in self._nodes.items():
                add_node(txn, key, data)
            yield txn
        self._ingest.written()
        self._nodes.clear()

    def spill(self) -> None:
        """Write everything pending in a transaction of its own."""
        with self.writing():
            pass

    def close(self) -> None:
        """Drop what is pending."""
        self._ingest.close()
        self._nodes.clear()

    def _new_tree(self) -> SplitTree[Piece, Piece]:
        return SplitTree(_PieceShape(self._nodes))

    def _add_large(self, readinto: ReadInto) -> Content:
        tree = self._new_tree()
        size = self._ingest.add_stream(readinto, tree.add)
        return self._finish(tree, size)

    def _finish(self, tree: SplitTree[Piece, Piece], size: int) -> Content:
        root = tree.finish(self._only_child)
        assert root is not None
        assert root.size == size
        return Content(size, root.digest)

    def _only_child(self, piece: Piece) -> Piece | None:
        data = self._nodes.get(piece.digest)
        if data is None:  # taken over whole from an older tree: it never has one child only
            return None
        node = unpack(PieceList, data)
        return node.items[0] if node.level > 0 and len(node.items) == 1 else None


def _after(head: bytearray, readinto: ReadInto) -> ReadInto:
    """The stream that begins with what was read of it already."""
    rest = memoryview(head)

    def read_on(target: memoryview) -> int:
        nonlocal rest
        if not rest:
            return readinto(target)
        count = min(len(rest), len(target))
        target[:count] = rest[:count]
        rest = rest[count:]
        return count

    return read_on


def _copy_all_but_last(
    txn: ReadTxn, content: Content, cache: TreeCache, tree: SplitTree[Piece, Piece]
) -> Piece:
    """Take over a large file's pieces but the last, whole nodes where they are complete."""
    node = get_piece_list(txn, content.ref, cache)
    while True:
        for item in node.items[:-1]:
            tree.add(item, node.level)
        if node.level == 0:
            return node.items[-1]
        node = get_piece_list(txn, node.items[-1].digest, cache)


def read_blocks(txn: ReadTxn, content: Content, cache: TreeCache) -> Iterator[bytes]:
    """The bytes of a content, chunk by chunk."""
    if content.size <= INLINE_MAX:
        yield content.ref
    elif content.size <= PIECE_MAX:
        yield bytes(get_piece(txn, content.ref, cache.chunks))
    else:
        for piece in iter_pieces(txn, content.ref, cache):
            yield read_piece(txn, piece, cache)


def read_piece(txn: ReadTxn, piece: Piece, cache: TreeCache) -> bytes:
    """The bytes of one chunk of a large file."""
    return bytes(get_piece(txn, piece.digest, cache.chunks))


def iter_pieces(txn: ReadTxn, key: bytes, cache: TreeCache) -> Iterator[Piece]:
    """The chunks of a large file, in order."""
    node = get_piece_list(txn, key, cache)
    if node.level == 0:
        yield from node.items
        return
    for item in node.items:
        yield from iter_pieces(txn, item.digest, cache)


def is_stored(txn: ReadTxn, content: Content) -> bool:
    """Whether the content can be read from this store; looks at its root only."""
    if content.size <= INLINE_MAX:
        return True
    if content.size <= PIECE_MAX:
        return has_piece(txn, content.ref)
    return has_node(txn, content.ref)
