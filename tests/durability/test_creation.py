"""T7, T8, T18, T19: stores are made whole or not at all, where nothing was, for their owner."""

from __future__ import annotations

import json
import random
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pfslib
from pfslib.kv.layout import DATA_FILE, FORMAT_FILE
from pfslib.kv.making import made_beside

Start = Callable[..., subprocess.Popen[str]]

INIT = """
import sys
import pfslib
print("ready", flush=True)
sys.stdin.readline()
pfslib.init(sys.argv[1]).close()
"""


def test_killed_at_any_moment_of_its_creation_a_store_is_there_or_not(
    tmp_path: Path, start: Start
) -> None:
    chance = random.Random(7)
    seen: set[bool] = set()
    span = 0.02
    for number in range(100):
        if number >= 20 and seen == {True, False}:
            break
        path = tmp_path / f"store-{number}"
        process = start(INIT, path)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(chance.random() * span)
        process.kill()
        process.wait()
        # Aim at where the two outcomes meet, however fast the machine is at the moment.
        seen.add(path.exists())
        span = max(0.002, span * (0.8 if path.exists() else 1.25))
        if not path.exists():
            with pytest.raises(pfslib.StoreNotFoundError):
                pfslib.open(path)
            pfslib.init(path).close()
            assert not list(tmp_path.glob(f".{path.name}.*")), "what it left is cleared away"
        with pfslib.open(path) as store:
            store.create_repo("repo")
    assert seen == {True, False}


def test_what_is_being_made_or_is_no_store_is_not_cleared_away(tmp_path: Path) -> None:
    mine = tmp_path / ".store.12345678.new"
    mine.mkdir()
    (mine / "thesis.txt").touch()
    with made_beside(tmp_path / "store") as other:
        pfslib.init(tmp_path / "store").close()
        assert other.exists()
    assert sorted(path.name for path in mine.iterdir()) == ["thesis.txt"]
    other.rmdir()
    mine.rename(tmp_path / ".[a].12345678.new")
    (tmp_path / ".a.12345678.new").mkdir()
    pfslib.init(tmp_path / "[a]").close()
    assert (tmp_path / ".a.12345678.new").exists()
    pfslib.init(tmp_path / "a").close()
    assert not (tmp_path / ".a.12345678.new").exists()


def test_a_mistyped_path_is_an_error_and_makes_nothing(filled: Path, tmp_path: Path) -> None:
    for wrong in (tmp_path / "fileld", tmp_path, filled / "store"):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(pfslib.StoreNotFoundError):
            pfslib.open(wrong)
        assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_holds_anything_is_left_alone(filled: Path, tmp_path: Path) -> None:
    holding = tmp_path / "holding"
    holding.mkdir()
    (holding / "thesis.txt").write_text("all of it")
    for taken in (holding, filled, holding / "thesis.txt"):
        with pytest.raises(pfslib.AlreadyExistsError):
            pfslib.init(taken)
    assert [path.name for path in holding.iterdir()] == ["thesis.txt"]


def test_made_by_several_at_once_there_is_one_store(tmp_path: Path, start: Start) -> None:
    code = """
import sys
import pfslib
print("ready", flush=True)
sys.stdin.readline()
with pfslib.open(sys.argv[1], create=True) as store:
    store.create_repo(sys.argv[2])
"""
    makers = [start(code, tmp_path / "store", f"repo-{number}") for number in range(4)]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("go\n")
        maker.stdin.flush()
    for maker in makers:
        _, errors = maker.communicate(timeout=60)
        assert maker.returncode == 0, errors
    with pfslib.open(tmp_path / "store") as store:
        assert [info.name for info in store.list_repo()] == [f"repo-{n}" for n in range(4)]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_nobody_else_can_look_in_whatever_the_umask(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    code = """
import os, sys
import pfslib
os.umask(0)
with pfslib.init(sys.argv[1]) as store:
    with store.create_repo("repo").commit("master") as commit:
        commit.put_file("/a", b"a" * 100_000)
    store.backup(sys.argv[2])
"""
    store, copy = tmp_path / "store", tmp_path / "copy"
    run(code, store, copy)
    for directory in (store, copy):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        for path in directory.iterdir():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_longest_names_fit_into_keys(tmp_path: Path) -> None:
    """LMDB 0.9 takes keys of 511 bytes."""
    repo_name, branch = "r" * 128, "b" * 128
    deep = "/" + "/".join(letter * 200 for letter in "abcdefghijklmno")
    with pfslib.init(tmp_path / "store") as store:
        repo = store.create_repo(repo_name)
        for number in range(3):
            with repo.commit(branch) as commit:
                commit.put_file(deep, str(number))
                commit.put_file("/" + "x" * 255, b"x")
        assert store.get_file(repo_name, branch, deep) == b"2"
        opened = store.start_commit(repo_name, branch)
        opened.put_file(deep, b"3")
        opened.finish()
        assert store.get_file(repo_name, f"{branch}^", deep) == b"2"
        assert len(list(store.list_commit(repo_name, branch))) == 4


def test_the_engine_is_recorded_and_another_one_is_refused(filled: Path) -> None:
    data = (filled / DATA_FILE).read_bytes()
    assert data[16:20] == bytes.fromhex("dec0efbe")  # MDB_MAGIC
    assert int.from_bytes(data[20:24], "little") == 1, "engine 0.9"
    marker = json.loads((filled / FORMAT_FILE).read_text())
    assert marker["format"] >= 1
    with (filled / DATA_FILE).open("r+b") as file:
        for page in (0, 4096):
            file.seek(page + 20)
            file.write((2).to_bytes(4, "little"))
    with pytest.raises(pfslib.CorruptionError):
        pfslib.open(filled)


def test_a_store_of_a_newer_format_is_refused_with_a_sentence(filled: Path) -> None:
    marker = json.loads((filled / FORMAT_FILE).read_text())
    marker["format"] += 1
    (filled / FORMAT_FILE).write_text(json.dumps(marker))
    with pytest.raises(pfslib.UnknownFormatError, match="has format") as found:
        pfslib.open(filled)
    assert "update pfslib" in found.value.hint


CALLS = "mkdir,openat,write,writev,pwrite64,fsync,fdatasync,ftruncate,fallocate,rename,fchmod"
FAULTS = {"killed": "signal=SIGKILL", "EIO": "error=EIO", "no room": "error=ENOSPC"}
INIT_FAILING = """
import sys
import pfslib
try:
    pfslib.init(sys.argv[1]).close()
except pfslib.PfsError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("fault", FAULTS)
def test_whichever_system_call_fails_there_is_a_store_or_none(
    tmp_path: Path, trace: Callable[..., Any], fault: str
) -> None:
    whole, made = trace(CALLS, INIT_FAILING, tmp_path / "first"), 0
    assert len(whole.calls) > 60
    for number, call in enumerate(whole.calls):
        path = tmp_path / f"store-{number}"
        ran = trace(CALLS, INIT_FAILING, path, faults=whole.fault(number, FAULTS[fault]))
        assert ran.code == 0 or fault == "killed", (number, call, ran)
        if path.exists():
            made += 1
        else:
            with pytest.raises(pfslib.StoreNotFoundError):
                pfslib.open(path)
            if fault != "killed":
                assert not list(tmp_path.glob(f".{path.name}.*")), "nothing is left behind"
            pfslib.init(path).close()
        with pfslib.open(path) as store:
            store.create_repo("repo")
    assert made < len(whole.calls)
