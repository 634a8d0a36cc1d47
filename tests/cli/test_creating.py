"""A store and a repo that are made by the first thing that is put, when that is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and nothing that names a store."""
    for name in [name for name in os.environ if name.startswith("PFS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_two_commands_from_nothing_to_a_result(here: Path, pfs) -> None:
    made = pfs("put-file", "--create", "fruit@master:/monday", stdin=b"pears")
    assert made.stdout == b""
    assert made.stderr == f"pfs: made the store {here / '.pfs'}\npfs: made the repo fruit\n"
    assert pfs("get-file", "fruit@master:/monday").stdout == b"pears"


def test_what_is_there_is_taken(here: Path, pfs) -> None:
    pfs("init")
    pfs("create-repo", "fruit")
    assert pfs("put-file", "--create", "fruit@master:/a", stdin=b"1").stderr == ""
    started = pfs("start-commit", "fruit", "master").text.strip()
    pfs("put-file", "--create", "fruit", started, "b", stdin=b"2")
    pfs("finish-commit", "fruit", started)
    assert pfs("get-file", "fruit@master:/b").stdout == b"2"


@pytest.mark.parametrize(
    ("words", "data"),
    [
        (["import-archive", "fruit@master"], b"".ljust(10240, b"\0")),
        (["split-file", "fruit@master:/rows"], b"a\nb\n"),
        (["put-file", "fruit", "master", "a", "-c"], b"1"),
    ],
)
def test_a_store_is_made_where_it_is_said(words: list[str], data: bytes, here: Path, pfs) -> None:
    pfs(*words, "--create", "--store", "lake", stdin=data)
    assert pfs("list-repo", "--store", "lake").rows[0]["NAME"] == "fruit"


def test_nothing_is_made_unasked_or_for_what_cannot_be(here: Path, call) -> None:
    assert call("put-file", "fruit@master:/monday", stdin=b"pears").code == 10
    assert call("put-file", "--create", "fruit@master", "-f", "missing").code != 0
    for words in CANNOT_BE:
        assert call("put-file", "--create", *words, stdin=b"pears").code == 2
    assert list(here.iterdir()) == []


CANNOT_BE = [
    ["fr/uit@master:/a"], ["fruit@master^:/a"], ["fruit@master:/../a"], ["fruit", "master", "/a"]
]  # fmt: skip


@pytest.mark.parametrize("words", CANNOT_BE)
def test_what_is_mistyped_makes_no_repo(words: list[str], here: Path, pfs, call) -> None:
    pfs("init")
    assert call("put-file", "--create", *words, stdin=b"1").code == 2
    assert pfs("list-repo", "--json").json_lines == []


def test_creating_a_repo_that_exists(here: Path, pfs, call) -> None:
    pfs("init")
    pfs("create-repo", "fruit", "-d", "first")
    assert call("create-repo", "fruit").code == 13
    assert pfs("create-repo", "fruit", "--exist-ok", "--json").json["description"] == "first"
