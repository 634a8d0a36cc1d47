"""Damage that a verb meets is told with the commit and the full path; the rest stays readable."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

import pfslib
from pfslib import Commit, CorruptionError, OpenCommit, Store
from pfslib.chunks.chunkstore import unpack_place
from pfslib.kv.tables import Table, id_key, number_key
from pfslib.model.encoding import pack
from pfslib.trees.contents import iter_pieces

SMALL, LARGE = random.Random(1).randbytes(5_000), random.Random(2).randbytes(300_000)
FILE = "/d/e/small"
FILES = {FILE: SMALL, "/d/e/large": LARGE, "/d/other": LARGE[::-1], "/top": SMALL[::-1]}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Store]:
    """Two commits, of which the second changes `FILE` and its directory."""
    with pfslib.init(tmp_path / "store") as store:
        repo = store.create_repo("repo")
        with repo.commit() as commit:
            for path, data in FILES.items():
                commit.put_file(path, data if path != FILE else b"before" * 100)
        with repo.commit() as commit:
            commit.put_file(FILE, SMALL)
        yield store


def reopened(store: Store) -> Store:
    """The store as one that remembers nothing."""
    store.cache = type(store.cache)()
    return store


def flip(store: Store, table: Table, key: bytes) -> None:
    """Flip a bit of a row without a checksum, in the middle."""
    with store.kv.write() as txn:
        row = bytearray(txn.get(table, key) or b"")
        row[len(row) // 2] ^= 4
        txn.put(table, key, bytes(row))


def damage_file(store: Store, path: str) -> None:
    """Damage one chunk of a file."""
    entry = store.commit("repo@master").tree.find(path)
    with store.kv.read() as txn:
        piece = entry.content
        if entry.size > len(SMALL):
            piece = first_piece(store, entry.content)
        place = unpack_place(txn.get(Table.PLACES, piece) or b"")
    flip(store, Table.CHUNKS, number_key(place.chunk))


def first_piece(store: Store, key: bytes) -> bytes:
    with store.kv.read() as txn:
        return next(iter(iter_pieces(txn, key, store.cache))).digest


def damage_directory(store: Store, path: str) -> None:
    flip(store, Table.NODES, store.commit("repo@master").tree.find(path).node)


def named(store: Store, path: str) -> str:
    commit = store.commit("repo@master")
    return rf"^{path} of commit {commit.id} of repo repo(, or .*)? is damaged: "


READ: dict[str, Callable[[Commit, Path], object]] = {
    "get_file": lambda commit, _: commit.get_file(FILE),
    "range": lambda commit, _: commit.get_file(FILE, 10, 1),
    "stream_file": lambda commit, _: list(commit.stream_file(FILE)),
    "open": lambda commit, _: commit.open(FILE).read(5),
    "open text": lambda commit, _: commit.open(FILE, "r").read(),
    "get_file_to": lambda commit, target: commit.get_file_to(FILE, target),
    "export": lambda commit, target: commit.export(target),
    "export below": lambda commit, target: commit.export(target, "/d/e"),
    "text_diff": lambda commit, _: commit.text_diff(FILE),
}


@pytest.mark.parametrize("verb", READ)
def test_a_damaged_file(made: Store, tmp_path: Path, verb: str) -> None:
    damage_file(made, FILE)
    commit = reopened(made).commit("repo@master")
    with pytest.raises(CorruptionError, match=named(made, FILE)) as raised:
        READ[verb](commit, tmp_path / "target")
    assert (raised.value.file, raised.value.of) == (FILE, f"commit {commit.id} of repo repo")
    for path, data in FILES.items():
        if path != FILE:
            assert commit.get_file(path) == data


def test_a_damaged_large_file_is_read_but_for_its_damage(made: Store) -> None:
    damage_file(made, "/d/e/large")
    commit = reopened(made).commit("repo@master")
    with pytest.raises(CorruptionError, match=named(made, "/d/e/large")):
        commit.get_file("/d/e/large")
    assert commit.get_file("/d/e/large", 299_000) == LARGE[299_000:]
    assert commit.get_file(FILE) == SMALL


LOOK: dict[str, tuple[str, Callable[[Commit, Path], object]]] = {
    "get_file": (FILE, lambda commit, _: commit.get_file(FILE)),
    "inspect_file": (FILE, lambda commit, _: commit.inspect_file(FILE)),
    "list_file": ("/d/e", lambda commit, _: list(commit.list_file("/d/e"))),
    "walk": ("/d/e", lambda commit, _: list(commit.walk())),
    "glob": ("/d/e", lambda commit, _: commit.glob("/*/*/*")),
    "glob deep": ("/d/e", lambda commit, _: commit.glob("**.txt")),
    "export": ("/d/e", lambda commit, target: commit.export(target)),
    "diff": ("/d/e", lambda commit, _: list(commit.diff())),
    "diff below": (FILE, lambda commit, _: list(commit.diff(path=FILE))),
    "find_commit": (FILE, lambda commit, _: list(commit.find_commit(FILE))),
}


@pytest.mark.parametrize("verb", LOOK)
def test_a_damaged_directory(made: Store, tmp_path: Path, verb: str) -> None:
    damage_directory(made, "/d/e")
    path, look = LOOK[verb]
    commit = reopened(made).commit("repo@master")
    with pytest.raises(CorruptionError, match=named(made, path)):
        look(commit, tmp_path / "target")
    assert commit.get_file("/d/other") == FILES["/d/other"]
    assert [info.path for info in commit.list_file("/d")] == ["/d/e", "/d/other"]


def append_and_finish(commit: OpenCommit, _: Path) -> None:
    commit.put_file(FILE, b"more", append=True)
    commit.finish()


EDIT: dict[str, Callable[[OpenCommit, Path], object]] = {
    "append": append_and_finish,
    "write_at": lambda commit, _: (commit.write_at(FILE, 5, b"x"), commit.finish()),
    "put_file": lambda commit, _: (commit.put_file(FILE, b"new"), commit.finish()),
    "put_tree": lambda commit, host: (commit.put_file("/d/e", host), commit.finish()),
    "delete_file": lambda commit, _: commit.delete_file(FILE),
    "delete_glob": lambda commit, _: commit.delete_glob("/d/e/*"),
    "read": lambda commit, _: commit.get_file(FILE),
}


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("verb", EDIT)
def test_a_damaged_directory_that_is_edited(
    made: Store, tmp_path: Path, verb: str, lasting: bool
) -> None:
    """Nothing is published on top of it, and the branch goes on after the commit is given up."""
    damage_directory(made, "/d/e")
    host = tmp_path / "host"
    host.mkdir()
    (host / "small").write_bytes(b"from the host")
    repo = reopened(made).repo("repo")
    head = repo["master"].id
    commit = repo.start_commit() if lasting else repo.commit()
    said = rf"^/d/e(/small)? of open commit repo@{commit.id} on master is damaged: "
    with pytest.raises(CorruptionError, match=said):
        EDIT[verb](commit, host)
    commit.discard()
    assert repo["master"].id == head
    with repo.commit() as after:
        after.put_file("/beside", b"the damage")
    assert repo["master"].get_file("/beside") == b"the damage"


def test_appending_to_a_damaged_file(made: Store) -> None:
    """What is appended to is read only where it is cut anew: a small file as a whole."""
    damage_file(made, FILE)
    commit = reopened(made).repo("repo").commit()
    commit.put_file(FILE, b"more", append=True)
    said = rf"^{FILE} of open commit repo@{commit.id} on master is damaged: "
    with pytest.raises(CorruptionError, match=said):
        commit.finish()
    commit.discard()


def test_a_commit_that_is_not_what_was_sealed(made: Store) -> None:
    """Its digest covers all of the record, whoever wrote it and with whatever checksum."""
    commit = made.commit("repo@master")
    for forged in (
        msgspec.structs.replace(commit.record, message="another"),
        msgspec.structs.replace(commit.record, root=made.commit("repo@master^").record.root),
        made.commit("repo@master^").record,
    ):
        with made.kv.write() as txn:
            txn.put(Table.COMMITS, id_key(commit.id), pack(forged))
        with pytest.raises(CorruptionError, match=f"the record of commit {commit.id} is damaged"):
            made.commit("repo@master")
        with made.kv.write() as txn:
            txn.put(Table.COMMITS, id_key(commit.id), pack(commit.record))
    assert made.commit("repo@master") == commit
