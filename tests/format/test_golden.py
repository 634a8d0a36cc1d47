"""Stores made by earlier versions, kept as they were, are read in full and can be gone on with."""

from __future__ import annotations

import json
import runpy
import tarfile
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.tables import Table
from pfslib.model.encoding import FORMAT_VERSION

HERE = Path(__file__).parent
MAKER = runpy.run_path(str(HERE / "golden_store.py"))
VERSIONS = sorted((HERE / "golden").glob("v*"))


@pytest.fixture(params=VERSIONS, ids=[path.name for path in VERSIONS])
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, object]]:
    """A golden store, unpacked, and what it must hold."""
    path = tmp_path / "golden"
    path.mkdir(mode=0o700)
    with tarfile.open(request.param / "store.tar.gz") as archive:
        archive.extractall(path, filter="data")
    return path, json.loads((request.param / "expected.json").read_text())


def seen(store: pfslib.Store) -> dict[str, object]:
    described: dict[str, object] = json.loads(json.dumps(MAKER["describe"](store)))
    return described


def test_there_is_one_of_the_present_format() -> None:
    assert f"v{FORMAT_VERSION}" in [path.name for path in VERSIONS]


def test_a_golden_store_is_read_in_full(golden: tuple[Path, dict[str, object]]) -> None:
    path, expected = golden
    with pfslib.open(path) as store:
        assert seen(store) == expected


def test_a_golden_store_can_be_gone_on_with(golden: tuple[Path, dict[str, object]]) -> None:
    path, expected = golden
    with pfslib.open(path) as store:
        (opened,) = store.repo("projects").list_open()
        finished = store.open_commit("projects", opened.id).finish()
        assert finished is not None
        assert finished.get_file("/staged") == b"put and not finished"
        assert finished.get_file("/staged-too") == MAKER["noise"](200, 5_000)
        with store.repo("projects").commit("master") as commit:
            commit.put_file("/pieces", b"appended", append=True)
        assert store.get_file("projects", "master", "/pieces").endswith(b"appended")
    with pfslib.open(path) as store:
        now, then = seen(store), expected
        for name in ("master", "side"):
            before = then["repos"]["projects"]["branches"][name]  # type: ignore[index]
            after = now["repos"]["projects"]["branches"][name]  # type: ignore[index]
            assert after[: len(before)] == before


def test_equal_content_is_recognised_in_a_golden_store(
    golden: tuple[Path, dict[str, object]],
) -> None:
    """The digests and the cut points are of the format, too."""
    path, _ = golden
    with pfslib.open(path) as store:
        pieces = store.get_file("projects", "master", "/pieces")
        piece = store.get_file("projects", "side", "/alone")
        before = chunks(store)
        with store.repo("projects").commit("again") as commit:
            commit.put_file("/pieces", pieces)
            commit.put_file("/alone", piece)
        assert chunks(store) == before
        made = store.commit("projects@again")
        for name, reference in (("/pieces", "master"), ("/alone", "side")):
            old = store.commit(f"projects@{reference}").inspect_file(name)
            assert made.inspect_file(name).digest == old.digest


def chunks(store: pfslib.Store) -> int:
    with store.kv.read() as txn:
        return txn.count(Table.CHUNKS)


def test_an_older_library_refuses_a_newer_store(golden: tuple[Path, dict[str, object]]) -> None:
    path, _ = golden
    marker = json.loads((path / "format").read_text())
    marker["format"] = FORMAT_VERSION + 1
    (path / "format").write_text(json.dumps(marker))
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    for options in ({}, {"create": True}, {"accept_loss": True}):
        with pytest.raises(pfslib.UnknownFormatError) as found:
            pfslib.open(path, **options)
        assert f"has format {FORMAT_VERSION + 1}, this pfslib knows format" in str(found.value)
        assert "update pfslib" in found.value.hint
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


@pytest.mark.parametrize("name", ["hash", "split", "chunk_min", "chunk_average", "chunk_max"])
def test_a_store_with_other_parameters_is_refused(
    golden: tuple[Path, dict[str, object]], name: str
) -> None:
    """Its contents would be named and cut otherwise: nothing would be found equal any more."""
    path, _ = golden
    marker = json.loads((path / "format").read_text())
    other = marker | {name: "another" if isinstance(marker[name], str) else marker[name] * 2}
    (path / "format").write_text(json.dumps(other))
    with pytest.raises(pfslib.UnknownFormatError, match=f"with {name} {other[name]}, this pfslib"):
        pfslib.open(path)
    del other[name]
    (path / "format").write_text(json.dumps(other))
    with pytest.raises(pfslib.CorruptionError, match="format marker cannot be read"):
        pfslib.open(path)
    (path / "format").write_text(json.dumps(marker))
    pfslib.open(path).close()
