"""Open commits that are somebody else's, or nobody's any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import pfslib
from pfslib import (
    BranchBusyError,
    CommitFinishedError,
    CommitNotFoundError,
    InvalidInputError,
    PathClashError,
)


def test_a_block_is_entered_by_nobody_else(store: pfslib.Store, repo: pfslib.Repo) -> None:
    with repo.commit("master") as mine:
        mine.put_file("/mine", "1")
        with pytest.raises(BranchBusyError):
            store.put_file("repo", "master", "/stray", "2")
        with pytest.raises(BranchBusyError):
            store.finish_commit("repo", "master")
    assert [file.path for file in repo["master"].list_file()] == ["/mine"]


BLOCK = """
import sys, time, pfslib
with pfslib.open(sys.argv[1]) as store, store.repo("repo").commit() as commit:
    for number in range(10_001):  # so many that some of it is in the store already
        commit.put_file(f"/{number}", str(number))
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_block_left_cannot_be_published(
    store: pfslib.Store, repo: pfslib.Repo
) -> None:
    command = [sys.executable, "-c", BLOCK, str(store.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    for attempt in (
        lambda: store.finish_commit("repo", "master"),
        lambda: store.put_file("repo", "master", "/x", "x"),
    ):
        with pytest.raises((CommitFinishedError, CommitNotFoundError)):
            attempt()
    with repo.commit() as commit:
        commit.put_file("/new", "new")
    assert repo["master"].files == 1


def test_a_forked_child_that_leaves_the_block_ends_nothing(repo: pfslib.Repo) -> None:
    with repo.commit() as commit:
        commit.put_file("/a", "a")
        child = os.fork()
        if child == 0:
            try:
                commit.__exit__(SystemExit, SystemExit(), None)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert repo["master"].get_file("/a") == b"a"


def test_a_discarded_commit_is_not_called_finished(store: pfslib.Store, repo: pfslib.Repo) -> None:
    commit = repo.start_commit("master")
    store.delete_commit("repo", commit.id)
    with pytest.raises(CommitNotFoundError, match=commit.id):
        commit.put_file("/a", "a")


def test_a_put_that_cannot_be_is_refused_at_once(store: pfslib.Store, repo: pfslib.Repo) -> None:
    commit = repo.start_commit("master")
    commit.put_file("/a", "a")
    with pytest.raises(PathClashError):
        commit.put_file("/a/b", "b")
    store.put_file("repo", commit.id, "/c", "c")
    done = store.finish_commit("repo", commit.id)
    assert [file.path for file in done.list_file()] == ["/a", "/c"]


def test_many_single_puts_into_a_lasting_commit(store: pfslib.Store, repo: pfslib.Repo) -> None:
    commit = repo.start_commit("master")
    for number in range(1200):
        commit.put_file(f"/{number:04}", str(number))
        if number % 400 == 0:
            commit.put_file("/log", f"{number}\n", append=True)
    done = store.finish_commit("repo", commit.id)
    assert done.files == 1201
    assert done.get_file("/log") == b"0\n400\n800\n"
    assert done.get_file("/0777") == b"777"


@pytest.mark.parametrize("text", [None, 5, "\ud800", "x" * 70_000])
def test_text_that_cannot_be_kept_is_refused(
    store: pfslib.Store, repo: pfslib.Repo, text: str
) -> None:
    with pytest.raises(InvalidInputError):
        store.create_repo("q", description=text)
    with pytest.raises(InvalidInputError):
        repo.commit("master", message=text)
    assert [found.name for found in store.list_repo()] == ["repo"]
    with repo.commit() as commit:
        commit.put_file("/a", "a")
