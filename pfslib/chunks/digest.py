"""The hash that names content: BLAKE3-256, keyed by what is hashed, so that no node is a chunk."""

from __future__ import annotations

from blake3 import blake3

HASH_NAME = "blake3-256"

_DIRECTORY_KEY = b"pfslib 1: a node of a directory "
_ENTRIES_KEY = b"pfslib 1: content of a directory"
_PIECES_KEY = b"pfslib 1: a node of a large file"


def piece_digest(data: bytes | memoryview) -> bytes:
    """Names a run of file content; plain BLAKE3, so that `b3sum` gives the same."""
    return blake3(data).digest()


def directory_key(node: bytes) -> bytes:
    """Names a directory node, metadata included."""
    return blake3(node, key=_DIRECTORY_KEY).digest()


def entries_digest(entries: bytes) -> bytes:
    """Names what a directory holds, metadata left out."""
    return blake3(entries, key=_ENTRIES_KEY).digest()


def pieces_key(node: bytes) -> bytes:
    """Names a node of a large file; of the root node, the file's content."""
    return blake3(node, key=_PIECES_KEY).digest()
