"""Make a content of parts of others: append, patch, insert, without storing again what is stored.

Where a stream is cut depends only on the bytes since the cut before. So once a cut of the new
content falls on a cut of the old one it is made of, all following cuts do, too, up to the end of
that part: those chunks, and whole nodes of them, are taken over unread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from pfslib.chunks.split import BUFFER_MIN, CHUNK_MAX, cut, reader_of
from pfslib.kv.protocol import ReadTxn
from pfslib.model.nodes import EMPTY, PIECE_MAX, Content
from pfslib.trees.contents import ContentWriter, GrowingContent
from pfslib.trees.filereader import read_content
from pfslib.trees.nodestore import TreeCache, get_piece_list

_BLOCK: Final = 256 * 1024
_ZEROS: Final = bytes(_BLOCK)
assert _BLOCK >= CHUNK_MAX


class Segment(NamedTuple):
    """A part of a content; of None, zeros."""

    content: Content | None
    start: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


class _Run(NamedTuple):
    """Chunks of an old content, from one of its cuts to another."""

    ref: bytes
    start: int
    end: int


class Patchwork:
    """Parts of contents in a row; more are added at the end, or laid over what is there."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self._starts: list[int] = []
        self.size = 0

    def append(self, content: Content) -> None:
        """Add a content at the end."""
        self._add(Segment(content, 0, content.size))

    def append_part(self, content: Content, start: int, end: int) -> None:
        """Add some bytes of a content at the end."""
        self._add(Segment(content, start, end))

    def write(self, content: Content, offset: int) -> None:
        """Lay a content over what is there; a gap before it is filled with zeros."""
        if content.size == 0:
            return
        self._add(Segment(None, 0, max(offset - self.size, 0)))
        end = offset + content.size
        first, last = self._split(offset), self._split(end)
        self.segments[first:last] = [Segment(content, 0, content.size)]
        self._starts[first:last] = [offset]
        self.size = max(self.size, end)

    def _add(self, segment: Segment) -> None:
        if segment.size:
            self.segments.append(segment)
            self._starts.append(self.size)
            self.size += segment.size

    def _split(self, place: int) -> int:
        """Make a segment begin at a place; its number, which is their count for the end."""
        if place >= self.size:
            return len(self.segments)
        number = bisect_right(self._starts, place) - 1
        begin = place - self._starts[number]
        if begin == 0:
            return number
        content, start, end = self.segments[number]
        self.segments[number : number + 1] = [
            Segment(content, start, start + begin),
            Segment(content, start + begin, end),
        ]
        self._starts.insert(number + 1, place)
        return number + 1


def assemble(txn: ReadTxn, parts: Patchwork, writer: ContentWriter, cache: TreeCache) -> Content:
    """The content that parts of others make: what a fresh put of it would give.

    Args:
        txn: The state to read; all of the parts' contents must be stored in it.
        parts: What to make it of.
        writer: Takes what is new.
        cache: What is remembered of trees.

    Cost: linear in the parts without cuts of their own, which are those of contents up to
    PIECE_MAX; plus BUFFER_MIN bytes read and O(log n) nodes for each part.
    """
    segments = parts.segments
    rope = _Rope(txn, segments, cache)
    if len(segments) == 1 and segments[0].content is not None:
        only = segments[0].content
        if segments[0].size == only.size:
            return only
    if rope.size <= PIECE_MAX:
        return writer.add_bytes(b"".join(rope.blocks(0))) if rope.size else EMPTY
    growing = writer.grow()
    while growing.size < rope.size:
        run = rope.run_at(growing.size)
        if run is not None:
            _take_over(txn, run.ref, 0, run, growing, cache)
            continue
        zeros = rope.zeros_at(growing.size)
        if zeros >= CHUNK_MAX:
            # Every chunk that begins with so many zeros is the same one.
            chunk = next(cut(reader_of([_ZEROS])))
            growing.add_repeated(chunk, (zeros - CHUNK_MAX) // len(chunk) + 1)
            continue
        stream = reader_of(rope.blocks(growing.size))
        for chunk in cut(stream, buffer_size=BUFFER_MIN):
            growing.add_chunk(chunk)
            at = growing.size
            if rope.run_at(at) is not None or rope.zeros_at(at) >= CHUNK_MAX:
                break
    return growing.finish()


class _Rope:
    """Segments in a row, as one sequence of bytes."""

    def __init__(self, txn: ReadTxn, segments: Sequence[Segment], cache: TreeCache) -> None:
        self._txn = txn
        self._cache = cache
        self._segments = segments
        self._ends = list(accumulate(segment.size for segment in segments))
        self.size = self._ends[-1] if self._ends else 0

    def blocks(self, position: int) -> Iterator[bytes]:
        """The bytes from a position on."""
        index = bisect_right(self._ends, position)
        while index < len(self._segments):
            segment = self._segments[index]
            at = segment.end - (self._ends[index] - position)
            step = min(_BLOCK, segment.end - at)
            if segment.content is None:
                yield _ZEROS[:step]
            else:
                yield read_content(self._txn, segment.content, at, at + step, self._cache)
            position += step
            index += position == self._ends[index]

    def zeros_at(self, position: int) -> int:
        """How many bytes of a gap there are from a position on."""
        index = bisect_right(self._ends, position)
        gap = index < len(self._segments) and self._segments[index].content is None
        return self._ends[index] - position if gap else 0

    def run_at(self, position: int) -> _Run | None:
        """The longest run of whole old chunks that begins at a position, which is a cut."""
        if position >= self.size:
            return None
        index = bisect_right(self._ends, position)
        segment = self._segments[index]
        content = segment.content
        if content is None or content.size <= PIECE_MAX:
            return None
        start = segment.end - (self._ends[index] - position)
        if self._cut_before(content, start) != start:
            return None
        if segment.end < content.size:
            end = self._cut_before(content, segment.end)
        elif self._ends[index] == self.size:
            end = segment.end
        else:  # where the old content ended, it was not the bytes that made the cut
            end = self._cut_before(content, content.size - 1)
        return _Run(content.ref, start, end) if start < end else None

    def _cut_before(self, content: Content, place: int) -> int:
        """The last cut at or before a place of a large content that is not its end."""
        key, position = content.ref, 0
        while True:
            node = get_piece_list(self._txn, key, self._cache)
            for item in node.items:
                if place < position + item.size:
                    key = item.digest
                    break
                position += item.size
            if node.level == 0:
                return position


def _take_over(
    txn: ReadTxn, key: bytes, position: int, run: _Run, growing: GrowingContent, cache: TreeCache
) -> None:
    """Add the chunks of a run that lie below a node, whole nodes where that is possible."""
    node = get_piece_list(txn, key, cache)
    ends = accumulate((item.size for item in node.items), initial=position)
    for item, (start, end) in zip(node.items, pairwise(ends), strict=True):
        if end <= run.start or start >= run.end:
            continue
        if run.start <= start and end <= run.end and growing.at_boundary(node.level):
            growing.add_piece(item, node.level)
        else:
            _take_over(txn, item.digest, start, run, growing, cache)
