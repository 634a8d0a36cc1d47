"""Frames come back as they were, and nothing else is inflated."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pfslib.chunks.codec import PLAIN_MAX, RAW, ZSTD, compress, decode, encode, raw_frame
from pfslib.model.errors import CorruptionError
from pfslib.testing.strategies import contents, noise

HEADER = 5


def frame(codec: int, size: int, payload: bytes) -> bytes:
    return struct.pack("<BI", codec, size) + payload


@given(contents() | st.builds(lambda data, times: data * times, st.binary(), st.integers(0, 5000)))
def test_what_is_encoded_comes_back(data):
    data = data[:PLAIN_MAX]
    assert bytes(decode(encode(data))) == data
    assert bytes(decode(encode(memoryview(data)))) == data


def test_the_largest_frame_comes_back():
    for data in (bytes(PLAIN_MAX), noise(PLAIN_MAX)):
        assert bytes(decode(encode(data))) == data


def test_what_does_not_shrink_is_kept_raw():
    assert encode(noise(100_000)) == frame(RAW, 100_000, noise(100_000))
    assert encode(b"short") == frame(RAW, 5, b"short")
    assert encode(b"") == frame(RAW, 0, b"")


def test_what_shrinks_is_compressed():
    assert encode(bytes(100_000))[0] == ZSTD
    assert len(encode(bytes(100_000))) < 100


def test_what_shrinks_here_or_there_is_compressed_too():
    for compressible in (slice(0, 30_000), slice(35_000, 65_000), slice(70_000, 100_000)):
        data = bytearray(noise(100_000))
        data[compressible] = bytes(30_000)
        assert len(encode(bytes(data))) < 80_000
        assert len(compress(raw_frame((data,)), uniform=True)) < 80_000


def test_samples_stand_for_what_is_of_one_kind_only():
    between = bytearray(noise(100_000))
    between[10_000:20_000] = between[60_000:70_000] = bytes(10_000)
    frame = raw_frame((between[:50_000], between[50_000:]))
    assert compress(frame, uniform=True) == frame
    assert len(compress(frame)) < 85_000
    assert bytes(decode(compress(frame))) == between


@given(data=contents(large=False), cut=st.integers(1, 100))
def test_a_frame_cut_short_is_refused(data, cut):
    whole = encode(data)
    with pytest.raises(CorruptionError):
        decode(whole[: max(len(whole) - cut, 0)])


@pytest.mark.parametrize("codec", [2, 3, 127, 255])
def test_an_unknown_codec_is_refused(codec):
    with pytest.raises(CorruptionError, match=f"unknown codec {codec}"):
        decode(frame(codec, 3, b"abc"))


@pytest.mark.parametrize("codec", [RAW, ZSTD])
@pytest.mark.parametrize("size", [PLAIN_MAX + 1, 2**32 - 1])
def test_a_frame_that_claims_too_much_is_refused(codec, size):
    with pytest.raises(CorruptionError, match="more than"):
        decode(frame(codec, size, b""))


@pytest.mark.parametrize("claim", [0, 10, PLAIN_MAX])
def test_a_bomb_is_refused_before_it_is_inflated(claim):
    """8 KiB that inflate to 256 MiB, whatever the frame around it says."""
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(256 << 20))
    assert len(bomb) < 100_000
    with pytest.raises(CorruptionError, match="disagrees"):
        decode(frame(ZSTD, claim, bomb))


@pytest.mark.parametrize("claim", [0, 10, PLAIN_MAX])
def test_a_bomb_that_does_not_say_its_size_is_refused(claim):
    compressor = zstandard.ZstdCompressor(level=1, write_content_size=False).compressobj()
    bomb = compressor.compress(bytes(64 << 20)) + compressor.flush()
    with pytest.raises(CorruptionError):
        decode(frame(ZSTD, claim, bomb))


def test_a_bomb_that_lies_about_its_size_is_refused():
    """The size in the inner header is changed to what the outer one says; the blocks are not."""
    bomb = bytearray(zstandard.ZstdCompressor(level=1).compress(bytes(1 << 28)))
    descriptor = bomb[4]
    assert descriptor >> 6 == 2, "a content size of 4 bytes"
    at = 5 + (0 if descriptor & 0x20 else 1)
    bomb[at : at + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(CorruptionError):
        decode(frame(ZSTD, 1000, bytes(bomb)))


@pytest.mark.parametrize("wrong", [-1, 1, 100])
def test_a_wrong_size_is_refused(wrong):
    for data in (noise(1000), bytes(1000)):
        whole = encode(data)
        with pytest.raises(CorruptionError):
            decode(frame(whole[0], 1000 + wrong, whole[HEADER:]))


@given(st.binary(max_size=200))
def test_any_bytes_are_inflated_or_refused(data):
    for candidate in (
        data,
        frame(ZSTD, len(data), data),
        frame(ZSTD, 100, b"\x28\xb5\x2f\xfd" + data),
    ):
        with suppress(CorruptionError):
            assert len(decode(candidate)) <= PLAIN_MAX


@given(data=st.binary(min_size=200, max_size=2000).map(lambda data: data * 3), draw=st.data())
def test_a_changed_byte_is_inflated_to_the_same_size_or_refused(data, draw):
    whole = bytearray(encode(data))
    at = draw.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= draw.draw(st.integers(1, 255))
    try:
        plain = decode(bytes(whole))
    except CorruptionError:
        return
    assert len(plain) == int.from_bytes(whole[1:HEADER], "little")
