"""Cut a stream into content-defined chunks; the only module that imports pyfastcdc.

A cut depends only on the bytes since the cut before it, so cutting again from any old cut point
gives the old cuts back: appending to a file, or patching it, moves no chunk but the nearest ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

CHUNK_MIN: Final = 16 * 1024
CHUNK_AVERAGE: Final = 64 * 1024
"""The knee: 16 KiB chunks store a quarter more after page rounding and cut at half the speed,
256 KiB triples the cost of an edit and of a random read for 11 % better compression."""

CHUNK_MAX: Final = 256 * 1024

PARAMETERS: Final = {
    "split": "fastcdc2020-nc1",
    "chunk_min": CHUNK_MIN,
    "chunk_average": CHUNK_AVERAGE,
    "chunk_max": CHUNK_MAX,
}


def cut(blocks: Iterable[bytes]) -> Iterator[memoryview]:
    """Cut a byte stream into chunks.

    Equal bytes give equal chunks, however they are divided into blocks.

    Args:
        blocks: The stream, in order; a few MiB each is best, any size and empty ones are allowed.

    Yields:
        Chunks of CHUNK_MIN..CHUNK_MAX bytes, only the last may be shorter; views of buffers that
        nobody changes. An empty stream gives none.

    Cost: linear; memory of about two blocks.
    """
    from pyfastcdc import FastCDC  # 30 ms, and only big files need it

    cutter = FastCDC(avg_size=CHUNK_AVERAGE, min_size=CHUNK_MIN, max_size=CHUNK_MAX)
    tail = b""
    for block in blocks:
        buffer = tail + block if tail else bytes(block)
        if len(buffer) <= CHUNK_MAX:
            tail = buffer
            continue
        view, done = memoryview(buffer), 0
        # A cut nearer to the end than CHUNK_MAX may be the end's doing: leave it to the next block.
        settled = len(buffer) - CHUNK_MAX
        for chunk in cutter.cut_buf(buffer):
            if chunk.offset > settled:
                break
            done = chunk.offset + chunk.length
            yield view[chunk.offset : done]
        tail = bytes(view[done:])
    view = memoryview(tail)
    for chunk in cutter.cut_buf(tail):
        yield view[chunk.offset : chunk.offset + chunk.length]
