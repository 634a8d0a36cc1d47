"""One directory: the same entries give the same nodes, whatever the edits that led to them."""

from __future__ import annotations

import random
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfslib.kv.memory import MemoryKV
from pfslib.kv.tables import Table
from pfslib.model.nodes import Entry, Inner, Kind, Leaf
from pfslib.testing.recording import RecordingKV
from pfslib.testing.strategies import components
from pfslib.trees.directories import empty_directory, ends_node, root_entry, write_directory
from pfslib.trees.lookup import find_child, scan_directory, scan_from
from pfslib.trees.nodestore import TreeCache, get_directory_node

ORIGIN = b"o" * 16
THREE_LEVELS = 3000


def entry(name: bytes, content: bytes = b"") -> Entry:
    return Entry(name, Kind.FILE, len(content), content, 7, ORIGIN)


def write(kv, base: Entry | None, changes: dict[bytes, bytes | None]) -> Entry | None:
    """Change a directory: name to new content, or to None."""
    rows = [
        (name, None if changes[name] is None else entry(name, changes[name]))
        for name in sorted(changes)
    ]
    with kv.write() as txn:
        return write_directory(txn, base, rows, TreeCache(), name=b"", mtime_ns=7, origin=ORIGIN)


def bulk(files: dict[bytes, bytes]) -> Entry | None:
    """A directory made at once, in a store of its own."""
    return write(MemoryKV(), None, dict(files))


def read_all(kv, directory: Entry) -> dict[bytes, bytes]:
    with kv.read() as txn:
        return {row.name: row.content for row in scan_directory(txn, directory, TreeCache())}


def level_of(kv, directory: Entry) -> int:
    with kv.read() as txn:
        return get_directory_node(txn, directory.node, TreeCache()).level


def names(number: int, kind: str, seed: int) -> list[bytes]:
    source = random.Random(seed)
    if kind == "regular":
        return [b"%06d.jpg" % n for n in range(number)]
    if kind == "never end a node":
        return list(
            islice((n for n in map(b"%d".__mod__, count(seed)) if not ends_node(n, 0)), number)
        )
    if kind == "always end one":
        return list(islice((n for n in map(b"%d".__mod__, count(seed)) if ends_node(n, 0)), number))
    return [source.randbytes(source.randrange(1, 20)).hex().encode() for _ in range(number)]


KINDS = ("regular", "random", "never end a node", "always end one")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 2, 127, 128, 129, 400, THREE_LEVELS])
def test_batches_in_any_order_give_what_one_batch_gives(kind, number):
    source = random.Random(number)
    files = {name: source.randbytes(3) for name in names(number, kind, 1)}
    todo = list(files)
    source.shuffle(todo)
    kv, directory = MemoryKV(), None
    while todo:
        size = source.choice([1, 2, 50, 1000])
        batch, todo = todo[:size], todo[size:]
        directory = write(kv, directory, {name: files[name] for name in batch})
    assert directory == bulk(files)
    assert read_all(kv, directory) == files


@pytest.mark.parametrize("kind", KINDS)
def test_deletes_and_changes_give_what_one_batch_gives(kind):
    source = random.Random(kind)
    pool = names(THREE_LEVELS, kind, 1)
    files = dict.fromkeys(pool[::2], b"first")
    kv = MemoryKV()
    directory = write(kv, None, dict(files))
    for size in (1, 1, 1, 1, 3, 10, 100, 1000, 1, 500, 2000):
        changes: dict[bytes, bytes | None] = {
            name: source.choice([None, b"a", b"b"]) for name in source.sample(pool, size)
        }
        directory = write(kv, directory, changes)
        files.update({name: data for name, data in changes.items() if data is not None})
        for name in [name for name, data in changes.items() if data is None]:
            files.pop(name, None)
        assert directory == bulk(files)
    assert read_all(kv, directory) == files


def test_a_large_directory_has_several_levels():
    kv = MemoryKV()
    directory = write(kv, None, dict.fromkeys(names(THREE_LEVELS, "regular", 0), b""))
    assert level_of(kv, directory) >= 2


