"""Looking after a store: fsck, gc, stats, backup and recover."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.gate import WriteGate
from pfslib.kv.layout import DATA_FILE
from pfslib.kv.tables import Table


@pytest.fixture(autouse=True)
def data(store: Path, pfs) -> None:
    pfs("create-repo", "data")
    pfs("put-file", "data@master:/kept", stdin=os.urandom(100_000))


def damage(store: Path) -> None:
    """Take the chunks away, but not what leads to them."""
    with pfslib.open(store) as handle, handle.kv.write() as txn:
        for key in list(txn.keys(Table.CHUNKS)):
            txn.delete(Table.CHUNKS, key)


def test_a_sound_store_is_told_to_be_one(pfs) -> None:
    for words, said in ((["fsck"], ""), (["fsck", "--read-data"], ", 97.66 KiB of content")):
        assert pfs(*words).text.startswith("nothing is wrong: 1 commit, ")
        assert said in pfs(*words).text
    assert pfs("fsck", "--json").json["read_data"] is False


def test_damage_is_told_with_the_files_that_it_hits(store: Path, call) -> None:
    damage(store)
    found = call("fsck")
    assert (found.code, found.stderr) == (14, "")
    assert "  data@" in found.text
    assert ":/kept\n" in found.text
    assert re.fullmatch(r"\d+ problems? in 1 commit, .*", found.text.splitlines()[-1])
    report = call("fsck", "--json")
    assert (report.code, report.json["clean"]) == (14, False)
    assert report.json["checked"]["problems"] == len(report.json["problems"])
    assert set(report.json["problems"][0]) == {"kind", "what", "where"}


def test_room_is_given_back(store: Path, pfs) -> None:
    pfs("put-file", "data@other:/gone", stdin=os.urandom(3_000_000))
    before = pfs("stats", "--json").json
    pfs("drop-commit", "data", "other")
    planned = pfs("gc", "--dry-run").text
    assert re.fullmatch(r"would delete \d+ nodes and \d+ pieces of content, 2\.8\d+ MiB\n", planned)
    assert pfs("stats", "--json").json["pieces"] == before["pieces"]
    told = pfs("gc", "--compact", "--json").json
    assert (told["compacted"], told["garbage_bytes"] > 3_000_000) == (True, True)
    after = pfs("stats", "--json").json
    assert after["content_bytes"] == 100_000
    assert after["file_bytes"] < before["file_bytes"] - 3_000_000
    assert f"Repos: {after['repos']}\n" in pfs("stats").text
    assert pfs("gc").text.startswith("deleted 0 nodes and 0 pieces of content, 0 B\n")
    assert pfs("fsck", "--read-data", "--json").json["clean"]


def test_a_file_that_is_in_use_is_not_compacted(store: Path) -> None:
    command = [sys.executable, "-m", "pfslib.cli", "gc", "--compact"]
    with pfslib.open(store):
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert b"the file was not compacted: " in done.stdout


def test_a_copy_is_a_store(store: Path, pfs, call) -> None:
    pfs("backup", "copy")
    one, other = (
        pfs("get-file", "data@master:/kept"),
        pfs("--store", "copy", "get-file", "data@master:/kept"),
    )
    assert one.stdout == other.stdout
    again = call("backup", "copy")
    assert (again.code, "is not empty" in again.stderr) == (13, True)


def shut(store: Path) -> None:
    """What an I/O error does."""
    gate = WriteGate(store)
    with gate.held():
        gate.shut("an I/O error")
    gate.close()


def test_a_store_takes_writes_again_when_it_is_sound(store: Path, pfs, call) -> None:
    shut(store)
    refused = call("put-file", "data@master:/x", stdin=b"x")
    assert refused.code == 14
    assert "`pfs recover`" in refused.stderr
    with pfslib.open(store):
        assert call("recover").code == 11
    assert pfs("recover").text.startswith("nothing is wrong: ")
    pfs("put-file", "data@master:/x", stdin=b"x")


def test_a_damaged_store_takes_none(store: Path, call) -> None:
    damage(store)
    shut(store)
    for _ in range(2):
        found = call("recover")
        assert (found.code, found.stdout) == (14, b"")
        assert "`pfs fsck --read-data` lists all" in found.stderr
    assert call("put-file", "data@master:/x", stdin=b"x").code == 14


def test_a_loss_is_accepted(store: Path, pfs, call) -> None:
    shutil.copy(store / DATA_FILE, "older")
    pfs("put-file", "data@master:/lost", stdin=b"x")
    shutil.copy("older", store / DATA_FILE)
    for words in (["list-repo"], ["fsck"], ["recover"]):
        refused = call(*words)
        assert refused.code == 14
        assert "`pfs recover --accept-loss`" in refused.stderr
    assert "nothing is wrong" in pfs("recover", "--accept-loss").text
    assert [row["NAME"] for row in pfs("list-file", "data", "master").rows] == ["/kept"]
    pfs("put-file", "data@master:/new", stdin=b"x")


def test_a_path_that_is_not_utf_8_is_refused(store: Path, pfs, call, tmp_path: Path) -> None:
    name = "caf\udce9"
    for words in (["init", name], ["backup", name], ["init", f"{name}/new"]):
        refused = call(*words)
        assert refused.code == 2
        assert "caf\\xe9" in refused.stderr
        assert "a store cannot be where the path is not UTF-8" in refused.stderr
    assert [path.name for path in Path().iterdir()] == ["store"]
    Path("store").rename(name)
    assert call("--store", name, "list-repo").code == 2
    Path("link").symlink_to(name)
    assert call("--store", "link", "list-repo").code == 2


@pytest.mark.parametrize("command", ["backup", "init"])
def test_the_working_directory_is_not_replaced(
    command: str, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for word in (".", "../here", str(here)):
        found = call(command, word)
        assert (found.code, found.text) == (2, "")
        assert "is the working directory" in found.stderr
    assert here.samefile(".")
    assert [*tmp_path.glob("here/*"), *tmp_path.glob(".here*")] == []
