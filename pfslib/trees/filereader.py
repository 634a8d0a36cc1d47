"""Random access to the bytes of one file."""

from __future__ import annotations

from pfslib.chunks.chunkstore import get_piece
from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import InvalidInputError, IsADirectoryInCommitError
from pfslib.model.nodes import INLINE_MAX, PIECE_MAX, Content, Entry
from pfslib.model.paths import to_text
from pfslib.trees.nodestore import TreeCache, get_piece_list


def read_file(txn: ReadTxn, entry: Entry, offset: int, size: int | None, cache: TreeCache) -> bytes:
    """Bytes of a file (or of a link's target), verified.

    Args:
        txn: The state to read.
        entry: The file.
        offset: First byte wanted; beyond the end gives nothing.
        size: Most bytes wanted; None for all that follow.
        cache: What is remembered of trees.

    Raises:
        IsADirectoryInCommitError: The entry is a directory.
        CorruptionError: What is stored is not what was written.

    Cost: the chunks that the range touches, and O(log n) nodes of a large file.
    """
    if entry.is_dir:
        raise IsADirectoryInCommitError("/" + to_text(entry.name))
    if offset < 0 or (size is not None and size < 0):
        raise InvalidInputError(f"offset {offset} and size {size} must not be negative")
    end = entry.size if size is None else min(entry.size, offset + size)
    return read_content(txn, Content(entry.size, entry.content), offset, end, cache)


def read_content(txn: ReadTxn, content: Content, start: int, end: int, cache: TreeCache) -> bytes:
    """The bytes of a content from one place to another, which it must reach, verified."""
    if start >= end:
        return b""
    if content.size <= INLINE_MAX:
        return content.ref[start:end]
    if content.size <= PIECE_MAX:
        return bytes(get_piece(txn, content.ref, cache.chunks)[start:end])
    parts: list[bytes | memoryview] = []
    _collect(txn, content.ref, start, end, parts, cache)
    return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def count_pieces(txn: ReadTxn, entry: Entry, cache: TreeCache) -> int:
    """How many pieces a file is stored in; none when its content stands in the entry."""
    if entry.is_dir or entry.is_inline:
        return 0
    if entry.size <= PIECE_MAX:
        return 1
    return _count(txn, entry.content, cache)


def _count(txn: ReadTxn, key: bytes, cache: TreeCache) -> int:
    node = get_piece_list(txn, key, cache)
    if not node.level:
        return len(node.items)
    return sum(_count(txn, item.digest, cache) for item in node.items)


def _collect(
    txn: ReadTxn,
    key: bytes,
    start: int,
    end: int,
    parts: list[bytes | memoryview],
    cache: TreeCache,
) -> None:
    """Collect the bytes start..end of a node of a large file."""
    node = get_piece_list(txn, key, cache)
    position = 0
    for item in node.items:
        after = position + item.size
        if after > start:
            if position >= end:
                return
            low, high = max(start - position, 0), min(end - position, item.size)
            if node.level:
                _collect(txn, item.digest, low, high, parts, cache)
            else:
                piece = memoryview(get_piece(txn, item.digest, cache.chunks))
                parts.append(piece[low:high])
        position = after
