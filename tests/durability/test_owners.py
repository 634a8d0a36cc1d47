"""What root does to the store of a user, who must be able to go on with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

import pfslib
from pfslib.kv.layout import ANCHOR_FILE, DATA_FILE, HOLDS_FOLDER, SWEEP_FILE
from pfslib.testing.shell_pipelines import commit_files, shell_spec

USER = 12_345


@pytest.fixture
def users(filled: Path, impossible: Callable[[str], NoReturn]) -> Path:
    """A store that belongs to another user."""
    if os.geteuid() != 0:
        impossible("giving files away needs root")
    for path in (filled, *filled.rglob("*")):
        os.chown(path, USER, USER)
    return filled


def owners(store: Path) -> dict[str, tuple[int, int]]:
    found = {path.name: path.stat() for path in (store, *store.rglob("*"))}
    return {name: (status.st_uid, status.st_gid) for name, status in found.items()}


def test_compacting_leaves_the_data_file_its_owners(users: Path) -> None:
    inode = (users / DATA_FILE).stat().st_ino
    with pfslib.open(users) as store:
        store.gc(compact=True)
    assert (users / DATA_FILE).stat().st_ino != inode
    assert set(owners(users).values()) == {(USER, USER)}


def test_compacting_is_refused_when_the_file_cannot_be_given_back(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise PermissionError

    inode = (users / DATA_FILE).stat().st_ino
    monkeypatch.setattr(os, "chown", refuse)
    with (
        pfslib.open(users) as store,
        pytest.raises(pfslib.StateError, match=f"belongs to user {USER}"),
    ):
        store.gc(compact=True)
    assert (users / DATA_FILE).stat().st_ino == inode
    assert not list(users.glob("compact.*"))


def test_whatever_is_made_in_a_store_is_its_owners(users: Path) -> None:
    for path in (users / HOLDS_FOLDER).iterdir():
        path.unlink()
    (users / HOLDS_FOLDER).rmdir()
    for name in (ANCHOR_FILE, SWEEP_FILE, "lock.mdb", "open.lock"):
        (users / name).unlink()
    with pfslib.open(users, accept_loss=True) as store:
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/more", os.urandom(100_000))
        store.gc()
    found = owners(users)
    assert {HOLDS_FOLDER, "0", ANCHOR_FILE, SWEEP_FILE, "lock.mdb"} <= found.keys()
    assert set(found.values()) == {(USER, USER)}


def test_without_a_job_there_is_no_scratch(filled: Path) -> None:
    with pfslib.open(filled) as store:
        store.run()
    assert not (filled / "scratch").exists()


@pytest.mark.sandbox
def test_scratch_is_the_owners_alone(users: Path) -> None:
    with pfslib.open(users) as store:
        store.create_pipeline(shell_spec("copy", "repo", "cp -r /pfs/repo/* /pfs/out"))
        commit_files(store, "repo", {"/x": "x"})
        jobs = store.run(runner="local")
        assert {(str(job.state), job.reason) for job in jobs} == {("success", "")}
    scratch = users / "scratch"
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    assert list(scratch.iterdir()) == []
    assert set(owners(users).values()) == {(USER, USER)}
