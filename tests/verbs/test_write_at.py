"""Writing over a part of a file: the outcome of a fresh put of the whole, the cost of the part."""

from __future__ import annotations

import random
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfslib import InvalidInputError, InvalidPathError, IsADirectoryInCommitError, Repo, Store
from pfslib.kv.memory import MemoryKV
from pfslib.kv.tables import Table
from pfslib.model.nodes import Content
from pfslib.testing.recording import RecordingKV
from pfslib.trees.assemble import Patchwork, assemble
from pfslib.trees.contents import ContentWriter
from pfslib.trees.filereader import read_content
from pfslib.trees.nodestore import TreeCache

NOISE = random.Random(11).randbytes(2_000_000)
ZEROS = bytes(2_000_000)
SIZES = [0, 1, 96, 97, 20_000, 32_768, 32_769, 70_000, 400_000, 2_000_000]

Step = tuple[str, int, int, int]
steps = st.tuples(
    st.sampled_from(["write", "append"]),
    st.integers(0, 2_100_000),
    st.sampled_from([1, 50, 97, 5_000, 40_000, 300_000]),
    st.integers(0, 1_000_000),
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([NOISE, ZEROS]), st.sampled_from(SIZES), st.lists(steps, max_size=5))
def test_any_edits_give_what_a_fresh_put_gives(base: bytes, size: int, edits: list[Step]) -> None:
    kv, cache = MemoryKV(), TreeCache()
    model, parts = bytearray(base[:size]), Patchwork()
    parts.append(put(kv, bytes(model)))
    for what, offset, length, source in edits:
        data = NOISE[source : source + length]
        if what == "append":
            parts.append(put(kv, data))
            model += data
        else:
            parts.write(put(kv, data), offset)
            model.extend(bytes(max(offset - len(model), 0)))
            model[offset : offset + len(data)] = data
    assert parts.size == len(model)
    assert joined(kv, parts, cache) == put(kv, bytes(model))


def put(kv: MemoryKV, data: bytes) -> Content:
    writer = ContentWriter(kv)
    content = writer.add_bytes(data)
    writer.spill()
    writer.close()
    return content


def joined(kv: MemoryKV, parts: Patchwork, cache: TreeCache) -> Content:
    writer = ContentWriter(kv)
    with kv.read() as txn:
        content = assemble(txn, parts, writer, cache)
    writer.spill()
    writer.close()
    return content


@pytest.mark.parametrize("where", ["begin", "middle", "end"])
def test_the_cost_is_that_of_the_change(where: str) -> None:
    """Of 2500 chunks, a patch reads a dozen, and writes one or two."""
    kv = MemoryKV()
    whole = random.Random(2).randbytes(160_000_000)
    content, patch = put(kv, whole), put(kv, b"patch" * 40)
    offset = {"begin": 0, "middle": 80_000_000, "end": len(whole)}[where]
    parts = Patchwork()
    parts.append(content)
    parts.write(patch, offset)
    with kv.read() as txn:
        chunks, nodes = txn.count(Table.CHUNKS), txn.count(Table.NODES)
    recording, writer = RecordingKV(kv), ContentWriter(kv)
    with recording.read() as reads:
        made = assemble(reads, parts, writer, TreeCache())
    assert recording.read_calls.total() < 60
    writer.spill()
    writer.close()
    assert made.size == max(len(whole), offset + 200)
    with kv.read() as txn:
        assert txn.count(Table.CHUNKS) - chunks <= 3
        assert txn.count(Table.NODES) - nodes <= 4


