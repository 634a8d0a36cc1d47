"""Reading: any range, any state, names that do not exist, and bytes that are damaged."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pfslib
from pfslib.kv.tables import Table
from pfslib.testing.strategies import BORDER_SIZES, noise


@pytest.fixture(scope="module")
def commit(tmp_path_factory):
    with pfslib.init(tmp_path_factory.mktemp("reading") / "store") as store:
        with store.create_repo("repo").commit() as writing:
            for size in BORDER_SIZES:
                writing.put_file(f"/sizes/{size}", noise(size))
            for number in range(2500):
                writing.put_file(f"/many/{number:05}", b"%d" % number)
            writing.put_file("/d/e/file", b"0123456789")
        yield writing.commit


# --- ranges ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", BORDER_SIZES)
def test_ranges_are_those_of_a_slice(commit, size):
    data = noise(size)
    path = f"/sizes/{size}"
    places = sorted({0, 1, size // 2, max(size - 1, 0), size, size + 1, size + 10**6})
    for offset in places:
        assert commit.get_file(path, offset) == data[offset:]
        for length in (0, 1, 100, size, size + 1, 10**12):
            assert commit.get_file(path, offset, length) == data[offset : offset + length]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.sampled_from(BORDER_SIZES),
    offset=st.integers(0, 2**20),
    length=st.none() | st.integers(0, 2**20),
)
def test_any_range(commit, size, offset, length):
    end = None if length is None else offset + length
    assert commit.get_file(f"/sizes/{size}", offset, length) == noise(size)[offset:end]


@pytest.mark.parametrize("size", [0, 10, 5000, 500_000])
@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1), (-5, -5), (-1, 3)])
def test_negative_ranges_are_refused(repo, size, offset, length):
    with repo.commit() as writing:
        writing.put_file("/f", noise(size))
    with pytest.raises(pfslib.InvalidInputError, match="negative"):
        writing.commit.get_file("/f", offset, length)


@pytest.mark.parametrize("size", [*BORDER_SIZES, 5_000_000])
def test_streams_give_everything_in_blocks(repo, size):
    with repo.commit() as writing:
        writing.put_file("/f", noise(size))
    blocks = list(writing.commit.stream_file("/f"))
    assert b"".join(blocks) == noise(size)
    assert all(len(block) == 1 << 20 for block in blocks[:-1])


def test_reads_give_bytes(commit):
    for size in BORDER_SIZES:
        assert type(commit.get_file(f"/sizes/{size}")) is bytes
        assert type(commit.get_file(f"/sizes/{size}", 1, 50)) is bytes


# --- looking ---------------------------------------------------------------------------------


def test_a_directory_is_listed_by_name(commit):
    infos = list(commit.list_file("/many"))
    assert [info.path for info in infos] == [f"/many/{number:05}" for number in range(2500)]
    assert [info.path for info in commit.list_file()] == ["/d", "/many", "/sizes"]
    assert [info.path for info in commit.list_file("d//e/")] == ["/d/e/file"]


def test_a_listing_of_a_file_is_the_file(commit):
    (info,) = commit.list_file("/d/e/file")
    assert info == commit.inspect_file("/d/e/file")


def test_directories_say_what_is_below(commit):
    info = commit.inspect_file("/sizes")
    assert (info.kind, info.files, info.size) == ("dir", len(BORDER_SIZES), sum(BORDER_SIZES))
    root = commit.inspect_file("/")
    assert (root.path, root.kind, root.files) == ("/", "dir", commit.files)
    assert root.size == commit.size


def test_a_walk_below_a_path(commit):
    assert [info.path for info in commit.walk("/d")] == ["/d/e", "/d/e/file"]
    assert len(list(commit.walk())) == commit.files + 4
    assert next(commit.walk("/many")).path == "/many/00000"


@pytest.mark.parametrize("path", ["/none", "/d/none", "/d/e/none", "/none/none", "/many/5"])
def test_what_is_not_there_is_not_found(commit, path):
    for use in (
        commit.get_file,
        commit.inspect_file,
        commit.stream_file,
        commit.list_file,
        commit.walk,
    ):
        with pytest.raises(
            pfslib.PathNotFoundError, match=f"file {path} not found in commit"
        ) as raised:
            list(use(path))
        assert commit.id in str(raised.value)
        assert isinstance(raised.value, FileNotFoundError)


def test_a_file_is_no_directory_and_the_reverse(commit):
    for use in (commit.get_file, commit.inspect_file, commit.list_file, commit.walk):
        with pytest.raises(pfslib.NotADirectoryInCommitError, match="/d/e/file is not a directory"):
            list(use("/d/e/file/x"))
    with pytest.raises(pfslib.NotADirectoryInCommitError):
        list(commit.walk("/d/e/file"))
    for path in ("/", "/d", "/d/e"):
        for use in (commit.get_file, commit.stream_file):
            with pytest.raises(pfslib.IsADirectoryInCommitError, match=f"{path} is a directory"):
                use(path)


@pytest.mark.parametrize("path", ["..", "/a/./b", "a\0", "/\ud800"])
def test_what_is_no_path_is_refused(commit, path):
    for use in (commit.get_file, commit.inspect_file, commit.list_file):
        with pytest.raises(pfslib.InvalidPathError):
            use(path)


def test_files_say_which_commit_changed_them(repo):
    with repo.commit() as first:
        first.put_file("/d/a", b"1")
        first.put_file("/e/b", b"1")
    with repo.commit() as second:
        second.put_file("/d/c", b"2")
        second.put_file("/d/a", b"1")
    origins = {info.path: info.commit for info in second.commit.walk()}
    assert origins == {
        "/d": second.id,
        "/d/a": first.id,
        "/d/c": second.id,
        "/e": first.id,
        "/e/b": first.id,
    }


def test_a_commit_can_be_used_as_a_key(store, repo):
    with repo.commit() as writing:
        writing.put_file("/a", b"1")
    again = store.commit(f"repo@{writing.id}")
    assert {writing.commit: 1}[again] == 1
    assert str(again) == f"repo@{writing.id}"
    assert writing.id in repr(again)


# --- the tree of a mount ---------------------------------------------------------------------


def test_a_tree_is_read_by_the_key_of_its_root(store, repo):
    with repo.commit() as writing:
        writing.put_file("/d/a", noise(5000))
    commit = writing.commit
    tree = store.tree(commit.tree.root.node)
    assert (tree.root.size, tree.root.files, tree.root.content) == (
        commit.size,
        commit.files,
        commit.tree.root.content,
    )
    assert tree.read(tree.find("/d/a")) == noise(5000)
    for key in (b"", bytes(32), commit.tree.root.node[:31]):
        with pytest.raises(pfslib.NotFoundError):
            store.tree(key)


# --- damage ----------------------------------------------------------------------------------


def damage(store: pfslib.Store, table: Table, change) -> None:
    with store.kv.write() as txn:
        for key, value in list(txn.scan(table)):
            changed = change(value)
            if changed is None:
                txn.delete(table, key)
            else:
                txn.put(table, key, changed)


def flip_last(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


CHANGES = {
    "flipped": flip_last,
    "cut": lambda value: value[: len(value) // 2],
    "zeroed": lambda value: bytes(len(value)),
    "emptied": lambda _: b"",
    "lost": lambda _: None,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("table", [Table.CHUNKS, Table.NODES])
@pytest.mark.parametrize("data", [noise(5000), b"repeated" * 1000, noise(300_000)])
def test_damage_is_never_handed_out(store, repo, table, change, data):
    with repo.commit() as writing:
        writing.put_file("/d/file", data)
    damage(store, table, CHANGES[change])
    with pfslib.open(store.path) as fresh:
        commit = fresh.commit("repo@master")
        with pytest.raises(pfslib.CorruptionError) as raised:
            commit.get_file("/d/file")
        assert f"/d/file of commit {commit.id} of repo repo is damaged" in str(raised.value)
        with pytest.raises(pfslib.CorruptionError):
            b"".join(commit.stream_file("/d/file"))


def test_pieces_in_each_others_places_are_noticed(store, repo):
    with repo.commit() as writing:
        writing.put_file("/a", noise(5000, 1))
        writing.put_file("/b", noise(5000, 2))
    with store.kv.write() as txn:
        (first, a), (second, b) = txn.scan(Table.PLACES)
        txn.put(Table.PLACES, first, b)
        txn.put(Table.PLACES, second, a)
    with pfslib.open(store.path) as fresh:
        for path in ("/a", "/b"):
            with pytest.raises(pfslib.CorruptionError, match="damaged"):
                fresh.commit("repo@master").get_file(path)


@pytest.mark.parametrize("table", [Table.REPOS, Table.BRANCHES, Table.COMMITS])
def test_damaged_records_are_refused(store, repo, table):
    with repo.commit() as writing:
        writing.put_file("/a", b"1")
    damage(store, table, lambda value: value[: len(value) // 2])
    with pytest.raises(pfslib.CorruptionError, match="record cannot be read"):
        store.commit("repo@master")
