"""The store's directory: made whole or not at all, found, recognised, and private."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import pfslib
from pfslib.chunks.split import PARAMETERS
from pfslib.model.encoding import FORMAT_VERSION
from pfslib.model.nodes import PIECE_MAX


def kept(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir()) if path.is_dir() else []


def test_init_makes_a_store_that_opens_again(tmp_path):
    with pfslib.init(tmp_path / "a/b/store") as store:
        store.create_repo("images")
        assert store.path == tmp_path / "a/b/store"
    with pfslib.open(tmp_path / "a/b/store") as store:
        assert [repo.name for repo in store.list_repo()] == ["images"]


def test_init_takes_an_empty_directory(tmp_path):
    (tmp_path / "store").mkdir()
    pfslib.init(tmp_path / "store").close()


def test_init_refuses_what_is_there(tmp_path):
    pfslib.init(tmp_path / "store").close()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, why in (("store", "holds a store"), ("full", "not empty"), ("file", "is a file")):
        with pytest.raises(pfslib.AlreadyExistsError, match=why):
            pfslib.init(tmp_path / name)
    assert (tmp_path / "full/file").read_text() == (tmp_path / "file").read_text() == "mine"
    assert kept(tmp_path) == ["file", "full", "store"]


def test_open_never_makes_a_store(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "file").touch()
    for name in ("none", "none/deeper", "empty", "full", "file", "file/below"):
        with pytest.raises(pfslib.StoreNotFoundError) as raised:
            pfslib.open(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)
        assert "pfs init" in raised.value.hint
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("PFS_STORE", raising=False)
    with pytest.raises(pfslib.StoreNotFoundError):
        pfslib.open()
    assert kept(tmp_path) == ["empty", "file", "full"]
    assert kept(tmp_path / "empty") == []


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(pfslib.StoreNotFoundError, match="is a file, not a store directory"):
        pfslib.open(tmp_path / "file")
    with pytest.raises(pfslib.StoreNotFoundError, match="is a file, not a store directory"):
        pfslib.open(tmp_path / "file", create=True)


def test_open_makes_a_store_when_told_to(tmp_path):
    with pfslib.open(tmp_path / "store", create=True) as store:
        store.create_repo("images")
    with pfslib.open(tmp_path / "store", create=True) as store:
        assert [repo.name for repo in store.list_repo()] == ["images"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(pfslib.StoreNotFoundError):
        pfslib.open(tmp_path / "full", create=True)
    assert kept(tmp_path / "full") == ["file"]


def test_several_processes_make_one_store(tmp_path):
    code = "import sys, pfslib; pfslib.open(sys.argv[1], create=True).create_repo(sys.argv[2])"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "store"), f"repo{number}"])
        for number in range(6)
    ]
    assert [process.wait(60) for process in processes] == [0] * 6
    with pfslib.open(tmp_path / "store") as store:
        assert len(store.list_repo()) == 6
    assert kept(tmp_path) == ["store"]


def test_a_store_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("pfslib.kv.store_dir.sync_directory", refuse)
    with pytest.raises(OSError, match="no"):
        pfslib.init(tmp_path / "store")
    assert kept(tmp_path) == []


def test_open_without_a_path_looks_around(tmp_path, monkeypatch):
    pfslib.init(tmp_path / "project/.pfs").close()
    pfslib.init(tmp_path / "other").close()
    (tmp_path / "project/deep/er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project/deep/er")
    monkeypatch.delenv("PFS_STORE", raising=False)
    with pfslib.open() as store:
        assert store.path == tmp_path / "project/.pfs"
    monkeypatch.setenv("PFS_STORE", str(tmp_path / "other"))
    with pfslib.open() as store:
        assert store.path == tmp_path / "other"
    with pfslib.open(tmp_path / "project/.pfs") as store:
        assert store.path == tmp_path / "project/.pfs"


def test_the_marker_records_what_shapes_the_format(store):
    marker = json.loads((store.path / "format").read_text())
    assert marker["format"] == FORMAT_VERSION
    assert marker["hash"] == "blake3-256"
    assert len(marker["store"]) == 32
    assert marker.items() >= PARAMETERS.items()


def change_marker(path: Path, **changes: object) -> None:
    marker = json.loads((path / "format").read_text())
    (path / "format").write_text(json.dumps({**marker, **changes}))


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (FORMAT_VERSION + 1, "update pfslib"),
        ("x", "update pfslib"),
        (None, "update pfslib"),
        (FORMAT_VERSION - 1, "with the pfslib that made it"),
    ],
)
def test_a_store_of_another_format_is_refused(tmp_path, version, advice):
    pfslib.init(tmp_path / "store").close()
    change_marker(tmp_path / "store", format=version)
    with pytest.raises(pfslib.UnknownFormatError, match=f"has format {version}") as raised:
        pfslib.open(tmp_path / "store")
    assert advice in raised.value.hint


@pytest.mark.parametrize("marker", [b"", b"{", b"[]", b"{}", b"\xff", b"null"])
def test_a_damaged_marker_is_refused(tmp_path, marker):
    pfslib.init(tmp_path / "store").close()
    (tmp_path / "store/format").write_bytes(marker)
    with pytest.raises(pfslib.CorruptionError, match="format marker"):
        pfslib.open(tmp_path / "store")


def test_a_store_without_its_data_is_refused(tmp_path):
    pfslib.init(tmp_path / "store").close()
    os.truncate(tmp_path / "store/data.mdb", 0)
    with pytest.raises(pfslib.CorruptionError, match="missing or empty"):
        pfslib.open(tmp_path / "store")
    (tmp_path / "store/data.mdb").unlink()
    with pytest.raises(pfslib.CorruptionError, match="missing or empty"):
        pfslib.open(tmp_path / "store")
    (tmp_path / "store/data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(pfslib.CorruptionError, match="damaged"):
        pfslib.open(tmp_path / "store")


def test_a_store_is_private_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        with pfslib.init(tmp_path / "store") as store:
            with store.create_repo("repo").commit() as commit:
                commit.put_file("/f", bytes(PIECE_MAX))
            modes = {path.name: path.stat().st_mode for path in store.path.iterdir()}
            (hold,) = (store.path / "holds").iterdir()
            assert stat.S_IMODE(hold.stat().st_mode) == 0o600
            assert stat.S_IMODE(store.path.stat().st_mode) == 0o700
    finally:
        os.umask(old)
    assert modes.keys() == {
        "anchor",
        "data.mdb",
        "format",
        "holds",
        "lock.mdb",
        "open.lock",
        "sweep.lock",
        "write.lock",
    }
    assert stat.S_IMODE(modes.pop("holds")) == 0o700
    assert {stat.S_IMODE(mode) for mode in modes.values()} == {0o600}


def test_an_empty_store_is_small(store):
    assert sum(path.stat().st_blocks * 512 for path in store.path.iterdir()) < 256 * 1024


# --- handles ---------------------------------------------------------------------------------


def test_two_handles_see_each_others_writes(store):
    with pfslib.open(store.path) as other:
        store.create_repo("images")
        assert other.repo("images").inspect().name == "images"
        with other.repo("images").commit() as commit:
            commit.put_file("/f", b"1")
    assert store.get_file("images", "master", "/f") == b"1"


def test_closing_one_handle_leaves_the_other(store, repo):
    with repo.commit() as writing:
        writing.put_file("/f", b"1")
    other = pfslib.open(store.path)
    commit, waiting = other.commit("repo@master"), other.repo("repo").start_commit("waiting")
    files = commit.walk()
    other.close()
    other.close()
    for use in (
        other.list_repo,
        lambda: other.create_repo("x"),
        lambda: commit.get_file("/f"),
        lambda: commit.glob("*"),
        lambda: next(files),
        lambda: waiting.put_file("/g", b"1"),
        waiting.discard,
        lambda: other.repo("repo"),
    ):
        with pytest.raises(pfslib.StoreClosedError) as raised:
            use()
        assert str(store.path) in str(raised.value)
        assert "pfslib.open" in raised.value.hint
    assert store.get_file("repo", "master", "/f") == b"1"


def test_a_store_can_be_opened_again_after_it_was_closed(tmp_path):
    pfslib.init(tmp_path / "store").close()
    for number in range(5):
        with pfslib.open(tmp_path / "store") as store:
            store.create_repo(f"repo{number}")
    with pfslib.open(tmp_path / "store") as store:
        assert len(store.list_repo()) == 5


def test_a_store_is_the_same_through_a_link(tmp_path):
    with pfslib.init(tmp_path / "store") as store:
        (tmp_path / "link").symlink_to("store")
        with pfslib.open(tmp_path / "link") as other:
            other.create_repo("images")
            assert other.path == store.path
        assert store.repo("images").name == "images"
