"""Put and get nodes by key: of directories and of large files; verified on every read."""

from __future__ import annotations

from typing import TypeVar

from pfslib.chunks.chunkstore import ChunkCache
from pfslib.chunks.codec import decode, encode
from pfslib.chunks.condemned import spare
from pfslib.chunks.digest import directory_key, pieces_key
from pfslib.chunks.lru import Lru
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table
from pfslib.model.encoding import pack, unpack
from pfslib.model.errors import CorruptionError
from pfslib.model.nodes import Inner, Leaf, PieceList

NodeT = TypeVar("NodeT", Leaf, Inner, PieceList)

_NODE_CACHE_BYTES = 16 << 20
_LEVEL_AT = 1  # a node is a 2-array: its second byte is its level


class TreeCache:
    """What reading trees remembers: decoded nodes and inflated chunks. Both never change."""

    __slots__ = ("chunks", "nodes")

    def __init__(self) -> None:
        self.nodes: Lru[Leaf | Inner | PieceList] = Lru(_NODE_CACHE_BYTES)
        self.chunks = ChunkCache()


def encode_directory_node(node: Leaf | Inner) -> tuple[bytes, bytes]:
    """Key and plain bytes of a directory node."""
    data = pack(node)
    return directory_key(data), data


def encode_piece_list(node: PieceList) -> tuple[bytes, bytes]:
    """Key and plain bytes of a node of a large file."""
    data = pack(node)
    return pieces_key(data), data


def add_node(txn: WriteTxn, key: bytes, data: bytes) -> None:
    """Store a node, unless it is stored already; gc spares it then."""
    if txn.get(Table.NODES, key) is None:
        txn.put(Table.NODES, key, encode(data))
    spare(txn, key)


def has_node(txn: ReadTxn, key: bytes) -> bool:
    """Whether a node is stored."""
    return txn.get(Table.NODES, key) is not None


def get_directory_node(txn: ReadTxn, key: bytes, cache: TreeCache) -> Leaf | Inner:
    """A node of a directory.

    Raises:
        CorruptionError: It is missing or not what was stored.
    """
    known = cache.nodes.get(key)
    if known is None:
        data = read_node(txn, key)
        if directory_key(data) != key:
            raise CorruptionError(f"directory node {key.hex()} is damaged")
        kind: type[Leaf | Inner] = Leaf if data[_LEVEL_AT] == 0 else Inner
        known = unpack(kind, data)
        cache.nodes.put(key, known, 4 * len(data) + 256)
    assert isinstance(known, Leaf | Inner)
    return known


def get_piece_list(txn: ReadTxn, key: bytes, cache: TreeCache) -> PieceList:
    """A node of a large file.

    Raises:
        CorruptionError: It is missing or not what was stored.
    """
    known = cache.nodes.get(key)
    if known is None:
        data = read_node(txn, key)
        if pieces_key(data) != key:
            raise CorruptionError(f"file node {key.hex()} is damaged")
        known = unpack(PieceList, data)
        cache.nodes.put(key, known, 4 * len(data) + 256)
    assert isinstance(known, PieceList)
    return known


def read_node(txn: ReadTxn, key: bytes) -> bytes:
    """The plain bytes of a node, not verified.

    Raises:
        CorruptionError: It is missing, or its frame is damaged.
    """
    frame = txn.get(Table.NODES, key)
    if frame is None:
        raise CorruptionError(f"node {key.hex()} is missing from the store")
    return bytes(decode(frame))
