"""T14: one environment a process, whoever opens it how often, and closing is never a crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib

Run = Callable[..., str]


def test_a_store_opened_by_several_names_is_one(filled: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(filled)
    with pfslib.open(filled) as first, pfslib.open(link) as second:
        with second.repo("repo").commit("master") as commit:
            commit.put_file("/on", b"on")
        assert first.get_file("repo", "master", "/on") == b"on"
        first.close()
        assert second.get_file("repo", "master", "/on") == b"on"
        with pytest.raises(pfslib.StoreClosedError):
            first.get_file("repo", "master", "/on")


def test_after_closing_every_handle_says_so(filled: Path, tmp_path: Path) -> None:
    store = pfslib.open(filled)
    repo, commit = store.repo("repo"), store.commit("repo@master")
    opened = repo.start_commit("other")
    listing = repo.list_commit()
    next(listing)
    store.close()
    store.close()
    for use in (
        store.list_repo,
        repo.inspect,
        lambda: commit.get_file("/a"),
        lambda: opened.put_file("/x", b"x"),
        opened.finish,
        lambda: next(listing),
        lambda: store.backup(tmp_path / "copy"),
        lambda: store.create_repo("new"),
    ):
        with pytest.raises(pfslib.StoreClosedError):
            use()
    assert not (tmp_path / "copy").exists()
    with pfslib.open(filled) as again:
        again.open_commit("repo", "other").discard()


CLOSE_UNDER_THREADS = """
import sys, threading, time
import pfslib
path = sys.argv[1]
strange, acknowledged = [], set()

def use(number):
    while not ended.is_set():
        try:
            store = stores[0]
            if number % 2:
                store.get_file("repo", "master", "/d/b")
            else:
                # A commit that is cut off by the closing keeps its branch while the process lives.
                branch = f"own-{number}-{time.monotonic_ns()}"
                with store.repo("repo").commit(branch) as commit:
                    commit.put_file("/x", b"x" * 50_000)
                acknowledged.add(branch)
        except pfslib.StoreClosedError:
            time.sleep(0.0005)
        except BaseException as error:
            strange.append(repr(error))

stores, ended = [pfslib.open(path)], threading.Event()
threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
rounds, end = 0, time.monotonic() + 6
while (rounds < 100 or len(acknowledged) < 20) and time.monotonic() < end:
    time.sleep(0.01 * (rounds % 5))
    stores[0].close()
    stores[0] = pfslib.open(path)
    rounds += 1
ended.set()
for thread in threads:
    thread.join(timeout=20)
    assert not thread.is_alive()
assert not strange, strange[:3]
for branch in acknowledged:
    assert stores[0].get_file("repo", branch, "/x") == b"x" * 50_000
print(len(acknowledged))
"""


def test_closed_and_opened_again_under_busy_threads(filled: Path, run: Run) -> None:
    assert int(run(CLOSE_UNDER_THREADS, filled)) > 0


def test_a_backup_is_of_one_moment_while_others_write(filled: Path, tmp_path: Path) -> None:
    """Each commit changes two files alike; a copy of several moments would have them differ."""
    with pfslib.open(filled) as store:
        ended = threading.Event()
        committed = 0

        def write() -> None:
            nonlocal committed
            while not ended.is_set():
                with store.repo("repo").commit("pair") as commit:
                    for name in ("/one", "/two"):
                        commit.put_file(name, str(committed).encode() * 3000)
                committed += 1

        writer = threading.Thread(target=write)
        writer.start()
        while not committed:
            time.sleep(0.01)
        copies = []
        for number in range(5):
            least = committed
            copies.append((store.backup(tmp_path / f"copy-{number}"), least))
        ended.set()
        writer.join()

    for copy, least in copies:
        with pfslib.open(copy) as restored:
            history = list(restored.list_commit("repo", "pair"))
            assert len(history) >= least
            for number, commit in enumerate(history):
                assert commit.get_file("/one") == commit.get_file("/two") == b"%d" % number * 3000
            assert restored.get_file("repo", "master", "/a") == b"alpha\n"
            with restored.repo("repo").commit("master") as commit_on:
                commit_on.put_file("/on", b"on")
    assert not list(tmp_path.glob(".copy*")), "nothing half made is left"


def test_a_backup_never_overwrites_and_is_whole_or_not_there(filled: Path, tmp_path: Path) -> None:
    with pfslib.open(filled) as store:
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "file").touch()
        for taken in (filled, tmp_path / "taken", tmp_path / "taken" / "file"):
            with pytest.raises(pfslib.AlreadyExistsError):
                store.backup(taken)
        assert [path.name for path in (tmp_path / "taken").iterdir()] == ["file"]