def test_a_gap_costs_nothing() -> None:
    """Of whatever size: it is the same chunk, and the same nodes, again and again."""
    kv = MemoryKV()
    head, tail = put(kv, NOISE[:300_000]), put(kv, b"tail" * 30)
    for gap in (1 << 20, (1 << 44) - 12_345):
        parts = Patchwork()
        parts.append(head)
        parts.write(tail, head.size + gap)
        recording, writer = RecordingKV(kv), ContentWriter(kv)
        with recording.read() as reads:
            made = assemble(reads, parts, writer, TreeCache())
        writer.spill()
        writer.close()
        assert made.size == head.size + gap + tail.size
        assert recording.read_calls.total() < 100
        with kv.read() as txn:
            middle = read_content(txn, made, head.size + gap // 2, 10**6, TreeCache())
            assert middle == bytes(len(middle))
            end = read_content(txn, made, made.size - 200, made.size, TreeCache())
            assert end == bytes(80) + b"tail" * 30
            assert txn.count(Table.NODES) < 3_000
    assert joined(kv, _gapped(head, tail, 1 << 20), TreeCache()) == put(
        kv, NOISE[:300_000] + bytes(1 << 20) + b"tail" * 30
    )


def _gapped(head: Content, tail: Content, gap: int) -> Patchwork:
    parts = Patchwork()
    parts.append(head)
    parts.write(tail, head.size + gap)
    return parts


@pytest.mark.parametrize("gap", [10**7, 10**8 + 1, 6 * 10**8])
def test_a_large_gap_is_what_a_fresh_put_of_zeros_gives(gap: int) -> None:
    kv = MemoryKV()
    head, tail = put(kv, NOISE[:300_000]), put(kv, b"tail" * 30)
    made = joined(kv, _gapped(head, tail, gap), TreeCache())
    writer = ContentWriter(kv)
    zeros = (bytes(min(1 << 20, gap - at)) for at in range(0, gap, 1 << 20))
    fresh = writer.add_blocks(chain([NOISE[:300_000]], zeros, [b"tail" * 30]))
    writer.close()
    assert made == fresh


def test_write_at_on_open_commits(repo: Repo, store: Store) -> None:
    model = bytearray(NOISE[:500_000])
    with repo.commit() as open_commit:
        open_commit.put_file("/f", bytes(model))
        open_commit.write_at("/f", 250_000, b"middle")
        open_commit.write_at("/f", 10, "text")
        open_commit.write_at("/f", 499_998, b"over the end")
        open_commit.put_file("/f", b"!", append=True)
        model[250_000:250_006] = b"middle"
        model[10:14] = b"text"
        model[499_998:] = b"over the end!"
        assert open_commit.get_file("/f") == model
        open_commit.write_at("/f", 0, b"")
        open_commit.write_at("/new", 5, b"x")
    lasting = repo.start_commit()
    lasting.write_at("/f", 100, [b"ab", b"c"])
    store.open_commit("data", lasting.id).write_at("/f", 101, b"B")
    model[100:103] = b"aBc"
    made = lasting.finish()
    assert made is not None
    assert made.get_file("/f") == model
    assert made.get_file("/new") == b"\0\0\0\0\0x"


def test_a_file_made_anew_stays_executable_when_written_into(repo: Repo, tmp_path) -> None:
    script = tmp_path / "run"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o755)
    with repo.commit() as first:
        first.put_file("/run", script)
    with repo.commit() as second:
        second.write_at("/run", 2, b"/usr/bin/env sh\n")
    assert second.commit is not None
    assert second.commit.inspect_file("/run").executable
    assert second.commit.get_file("/run") == b"#!/usr/bin/env sh\n"


def test_what_cannot_be_written_into(repo: Repo) -> None:
    lasting = repo.start_commit()
    lasting.put_file("/d/f", b"1")
    for offset in (-1, (1 << 44) + 1, 1 << 64):
        with pytest.raises(InvalidInputError, match="is not one of 0 to"):
            lasting.write_at("/d/f", offset, b"x")
    with pytest.raises(InvalidPathError):
        lasting.write_at("/", 0, b"x")
    with pytest.raises(IsADirectoryInCommitError):
        lasting.write_at("/d", 0, b"x")
    assert lasting.get_file("/d/f") == b"1"


def test_hundreds_of_writes_in_one_block_make_one_content(repo: Repo, store: Store) -> None:
    model = bytearray(1_000_000)
    with repo.commit() as open_commit:
        open_commit.put_file("/f", bytes(model))
        for number in random.Random(4).sample(range(0, 1_000_000, 7), 400):
            open_commit.write_at("/f", number, b"%d" % number)
            model[number : number + len(b"%d" % number)] = b"%d" % number
    assert open_commit.commit is not None
    assert open_commit.commit.get_file("/f") == model[:1_000_000]
