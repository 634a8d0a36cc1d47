"""What a store holds and what it should, counted without the code that collects garbage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec

from pfslib.api.store import Store
from pfslib.chunks.chunkstore import unpack_place
from pfslib.kv.holds import FileSweep
from pfslib.kv.protocol import ReadTxn
from pfslib.kv.tables import Table
from pfslib.model.encoding import unpack
from pfslib.model.history import Commit, OpenCommit
from pfslib.model.nodes import PIECE_MAX, Entry, Inner
from pfslib.model.work import DatumRecord, DatumResult, Image, Work
from pfslib.trees.edit import Edit
from pfslib.trees.nodestore import TreeCache, get_directory_node, get_piece_list


class Names(msgspec.Struct):
    """Nodes, pieces and chunks, by name."""

    nodes: set[bytes] = msgspec.field(default_factory=set)
    pieces: set[bytes] = msgspec.field(default_factory=set)
    chunks: set[int] = msgspec.field(default_factory=set)


def stored(store: Store) -> Names:
    """What is stored."""
    names = Names()
    with store.kv.read() as txn:
        names.nodes = {key for key, _ in txn.scan(Table.NODES)}
        names.pieces = {key for key, _ in txn.scan(Table.PLACES)}
        names.chunks = {int.from_bytes(key, "big") for key, _ in txn.scan(Table.CHUNKS)}
    return names


def live(store: Store) -> Names:
    """What the commits, open commits, results and images lead to."""
    names = Names()
    with store.kv.read() as txn:
        for entry in _roots(txn):
            _walk(txn, entry, names)
        for digest in names.pieces:
            value = txn.get(Table.PLACES, digest)
            assert value is not None, "a live piece is missing"
            names.chunks.add(unpack_place(value).chunk)
    return names


def _roots(txn: ReadTxn) -> Iterator[Entry]:
    for _, value in txn.scan(Table.COMMITS):
        yield unpack(Commit, value).root
    for _, value in txn.scan(Table.OPEN):
        yield unpack(OpenCommit, value).root
    for _, value in txn.scan(Table.STAGED):
        edit = unpack(Edit, value)
        if edit.entry is not None:
            yield edit.entry
    for _, value in txn.scan(Table.DATUMS):
        yield unpack(DatumResult, value).output
    for _, value in txn.scan(Table.JOB_DATUMS):
        output = unpack(DatumRecord, value).output
        if output is not None:
            yield output
    for _, value in txn.scan(Table.IMAGES):
        yield unpack(Image, value).root
    for _, value in txn.scan(Table.WORKS):
        yield unpack(Work, value).root


def _walk(txn: ReadTxn, entry: Entry, names: Names) -> None:
    if entry.is_dir:
        _walk_directory(txn, entry.node, names)
    elif entry.size > PIECE_MAX:
        _walk_list(txn, entry.content, names)
    elif not entry.is_inline:
        names.pieces.add(entry.content)


def _walk_directory(txn: ReadTxn, key: bytes, names: Names) -> None:
    if key in names.nodes:
        return
    names.nodes.add(key)
    node = get_directory_node(txn, key, TreeCache())
    if isinstance(node, Inner):
        for child in node.items:
            _walk_directory(txn, child.node, names)
    else:
        for entry in node.items:
            _walk(txn, entry, names)


def _walk_list(txn: ReadTxn, key: bytes, names: Names) -> None:
    if key in names.nodes:
        return
    names.nodes.add(key)
    node = get_piece_list(txn, key, TreeCache())
    for item in node.items:
        if node.level:
            _walk_list(txn, item.digest, names)
        else:
            names.pieces.add(item.digest)


def assert_exact(store: Store) -> None:
    """Everything live is stored, and nothing else."""
    assert stored(store) == live(store)


def assert_clean(store: Store) -> None:
    """Whether fsck finds nothing, not even with all contents read."""
    report = store.fsck(read_data=True)
    assert report.problems == ()


def held(store_dir: Path) -> int:
    """How many names are noted down as held, by whomever."""
    return sum(1 for _ in FileSweep(store_dir).held())


def contents(store: Store, reference: str) -> dict[str, bytes]:
    """All files of a commit."""
    commit = store.commit(reference)
    return {f.path: commit.get_file(f.path) for f in commit.walk() if f.kind == "file"}


def put(store: Store, repo: str, files: dict[str, bytes], branch: str = "master") -> str:
    """Commit some files; the commit's id."""
    if repo not in {known.name for known in store.list_repo()}:
        store.create_repo(repo)
    with store.repo(repo).commit(branch) as made:
        for path, data in files.items():
            made.put_file(path, data)
    assert made.commit is not None
    return made.commit.id


def small_files(random: Random, count: int, size: int = 3000) -> dict[str, bytes]:
    """Files that are packed, in a few directories."""
    return {f"/{n % 7}/{n}": random.randbytes(size) for n in range(count)}
