"""A file of lines as slices: runs of whole lines whose bounds follow from the content.

A bound is the first end of a line after a piece of the file whose digest says so, 1 MiB from the
one before on average. So a change moves no bound but the nearest, and what is appended changes only
the last slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from blake3 import blake3

from pfslib.kv.protocol import ReadTxn
from pfslib.model.nodes import PIECE_MAX, Content, Entry
from pfslib.trees.contents import iter_pieces
from pfslib.trees.filereader import read_content
from pfslib.trees.nodestore import TreeCache

_ENDS_MASK: Final = 15
"""A slice ends after a piece of which these bits are zero: 16 pieces, 1 MiB, on average."""

SLICE_MAX: Final = 8 << 20
"""Bytes after which a slice ends at the next end of a line, whatever the pieces say."""

_BLOCK: Final = 1 << 18


class Slice(NamedTuple):
    """Some lines of a file."""

    start: int
    end: int
    """-1 for the whole file."""

    digest: bytes
    """Of the bytes; empty for the whole file."""


WHOLE: Final = Slice(0, -1, b"")


def line_slices(txn: ReadTxn, file: Entry, cache: TreeCache) -> Iterator[Slice]:
    """The slices of a file, in order; of one that is not cut, one that is all of it.

    Cost: the file is read once; small ones are not.
    """
    bounds = list(_bounds(txn, file, cache)) if file.size > PIECE_MAX and file.is_file else []
    if not bounds:
        yield WHOLE
        return
    content = Content(file.size, file.content)
    for start, end in zip([0, *bounds], [*bounds, file.size], strict=True):
        yield Slice(start, end, digest_of_part(txn, content, start, end, cache))


def _bounds(txn: ReadTxn, file: Entry, cache: TreeCache) -> Iterator[int]:
    content = Content(file.size, file.content)
    last = place = 0
    for piece in iter_pieces(txn, file.content, cache):
        place += piece.size
        if place <= last:
            continue  # within a line that went on beyond this piece
        if piece.digest[-1] & _ENDS_MASK and place - last < SLICE_MAX:
            continue
        last = _line_end(txn, content, place, cache)
        if last >= file.size:
            return
        yield last


def _line_end(txn: ReadTxn, content: Content, place: int, cache: TreeCache) -> int:
    """The first place at or after another at which a line has ended."""
    at = place - 1
    while at < content.size:
        step = min(at + _BLOCK, content.size)
        found = read_content(txn, content, at, step, cache).find(b"\n")
        if found >= 0:
            return at + found + 1
        at = step
    return content.size


def digest_of_part(txn: ReadTxn, content: Content, start: int, end: int, cache: TreeCache) -> bytes:
    """The digest of some bytes of a content. Cost: they are read."""
    hasher = blake3()
    for at in range(start, end, _BLOCK):
        hasher.update(read_content(txn, content, at, min(at + _BLOCK, end), cache))
    return hasher.digest()
