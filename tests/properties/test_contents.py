"""One content, one name: however it came in, and however it was put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfslib.chunks.digest import piece_digest
from pfslib.kv.memory import MemoryKV
from pfslib.kv.tables import Table
from pfslib.model.nodes import INLINE_MAX, PIECE_MAX, Content, Entry, Kind
from pfslib.testing.strategies import BORDER_SIZES, blocks_of, contents, divisions, noise
from pfslib.trees.assemble import Patchwork, assemble
from pfslib.trees.contents import ContentWriter, is_stored, iter_pieces
from pfslib.trees.filereader import read_content, read_file
from pfslib.trees.nodestore import TreeCache, get_piece_list

MIB = 1 << 20


@contextmanager
def writing(kv: MemoryKV | None = None) -> Iterator[ContentWriter]:
    """A writer whose contents are stored at the end."""
    writer = ContentWriter(kv or MemoryKV())
    try:
        yield writer
        writer.spill()
    finally:
        writer.close()


def content_of(data: bytes) -> Content:
    with writing() as writer:
        return writer.add_bytes(data)


def joined_in(txn, contents: Iterable[Content], writer: ContentWriter) -> Content:
    parts = Patchwork()
    for content in contents:
        parts.append(content)
    return assemble(txn, parts, writer, TreeCache())


def read_back(kv: MemoryKV, content: Content) -> bytes:
    with kv.read() as txn:
        assert is_stored(txn, content)
        data = read_content(txn, content, 0, content.size, TreeCache())
        entry = Entry(b"f", Kind.FILE, content.size, content.ref, 0, b"")
        assert read_file(txn, entry, 0, None, TreeCache()) == data
    return data


@pytest.mark.parametrize("size", BORDER_SIZES)
def test_a_content_is_the_same_however_it_comes_in(size):
    data = noise(size)
    kv = MemoryKV()
    with writing(kv) as writer:
        content = writer.add_bytes(data)
        assert writer.add_blocks([data]) == content
        assert writer.add_blocks([data[: size // 2], b"", data[size // 2 :]]) == content
        assert writer.add_blocks(data[at : at + 999] for at in range(0, size, 999)) == content
    assert read_back(kv, content) == data
    assert content.size == size


@settings(max_examples=30)
@given(data=contents(), draw=st.data())
def test_a_content_is_the_same_however_it_is_divided(data, draw):
    blocks = blocks_of(data, draw.draw(divisions(len(data))))
    with writing() as writer:
        assert writer.add_blocks(blocks) == content_of(data)


def test_small_contents_are_named_as_b3sum_names_them():
    for size in (INLINE_MAX + 1, PIECE_MAX):
        assert content_of(noise(size)).ref == piece_digest(noise(size))
    assert content_of(b"tiny").ref == b"tiny"


def test_the_largest_inline_content_is_not_stored_as_a_piece():
    kv = MemoryKV()
    with writing(kv) as writer:
        writer.add_bytes(noise(INLINE_MAX))
    with kv.read() as txn:
        assert txn.count(Table.PLACES) == txn.count(Table.CHUNKS) == 0


@pytest.mark.parametrize("first", BORDER_SIZES)
def test_contents_joined_are_as_if_put_at_once(first):
    kv = MemoryKV()
    parts = [noise(first), noise(1000, 1), b"", noise(PIECE_MAX + 1, 2)]
    with writing(kv) as writer:
        stored = [writer.add_bytes(part) for part in parts]
    with writing(kv) as writer, kv.read() as txn:
        for count in range(len(parts) + 1):
            joined = joined_in(txn, stored[:count], writer)
            assert joined == content_of(b"".join(parts[:count]))
    assert read_back(kv, joined) == b"".join(parts)


@settings(max_examples=30)
@given(parts=st.lists(contents(), max_size=5))
def test_any_contents_joined_are_as_if_put_at_once(parts):
    kv = MemoryKV()
    with writing(kv) as writer:
        stored = [writer.add_bytes(part) for part in parts]
    with writing(kv) as writer, kv.read() as txn:
        joined = joined_in(txn, stored, writer)
    assert joined == content_of(b"".join(parts))
    assert read_back(kv, joined) == b"".join(parts)


@pytest.mark.slow
def test_appending_to_a_content_of_several_levels_is_as_if_put_at_once():
    kv = MemoryKV()
    data = noise(MIB) * 3 + noise(20 * MIB, 1)
    with writing(kv) as writer:
        content = writer.add_bytes(data)
    with kv.read() as txn:
        assert get_piece_list(txn, content.ref, TreeCache()).level > 0
    for more in (b"x", noise(MIB, 2)):
        with writing(kv) as writer:
            added = writer.add_bytes(more)
        with writing(kv) as writer, kv.read() as txn:
            content = joined_in(txn, [content, added], writer)
        data += more
        assert content == content_of(data)
    assert read_back(kv, content) == data


def test_appending_to_a_large_content_writes_little():
    kv = MemoryKV()
    with writing(kv) as writer:
        content = writer.add_bytes(noise(8 * MIB))
    with kv.read() as txn:
        chunks = txn.count(Table.CHUNKS)
    with writing(kv) as writer:
        added = writer.add_bytes(b"one line\n")
    with writing(kv) as writer, kv.read() as txn:
        joined_in(txn, [content, added], writer)
    with kv.read() as txn:
        assert txn.count(Table.CHUNKS) <= chunks + 2


def test_pieces_of_a_large_content_follow_one_another():
    kv = MemoryKV()
    data = noise(5 * MIB)
    with writing(kv) as writer:
        content = writer.add_bytes(data)
    with kv.read() as txn:
        pieces = list(iter_pieces(txn, content.ref, TreeCache()))
    at = 0
    for piece in pieces:
        assert piece_digest(data[at : at + piece.size]) == piece.digest
        at += piece.size
    assert at == len(data)


BIG = noise(2 * MIB)
BIG_KV = MemoryKV()
with writing(BIG_KV) as _writer:
    _content = _writer.add_bytes(BIG)
BIG_ENTRY = Entry(b"big", Kind.FILE, _content.size, _content.ref, 0, b"")


@settings(max_examples=200)
@given(offset=st.integers(0, len(BIG) + 10), size=st.none() | st.integers(0, len(BIG) + 10))
def test_any_range_of_a_large_content_can_be_read(offset, size):
    end = None if size is None else offset + size
    with BIG_KV.read() as txn:
        assert read_file(txn, BIG_ENTRY, offset, size, TreeCache()) == BIG[offset:end]


def test_ranges_around_every_cut_can_be_read():
    with BIG_KV.read() as txn:
        cache = TreeCache()
        cuts = [0]
        for piece in iter_pieces(txn, BIG_ENTRY.content, cache):
            cuts.append(cuts[-1] + piece.size)
        for at in cuts:
            for start in (at - 1, at, at + 1):
                for size in (0, 1, 2, 100_000):
                    if start >= 0:
                        read = read_file(txn, BIG_ENTRY, start, size, cache)
                        assert read == BIG[start : start + size]
        for first, last in pairwise(cuts):
            assert read_file(txn, BIG_ENTRY, first, last - first, cache) == BIG[first:last]
