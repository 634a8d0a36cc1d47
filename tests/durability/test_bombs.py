"""N6: a stored frame that would inflate without bounds is refused before it does."""

from __future__ import annotations

import resource
import struct
import time
from pathlib import Path

import pytest
import zstandard

import pfslib
from pfslib.chunks.codec import PLAIN_MAX, ZSTD, decode, encode
from pfslib.kv.tables import Table

PIB = 1 << 50


def frame(size: int, payload: bytes) -> bytes:
    return struct.pack("<BI", ZSTD, size & 0xFFFFFFFF) + payload


def zeros(size: int, *, named: bool = True, window_log: int = 0) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=window_log, write_content_size=named
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    stream = compressor.compressobj(size if named else -1)
    block = bytes(1 << 20)
    packed = [stream.compress(block) for _ in range(size >> 20)]
    return b"".join([*packed, stream.compress(bytes(size & (1 << 20) - 1)), stream.flush()])


def naming(size: int) -> bytes:
    """A frame header that names a size of 8 bytes, and a block of nothing."""
    return struct.pack("<IBBQ", 0xFD2FB528, 0b1100_0000, 0xB8, size) + b"\x01\x00\x00"


BOMBS = {
    "256 MiB, honest": frame(256 << 20, zeros(256 << 20)),
    "256 MiB, claims little": frame(1000, zeros(256 << 20)),
    "256 MiB, names no size": frame(1000, zeros(256 << 20, named=False)),
    "names 1 PiB": frame(1000, naming(PIB)),
    "names 1 PiB, claims 4 GiB": frame(0xFFFFFFFF, naming(PIB)),
    "a byte too many": frame(PLAIN_MAX + 1, zeros(PLAIN_MAX + 1)),
    "a window of 128 MiB": frame(4 << 20, zeros(4 << 20, window_log=27)),
    "two frames": frame(1000, zeros(1000) + zeros(64 << 20)),
    "cut short": frame(1000, zeros(1000)[:-3]),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_an_error_at_once_and_takes_no_memory(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    if name == "two frames":
        assert decode(BOMBS[name]) == bytes(1000), "what follows is not looked at"
    else:
        with pytest.raises(pfslib.CorruptionError):
            decode(BOMBS[name])
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10  # KiB


def test_the_largest_chunk_is_no_bomb() -> None:
    largest = bytes(PLAIN_MAX)
    assert decode(encode(largest)) == largest


def test_a_bomb_in_a_store_is_an_error_of_its_file_alone(filled: Path) -> None:
    with pfslib.open(filled) as store:
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/bomb", bytes(range(256)) * 200)
        with store.kv.write() as txn:
            chunk = max(key for key, _ in txn.scan(Table.CHUNKS))
            txn.put(Table.CHUNKS, chunk, BOMBS["256 MiB, names no size"])
    with pfslib.open(filled) as store:
        with pytest.raises(pfslib.CorruptionError):
            store.get_file("repo", "master", "/bomb")
        assert store.get_file("repo", "master", "/d/b") == bytes(range(256)) * 512
