"""Waiting for commits of others."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from pfslib import (
    BusyError,
    Commit,
    CommitNotFoundError,
    InvalidReferenceError,
    Repo,
    RepoNotFoundError,
    Store,
)

Make = Callable[..., Commit]


def later(action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.1, action)
    timer.start()
    return timer


def test_what_is_finished_is_not_waited_for(store: Store, commit: Make) -> None:
    made = commit({"/a": b"1"})
    assert store.wait("data@master", timeout_s=0) == made
    assert store.wait(f"data@{made.id}") == made


def test_an_open_commit_is_waited_for_until_it_is_finished(store: Store, repo: Repo) -> None:
    open_commit = repo.start_commit()
    for reference in ("master", open_commit.id, open_commit.id[:10]):
        with pytest.raises(BusyError, match="no finished commit, after 0 s"):
            store.wait(f"data@{reference}", timeout_s=0)
    timer = later(open_commit.finish)
    assert store.wait(f"data@{open_commit.id}", timeout_s=20).id == open_commit.id
    timer.join()


def test_what_does_not_exist_yet_is_waited_for(store: Store, commit: Make) -> None:
    store.create_repo("x")
    timer = later(lambda: commit({"/a": b"1"}))
    assert store.wait("data@master", timeout_s=20).get_file("/a") == b"1"
    timer.join()


def test_the_next_commit_of_a_branch_can_be_waited_for(store: Store, commit: Make) -> None:
    commit({"/a": b"1"})
    timer = later(lambda: commit({"/a": b"2"}))
    assert store.wait("data@master.1", timeout_s=20).get_file("/a") == b"2"
    timer.join()


def test_a_commit_that_is_discarded_is_not_waited_for_any_longer(store: Store, repo: Repo) -> None:
    open_commit = repo.start_commit()
    timer = later(open_commit.discard)
    with pytest.raises(CommitNotFoundError):
        store.wait(f"data@{open_commit.id}", timeout_s=20)
    timer.join()


def test_the_time_is_kept(store: Store) -> None:
    store.create_repo("x")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        store.wait("x@master", timeout_s=0.3)
    assert 0.3 <= time.monotonic() - began < 10


def test_what_can_never_be_is_refused_at_once(store: Store) -> None:
    store.create_repo("x")
    with pytest.raises(RepoNotFoundError):
        store.wait("nothing@master")
    with pytest.raises(InvalidReferenceError):
        store.wait("x")
    with pytest.raises(InvalidReferenceError):
        store.wait("x@master:/path")


def test_another_process_is_waited_for(store: Store, repo: Repo) -> None:
    open_commit = repo.start_commit()
    open_commit.put_file("/a", b"1")
    script = (
        "import sys, time, pfslib\n"
        "time.sleep(0.2)\n"
        "pfslib.open(sys.argv[1]).finish_commit('data', sys.argv[2])\n"
    )
    command = [sys.executable, "-c", script, str(store.path), open_commit.id]
    with subprocess.Popen(command) as other:
        assert store.wait("data@master", timeout_s=60).get_file("/a") == b"1"
    assert other.returncode == 0
