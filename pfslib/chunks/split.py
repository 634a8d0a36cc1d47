"""Cut a stream into content-defined chunks; the only module that imports pyfastcdc.

A cut depends only on the bytes since the cut before it, so cutting again from any old cut point
gives the old cuts back: appending to a file, or patching it, moves no chunk but the nearest ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

CHUNK_MIN: Final = 16 * 1024
CHUNK_AVERAGE: Final = 64 * 1024
"""The knee: 16 KiB chunks store a quarter more after page rounding and cut at half the speed,
256 KiB triples the cost of an edit and of a random read for 11 % better compression."""

CHUNK_MAX: Final = 256 * 1024

_NOTHING: Final = bytearray()
"""Stands for the end of an iterable; no other object is it."""

_BUFFER: Final = (1 << 20) + CHUNK_MAX
BUFFER_MIN: Final = 2 * CHUNK_MAX

PARAMETERS: Final = {
    "split": "fastcdc2020-nc1",
    "chunk_min": CHUNK_MIN,
    "chunk_average": CHUNK_AVERAGE,
    "chunk_max": CHUNK_MAX,
}


ReadInto = Callable[[memoryview], int]
"""Fills a buffer from its beginning; how many bytes it put there, 0 at the end of the stream."""


def cut(readinto: ReadInto, *, buffer_size: int = _BUFFER) -> Iterator[memoryview]:
    """Cut a byte stream into chunks.

    Equal bytes give equal chunks, however many come at a time.

    Args:
        readinto: The stream.
        buffer_size: How much is read before the first chunk is cut; BUFFER_MIN or more. Less than
            the default costs speed, and is for streams of which only the beginning is wanted.

    Yields:
        Chunks of CHUNK_MIN..CHUNK_MAX bytes, only the last may be shorter; each valid until the
        next is asked for. An empty stream gives none.

    Cost: linear; memory of one buffer, small enough that what is cut is hashed from the cache.
    """
    from pyfastcdc import FastCDC  # 30 ms, and only big files need it

    cutter = FastCDC(avg_size=CHUNK_AVERAGE, min_size=CHUNK_MIN, max_size=CHUNK_MAX)
    view = memoryview(bytearray(buffer_size))
    filled, ended = 0, False
    while not ended:
        while filled < buffer_size:
            count = readinto(view[filled:])
            if count == 0:
                ended = True
                break
            filled += count
        # A cut nearer to the end than CHUNK_MAX may be the end's doing: leave it to the next round.
        settled = filled if ended else filled - CHUNK_MAX
        done = 0
        for chunk in cutter.cut_buf(view[:filled]):
            if chunk.offset > settled:
                break
            done = chunk.offset + chunk.length
            yield view[chunk.offset : done]
        filled -= done
        view[:filled] = bytes(view[done : done + filled])


def reader_of(blocks: Iterable[bytes]) -> ReadInto:
    """A stream of bytes that come in blocks of any size, empty ones allowed."""
    source = iter(blocks)
    rest = memoryview(b"")

    def readinto(target: memoryview) -> int:
        nonlocal rest
        while not rest:
            block = next(source, _NOTHING)
            if block is _NOTHING:
                return 0
            rest = memoryview(block).cast("B")
        count = min(len(rest), len(target))
        target[:count] = rest[:count]
        rest = rest[count:]
        return count

    return readinto
