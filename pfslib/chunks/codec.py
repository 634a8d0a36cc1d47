"""Compress and inflate one chunk or node; the only module that imports zstandard.

A frame is a codec byte, the plain size as 4 little-endian bytes, and the payload. The size is read
first, so that a frame made to explode is refused before it is inflated.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from typing import Final

import zstandard

from pfslib.model.errors import CorruptionError

RAW: Final = 0
ZSTD: Final = 1
ZSTD_LEVEL: Final = 1

PLAIN_MAX: Final = 1 << 20
"""No chunk, pack or node is larger than this, inflated."""

_HEADER = struct.Struct("<BI")
_MIN_WORTH_TRYING = 64
_SAMPLE = 2048
_SAMPLED_MIN = 16 * _SAMPLE
_local = threading.local()


def encode(data: bytes | memoryview) -> bytes:
    """The frame of some bytes: compressed, or raw when that gains less than 1/16."""
    return compress(raw_frame((data,)))


def raw_frame(parts: Sequence[bytes | memoryview]) -> bytes:
    """The frame of some bytes, given in parts, as they are."""
    size = sum(map(len, parts))
    assert size <= PLAIN_MAX
    return b"".join((_HEADER.pack(RAW, size), *parts))


def compress(frame: bytes, *, uniform: bool = False) -> bytes:
    """A raw frame compressed; the same frame when that gains less than 1/16.

    Args:
        frame: What `raw_frame` made.
        uniform: Its data is of one kind, so that a few samples may stand for all of it.
    """
    data = memoryview(frame)[_HEADER.size :]
    size = len(data)
    if size < _MIN_WORTH_TRYING or (uniform and _looks_random(data)):
        return frame
    packed = _compressor().compress(data)
    if len(packed) > size - size // 16:
        return frame
    return b"".join((_HEADER.pack(ZSTD, size), packed))


def _looks_random(data: memoryview) -> bool:
    """Whether compressing would be in vain, going by samples, of what is long enough for them."""
    size = len(data)
    if size < _SAMPLED_MIN:
        return False
    starts = (0, (size - _SAMPLE) // 2, size - _SAMPLE)
    sample = b"".join([data[start : start + _SAMPLE] for start in starts])
    return len(_compressor().compress(sample)) > len(sample) - len(sample) // 32


def decode(frame: bytes) -> bytes | memoryview:
    """The bytes that `encode` made the frame of; a view of the frame when it is raw.

    Raises:
        CorruptionError: Not such a frame.
    """
    codec, size = _header(frame)
    payload = memoryview(frame)[_HEADER.size :]
    if codec == RAW:
        plain: bytes | memoryview = payload
    elif codec == ZSTD:
        plain = _inflate(payload, size)
    else:
        raise CorruptionError(f"a stored frame has the unknown codec {codec}")
    if len(plain) != size:
        raise CorruptionError(f"a stored frame has {len(plain)} bytes instead of {size}")
    return plain


def plain_size(frame: bytes) -> int:
    """How many bytes a frame says that it holds.

    Raises:
        CorruptionError: Not a frame.
    """
    return _header(frame)[1]


def _header(frame: bytes) -> tuple[int, int]:
    """Codec and plain size."""
    if len(frame) < _HEADER.size:
        raise CorruptionError("a stored frame is cut short")
    codec, size = _HEADER.unpack_from(frame)
    if size > PLAIN_MAX:
        raise CorruptionError(
            f"a stored frame claims {size} bytes, more than the {PLAIN_MAX} allowed"
        )
    return codec, size


def _inflate(payload: memoryview, size: int) -> bytes:
    try:
        # The frame's own idea of its size counts before any limit given here: compare first.
        if zstandard.frame_content_size(payload) != size:
            raise CorruptionError("a stored frame disagrees with itself about its size")
        return _decompressor().decompress(payload)
    except zstandard.ZstdError as error:
        raise CorruptionError(f"a stored frame cannot be inflated: {error}") from error


def _compressor() -> zstandard.ZstdCompressor:
    # A context a thread: making one costs more than compressing a small chunk.
    context: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if context is None:
        context = _local.compressor = zstandard.ZstdCompressor(
            level=ZSTD_LEVEL, write_checksum=False
        )
    return context


def _decompressor() -> zstandard.ZstdDecompressor:
    context: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if context is None:
        context = _local.decompressor = zstandard.ZstdDecompressor(max_window_size=PLAIN_MAX)
    return context
