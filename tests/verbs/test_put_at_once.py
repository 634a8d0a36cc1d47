"""A file put in a commit of its own, from nothing if need be."""

from __future__ import annotations

from pathlib import Path

import pytest

import pfslib


def test_from_nothing_to_a_result(tmp_path: Path) -> None:
    fruit = pfslib.open(tmp_path / "lake", create=True).create_repo("fruit", exist_ok=True)
    assert fruit.put_file("/monday", "pears").get_file("/monday") == b"pears"
    again = pfslib.open(tmp_path / "lake", create=True).create_repo("fruit", exist_ok=True)
    commit = again.put_file("/monday", "!", branch="try", message="why", append=True)
    assert (commit.get_file("/monday"), commit.message) == (b"!", "why")
    assert again["master"].get_file("/monday") == b"pears"


def test_what_changes_nothing_is_the_head(tmp_path: Path) -> None:
    fruit = pfslib.open(tmp_path / "lake", create=True).create_repo("fruit")
    first = fruit.put_file("/monday", "pears")
    assert fruit.put_file("/monday", "pears") == first
    assert len(list(fruit.list_commit())) == 1


def test_what_fails_leaves_nothing_open(tmp_path: Path) -> None:
    fruit = pfslib.open(tmp_path / "lake", create=True).create_repo("fruit")
    with pytest.raises(pfslib.InvalidPathError):
        fruit.put_file("/", "pears")
    with pytest.raises(FileNotFoundError):
        fruit.put_file("/monday", tmp_path / "missing")
    assert list(fruit.list_open()) == []


def test_a_store_is_made_here_when_nothing_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PFS_STORE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pfslib.StoreNotFoundError):
        pfslib.open()
    with pfslib.open(create=True) as store:
        assert store.path == tmp_path / ".pfs"


def test_what_changes_nothing_is_not_what_somebody_else_put_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fruit = pfslib.open(tmp_path / "lake", create=True).create_repo("fruit")
    first = fruit.put_file("/monday", "pears")
    finish = pfslib.OpenCommit.finish

    def and_another(started: pfslib.OpenCommit) -> pfslib.Commit | None:
        monkeypatch.undo()
        finished = finish(started)
        fruit.put_file("/monday", "apples")
        return finished

    monkeypatch.setattr(pfslib.OpenCommit, "finish", and_another)
    assert fruit.put_file("/monday", "pears") == first


def test_nothing_put_on_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    fruit = pfslib.open(tmp_path / "lake", create=True).create_repo("fruit")
    with pytest.raises(pfslib.InvalidInputError, match="no commits yet"):
        fruit.put_file("/", tmp_path / "empty")
    assert list(fruit.list_branch()) == []