@settings(max_examples=200)
@given(
    steps=st.lists(
        st.dictionaries(components(), st.none() | st.binary(max_size=2), max_size=8), max_size=5
    )
)
def test_any_edits_give_what_one_batch_gives(steps):
    kv, directory = MemoryKV(), None
    files: dict[bytes, bytes] = {}
    for changes in steps:
        directory = write(kv, directory, changes)
        files.update({name: data for name, data in changes.items() if data is not None})
        for name in [name for name, data in changes.items() if data is None]:
            files.pop(name, None)
        assert directory == bulk(files)
        if directory is not None:
            assert read_all(kv, directory) == files


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), number=st.integers(1, 600), draw=st.data())
def test_every_name_is_found_and_no_other(seed, number, draw):
    files = {name: name[:5] for name in names(number, "random", seed)}
    kv = MemoryKV()
    directory = write(kv, None, dict(files))
    with kv.read() as txn:
        cache = TreeCache()
        for name in files:
            assert find_child(txn, directory, name, cache) == entry(name, name[:5])
            for other in (name[:-1], name + b"\0", name + b"0"):
                found = find_child(txn, directory, other, cache)
                assert (found is not None) == (other in files)
        after = draw.draw(st.sampled_from(sorted(files)) | components())
        late = [row.name for row in scan_directory(txn, directory, cache, after=after)]
        assert late == sorted(name for name in files if name > after)
        left_out = draw.draw(st.integers(0, number + 1))
        late = [row.name for row in scan_from(txn, directory, left_out, cache)]
        assert late == sorted(files)[left_out:]
        assert find_child(txn, directory, b"", cache) is None


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), number=st.integers(0, 600))
def test_totals_are_those_of_the_entries(seed, number):
    files = {name: name for name in names(number, "random", seed)}
    kv = MemoryKV()
    directory = write(kv, None, dict(files))
    if not files:
        assert directory is None
        return
    assert directory.size == sum(map(len, files.values()))
    assert directory.files == len(files)
    with kv.read() as txn:
        again = root_entry(txn, directory.node, TreeCache())
    assert (again.size, again.files, again.content) == (
        directory.size,
        directory.files,
        directory.content,
    )


def test_a_directory_all_of_whose_names_are_removed_is_gone():
    kv = MemoryKV()
    files = dict.fromkeys(names(THREE_LEVELS, "random", 5), b"x")
    directory = write(kv, None, dict(files))
    assert write(kv, directory, dict.fromkeys(files)) is None


def test_an_empty_directory_can_be_filled():
    kv = MemoryKV()
    with kv.write() as txn:
        directory = empty_directory(txn, mtime_ns=7, origin=ORIGIN)
    assert read_all(kv, directory) == {}
    assert (directory.size, directory.files) == (0, 0)
    assert write(kv, directory, {b"a": b"1"}) == bulk({b"a": b"1"})


def test_the_digest_leaves_metadata_out_and_the_node_does_not():
    kv = MemoryKV()
    with kv.write() as txn:
        roots = [
            write_directory(
                txn,
                None,
                [(b"f", Entry(b"f", Kind.FILE, 1, b"x", mtime, origin))],
                TreeCache(),
                name=b"",
                mtime_ns=mtime,
                origin=origin,
            )
            for mtime, origin in ((1, b"a" * 16), (2, b"a" * 16), (1, b"b" * 16))
        ]
    assert len({root.content for root in roots}) == 1
    assert len({root.node for root in roots}) == 3


def test_the_digest_covers_names_kinds_and_contents():
    kv = MemoryKV()
    with kv.write() as txn:
        digests = {
            write_directory(
                txn, None, [(row.name, row)], TreeCache(), name=b"", mtime_ns=1, origin=b""
            ).content
            for row in (
                Entry(b"f", Kind.FILE, 1, b"x", 1, b""),
                Entry(b"g", Kind.FILE, 1, b"x", 1, b""),
                Entry(b"f", Kind.FILE, 1, b"y", 1, b""),
                Entry(b"f", Kind.EXECUTABLE, 1, b"x", 1, b""),
                Entry(b"f", Kind.SYMLINK, 1, b"x", 1, b""),
            )
        }
    assert len(digests) == 5


@pytest.mark.parametrize("number", [1000, 10_000])
def test_one_change_writes_few_nodes(number):
    kv = RecordingKV(MemoryKV())
    files = dict.fromkeys(names(number, "regular", 0), b"x")
    directory = write(kv, None, files)
    for name in random.Random(1).sample(sorted(files), 20):
        kv.reset()
        write(kv, directory, {name: b"changed"})
        assert kv.written[Table.NODES] <= 1 + level_of(kv, directory)


def test_nodes_keep_their_limit():
    kv = MemoryKV()
    directory = write(kv, None, dict.fromkeys(names(1000, "never end a node", 0), b""))

    def sizes(key: bytes) -> list[int]:
        with kv.read() as txn:
            node = get_directory_node(txn, key, TreeCache())
        below = [] if isinstance(node, Leaf) else [sizes(child.node) for child in node.items]
        assert isinstance(node, Leaf | Inner)
        return [len(node.items), *(size for part in below for size in part)]

    assert max(sizes(directory.node)) <= 128
