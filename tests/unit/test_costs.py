"""What things cost, counted in rows: an edit writes what is near it, a copy nothing."""

from __future__ import annotations

import pytest

import pfslib
from pfslib.kv.tables import Table
from pfslib.testing.recording import RecordingKV
from pfslib.testing.strategies import noise

CONTENT = (Table.CHUNKS, Table.PLACES)


@pytest.fixture
def record(store) -> RecordingKV:
    recording = store.kv = RecordingKV(store.kv)
    return recording


def stored(record: RecordingKV, *tables: Table) -> int:
    return sum(record.written[table] for table in tables)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A store with a directory of 20,000 files, and one of directories."""
    with pfslib.init(tmp_path_factory.mktemp("costs") / "store") as store:
        with store.create_repo("repo").commit() as commit:
            for number in range(20_000):
                commit.put_file(f"/flat/{number:05}.jpg", b"%d" % number)
                if number % 10 == 0:
                    commit.put_file(f"/deep/{number % 37}/{number % 41}/{number}", noise(200))
        record = store.kv = RecordingKV(store.kv)
        yield store, record


@pytest.mark.parametrize("path", ["/flat/00000.jpg", "/flat/12345.jpg", "/flat/new", "/deep/1/1/x"])
def test_a_change_in_a_large_directory_writes_few_nodes(large, path):
    store, record = large
    record.reset()
    with store.repo("repo").commit() as commit:
        commit.put_file(path, b"changed")
    assert record.written[Table.NODES] <= 8
    assert record.written_bytes[Table.NODES] < 32 * 1024
    assert stored(record, *CONTENT) == 0
    assert record.transactions["write"] == 2, "start and finish"


def test_a_delete_in_a_large_directory_writes_few_nodes(large):
    store, record = large
    record.reset()
    with store.repo("repo").commit() as commit:
        commit.delete_file("/flat/00777.jpg")
    assert record.written[Table.NODES] <= 8


def test_a_copy_of_a_large_directory_writes_the_directory_above(large):
    store, record = large
    source = store.commit("repo@master")
    record.reset()
    with store.repo("repo").commit("copied") as commit:
        commit.copy_file(source, "/flat", "/some/where/copy")
        commit.copy_file(source, "/", "/all")
    assert record.written[Table.NODES] <= 4
    assert stored(record, *CONTENT) == 0
    assert commit.commit.files > 20_000 * 2


def test_a_file_is_found_by_few_reads(large):
    store, _ = large
    with pfslib.open(store.path) as fresh:
        record = fresh.kv = RecordingKV(fresh.kv)
        commit = fresh.commit("repo@master")
        record.reset()
        assert commit.get_file("/flat/04321.jpg") == b"4321"
        assert record.read_calls[Table.NODES] <= 6
        record.reset()
        assert commit.get_file("/flat/04322.jpg") == b"4322"
        assert record.read_calls[Table.NODES] <= 1, "nodes are remembered"


def test_a_large_file_copied_writes_no_content(store, record):
    with store.create_repo("repo").commit() as commit:
        commit.put_file("/f", noise(3_000_000))
    record.reset()
    with store.repo("repo").commit() as copy:
        copy.copy_file(commit.commit, "/f", "/g")
    assert stored(record, *CONTENT) == 0
    assert record.written[Table.NODES] == 1, "the root directory"


def test_an_append_to_a_large_file_writes_its_end(store, record):
    repo = store.create_repo("repo")
    with repo.commit() as commit:
        commit.put_file("/f", noise(10_000_000))
    for line in (b"a line\n", noise(50_000)):
        record.reset()
        with repo.commit() as commit:
            commit.put_file("/f", line, append=True)
        assert record.written[Table.CHUNKS] <= 4
        assert record.written_bytes[Table.CHUNKS] < 700_000
        assert record.written[Table.NODES] <= 8
        assert record.read_calls[Table.CHUNKS] <= 3


def test_a_range_of_a_large_file_reads_the_chunks_it_touches(store, record):
    with store.create_repo("repo").commit() as commit:
        commit.put_file("/f", noise(10_000_000))
    record.reset()
    assert commit.commit.get_file("/f", 5_000_000, 100) == noise(10_000_000)[5_000_000:5_000_100]
    assert record.read_calls[Table.CHUNKS] <= 2


def test_a_put_of_the_same_content_writes_no_chunk(store, record):
    repo = store.create_repo("repo")
    contents = [noise(size, 1) for size in (200, 5000, 40_000, 1_000_000)]
    with repo.commit() as commit:
        for number, data in enumerate(contents):
            commit.put_file(f"/{number}", data)
    record.reset()
    with repo.commit() as commit:
        for number, data in enumerate(contents):
            commit.put_file(f"/again/{number}", data)
    assert stored(record, *CONTENT) == 0
    assert record.written[Table.NODES] == 2


def test_contents_are_looked_up_many_at_once(store, record):
    repo = store.create_repo("repo")
    few = 10
    for contents in ([noise(10_000_000)], [noise(4000, seed) for seed in range(2000)]):
        record.reset()
        with repo.commit() as commit:
            for number, data in enumerate(contents):
                commit.put_file(f"/{number}", data)
        assert record.transactions["read"] <= few + 8_000_000 // (2 << 20)
        written = record.written[Table.PLACES]
        assert record.read_calls[Table.PLACES] <= 2 * written, "by the reader, and by the writer"
        assert record.written[Table.META] <= few, "one number for all chunks"


def test_an_edit_in_a_large_file_writes_the_chunks_around_it(store, record):
    repo = store.create_repo("repo")
    data = noise(4_000_000)
    with repo.commit() as commit:
        commit.put_file("/f", data)
    record.reset()
    with repo.commit() as commit:
        commit.put_file("/f", data[:2_000_000] + b"inserted" + data[2_000_000:])
    assert record.written[Table.CHUNKS] <= 8


def test_history_does_not_make_commits_dearer(store, record):
    repo = store.create_repo("repo")
    costs = []
    for number in range(200):
        record.reset()
        with repo.commit() as commit:
            commit.put_file("/f", b"%d" % number)
        costs.append((sum(record.written.values()), sum(record.read_calls.values())))
    assert costs[-1] == costs[2]


def test_looking_at_a_repo_does_not_walk_it(large):
    store, record = large
    record.reset()
    info = store.inspect_repo("repo")
    commit = store.commit("repo@master")
    assert info.size == commit.size > 0
    assert sum(record.read_calls.values()) < 20


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/flat/04321.jpg", 1),
        ("/fl*/0432?.jpg", 10),
        ("/flat/0432[1-3]*", 3),
        ("/deep/!(*)", 0),
        ("/nothing/**", 0),
    ],
)
def test_a_glob_reads_what_begins_as_it_asks_for(large, pattern, found):
    store, _ = large
    with pfslib.open(store.path) as fresh:
        record = fresh.kv = RecordingKV(fresh.kv)
        commit = fresh.commit("repo@master")
        record.reset()
        assert len(commit.glob(pattern)) == found
        assert record.read_calls[Table.NODES] <= 10
