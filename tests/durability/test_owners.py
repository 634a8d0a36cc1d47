"""What root does to the store of a user, who must be able to go on with it."""

from __future__ import annotations

import os
import stat
import subprocess
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


OPEN = """
import os, sys
from pathlib import Path
import pfslib
import pfslib.api.opening, pyfastcdc, zstandard  # before others may not read where they are
os.setgroups([])
os.setuid(int(sys.argv[2]))
try:
    with pfslib.open(Path(sys.argv[1])) as store, store.repo("repo").commit("master") as commit:
        commit.put_file("/x", bytes(100_000))
except PermissionError as error:
    print(isinstance(error, pfslib.PfsError), str(error), error.hint, sep="|")
"""


@pytest.mark.parametrize("name", [".", "format", "data.mdb", "open.lock", "anchor", "holds/0"])
def test_what_one_may_not_open_is_said_with_what_to_do(
    users: Path, name: str, start: Callable[..., subprocess.Popen[str]], tmp_path_factory
) -> None:
    temporary = tmp_path_factory.getbasetemp().parents[1]  # of one process of several, or of all
    for above in users.parents:
        if above.is_relative_to(temporary) and stat.S_IMODE(above.stat().st_mode) == 0o700:
            above.chmod(0o711)
    os.chown(users / name, 0, 0)
    (users / name).chmod(0o600)
    process = start(OPEN, users, USER)
    output, errors = process.communicate(timeout=30)
    assert errors == ""
    ours, said, hint = output.splitlines()[0].split("|")
    assert ours == "True"
    what = users / ("format" if name == "." else name)
    assert said.startswith(f"store {users}: user {USER} may not open {what}, which belongs to ")
    assert "chown" in hint


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
