"""Compress and inflate one chunk or node; the only module that imports zstandard.

A frame is a codec byte, the plain size as 4 little-endian bytes, and the payload. The size is read
first, so that a frame made to explode is refused before it is inflated.
"""

from __future__ import annotations

import struct
import threading
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
_local = threading.local()


def encode(data: bytes) -> bytes:
    """The frame of some bytes: compressed, or raw when that gains less than 1/16."""
    size = len(data)
    assert size <= PLAIN_MAX
    if size >= _MIN_WORTH_TRYING:
        packed = _compressor().compress(data)
        if len(packed) <= size - size // 16:
            return b"".join((_HEADER.pack(ZSTD, size), packed))
    return b"".join((_HEADER.pack(RAW, size), data))


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
