"""Make the content of a file: inline, one packed piece, or a tree of pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from pfslib.chunks.chunkstore import has_piece
from pfslib.chunks.condemned import is_condemned
from pfslib.chunks.ingest import Ingest
from pfslib.chunks.split import ReadInto, reader_of
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.model.encoding import unpack
from pfslib.model.nodes import INLINE_MAX, PIECE_MAX, Content, Entry, Piece, PieceList
from pfslib.trees.nodestore import (
    TreeCache,
    add_node,
    encode_piece_list,
    get_piece_list,
    has_node,
)
from pfslib.trees.splitting import NODE_MAX, SplitTree

_ENDS_MASK: Final = 63
"""A node of a large file ends after an item whose digest has these bits zero: 64 on average."""

_NODES_MAX: Final = 4096
"""Nodes of large files held before they are written: about 10 MB."""


def ends_list(digest: bytes, level: int) -> bool:
    """Whether a node of a large file ends after the piece, or the node below, of that digest.

    It also ends when it has NODE_MAX items, or where the file does. Each level looks at a byte of
    its own.
    """
    return digest[level] & _ENDS_MASK == 0


class _PieceShape:
    """Nodes of a large file; sealed ones are kept until they are written."""

    def __init__(self, nodes: dict[bytes, bytes]) -> None:
        self._nodes = nodes

    def ends_node(self, item: Piece, level: int) -> bool:
        """See Shape."""
        return ends_list(item.digest, level)

    def seal(self, items: list[Piece], level: int) -> Piece:
        """See Shape."""
        key, data = encode_piece_list(PieceList(level, tuple(items)))
        self._nodes[key] = data
        return Piece(sum(item.size for item in items), key)


class ContentWriter:
    """Contents waiting to be written into one store, with the pieces they are made of."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._hold = kv.hold()
        self._ingest = Ingest(kv, self._hold)
        self._nodes: dict[bytes, bytes] = {}
        self._nodes_before = 0

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

    def grow(self) -> GrowingContent:
        """Begin a large content that is made of more than one stream."""
        return GrowingContent(self._kv, self._ingest, self._nodes)

    def rely_on(self, content: Content) -> bool:
        """Say that a content found in the store is about to be referred to again.

        Returns:
            Whether it is there; if not, it has to be added.
        """
        if content.size > INLINE_MAX:
            self._hold.add((content.ref,))
        with self._kv.read() as txn:
            return is_stored(txn, content)

    def keep(self, entry: Entry) -> None:
        """Keep what an entry refers to until it is published, whatever becomes of its source.

        For an entry taken over from elsewhere in the store. The caller then makes sure that the
        source is still there: if it was deleted before, this may have come too late.
        """
        if not entry.is_inline:
            self._hold.add((entry.node or entry.content,))

    @contextmanager
    def writing(self) -> Iterator[WriteTxn]:
        """A write transaction of the store that begins with everything pending.

        All other work is finished before, to keep it short. When it rolls back, everything is
        pending as before, so that what failed can be tried again.
        """
        self._ingest.settle()
        self._hold.add(self._nodes)
        with self._kv.write() as txn:
            self._ingest.flush(txn)
            for key, data in self._nodes.items():
                add_node(txn, key, data)
            yield txn
        self._ingest.written()
        self._nodes.clear()
        self._nodes_before = 0

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Drop what the block adds if it raises; what was written meanwhile is left to gc."""
        self._ingest.begin()
        self._nodes_before = len(self._nodes)
        try:
            yield
        except BaseException:
            self._ingest.take_back()
            for key in list(self._nodes)[self._nodes_before :]:
                del self._nodes[key]
            raise

    def spill(self) -> None:
        """Write everything pending in a transaction of its own."""
        with self.writing():
            pass

    def let_go(self) -> None:
        """Leave what was added to gc: by now the store refers to all of it that is wanted."""
        self._hold.release()

    def close(self) -> None:
        """Drop what is pending, and leave what was written to gc."""
        self._ingest.close()
        self._nodes.clear()
        self._nodes_before = 0
        self._hold.release()

    def _add_large(self, readinto: ReadInto) -> Content:
        growing = self.grow()
        self._ingest.add_stream(readinto, growing.add_piece)
        content = growing.finish()
        if len(self._nodes) > _NODES_MAX:
            self.spill()
        return content


class GrowingContent:
    """A large content in the making, of chunks and of nodes taken over from older contents."""

    def __init__(self, kv: KV, ingest: Ingest, nodes: dict[bytes, bytes]) -> None:
        self._kv = kv
        self._ingest = ingest
        self._nodes = nodes
        self._shape = _PieceShape(nodes)
        self._tree: SplitTree[Piece, Piece] = SplitTree(self._shape)
        self.size = 0

    def add_chunk(self, chunk: memoryview) -> None:
        """Add bytes that were cut where a fresh put would cut them."""
        self.add_piece(self._ingest.add_chunk(chunk))

    def add_piece(self, piece: Piece, level: int = 0) -> None:
        """Add a stored chunk or, at a level above 0, a whole stored node of level - 1.

        A node may only be added where `at_boundary(level)` holds.
        """
        self._tree.add(piece, level)
        self.size += piece.size

    def add_repeated(self, chunk: memoryview, times: int) -> None:
        """Add the same chunk many times in a row. Cost: O(log times) nodes."""
        piece = self._ingest.add_chunk(chunk)
        full = [(piece, 1)]  # by level: what stands for so many chunks, all nodes below it full
        while times:
            item, count = full[-1]
            per_node = 1 if self._shape.ends_node(item, len(full) - 1) else NODE_MAX
            if count * per_node <= times:
                full.append((self._shape.seal([item] * per_node, len(full) - 1), count * per_node))
                continue
            level = len(full) - 1
            while full[level][1] > times or not self._tree.at_boundary(level):
                level -= 1
            self.add_piece(full[level][0], level)
            times -= full[level][1]

    def at_boundary(self, level: int) -> bool:
        """Whether a whole node may be taken over here."""
        return self._tree.at_boundary(level)

    def finish(self) -> Content:
        """The content of all that was added."""
        root = self._tree.finish(self._only_child)
        assert root is not None
        assert root.size == self.size
        return Content(root.size, root.digest)

    def _only_child(self, piece: Piece) -> Piece | None:
        data = self._nodes.get(piece.digest)
        if data is not None:
            node = unpack(PieceList, data)
        else:  # taken over
            with self._kv.read() as txn:
                node = get_piece_list(txn, piece.digest, TreeCache())
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


def iter_pieces(txn: ReadTxn, key: bytes, cache: TreeCache) -> Iterator[Piece]:
    """The chunks of a large file, in order."""
    node = get_piece_list(txn, key, cache)
    if node.level == 0:
        yield from node.items
        return
    for item in node.items:
        yield from iter_pieces(txn, item.digest, cache)


def is_stored(txn: ReadTxn, content: Content) -> bool:
    """Whether the content is stored, and will stay for who has noted it down in a hold.

    Looks at its root only.
    """
    if content.size <= INLINE_MAX:
        return True
    if content.size <= PIECE_MAX:
        return has_piece(txn, content.ref)
    return has_node(txn, content.ref) and not is_condemned(txn, content.ref)
