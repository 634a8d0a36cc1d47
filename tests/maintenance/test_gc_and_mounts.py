"""What is mounted, or read by a running datum, is kept from gc though its commit is deleted."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from pfslib import CommitNotFoundError, Store
from pfslib.testing.inventory import assert_exact, held, live, put, small_files, stored
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = pytest.mark.mount


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_mounted_commit_stays_readable(store: Store, random: Random) -> None:
    files = {**small_files(random, 300), "/big": random.randbytes(2_000_000)}
    put(store, "r", files)
    with store.commit("r@master").mount() as path:
        store.delete_repo("r")
        assert store.gc().pieces == 0
        found = {f"/{file.relative_to(path)}": file for file in path.rglob("*") if file.is_file()}
        assert {name: file.read_bytes() for name, file in found.items()} == files
    wait_for(lambda: held(store.path) == 0)
    store.gc()
    assert stored(store).chunks == set()


def test_a_killed_mount_holds_nothing(store: Store, random: Random) -> None:
    put(store, "r", small_files(random, 20))
    mounted = store.commit("r@master").mount()
    store.delete_repo("r")
    os.kill(mounted.pid, signal.SIGKILL)
    mounted.unmount()
    assert held(store.path) == 1
    store.gc()
    assert stored(store).chunks == set()
    assert held(store.path) == 0


def test_a_mount_of_all_gives_back_what_was_deleted_and_nobody_reads(
    store: Store, random: Random
) -> None:
    """First what only was looked at; what is open, or worked in, when that is over."""
    files = {**small_files(random, 50), "/big": random.randbytes(2_000_000)}
    files |= {f"/many/{n:0200}": b"1" for n in range(300)}
    for repo in ("read", "open"):
        put(store, repo, {**files, "/only": repo.encode() * 50_000})
    put(store, "kept", {"/f": b"f" * 50_000})
    store.repo("read").create_tag("v1")
    with store.mount() as top:
        for repo in ("read", "open", "kept"):
            for name in ("master", store.commit(f"{repo}@master").id):
                found = [path for path in (top / repo / name).rglob("*") if path.is_file()]
                assert len({path.read_bytes() for path in found}) == (1 if repo == "kept" else 53)
        assert held(store.path) == 3
        with os.scandir(top / "read/v1/many") as begun:
            next(begun)  # and no more of its pages
        directory = os.open(top / "open/master", os.O_RDONLY)
        with (top / "open/master/big").open("rb") as file:
            store.delete_repo("read")
            store.delete_repo("open")
            wait_for(lambda: held(store.path) == 2)
            store.gc()
            assert file.read() == files["/big"]
            only = os.open("only", os.O_RDONLY, dir_fd=directory)
            assert os.read(only, 100_000)[:4] == b"open"
            os.close(only)
            assert len(stored(store).chunks) > len(live(store).chunks)
            assert not (top / "read").exists()
        os.close(directory)
        wait_for(lambda: held(store.path) == 1)
        store.gc()
        assert_exact(store)
        assert (top / "kept/master/f").read_bytes() == b"f" * 50_000
    wait_for(lambda: held(store.path) == 0)


@pytest.mark.parametrize("collected", [False, True])
def test_a_deleted_commit_is_not_mounted(store: Store, random: Random, collected: bool) -> None:
    put(store, "r", small_files(random, 20))
    commit = store.commit("r@master")
    store.delete_repo("r")
    if collected:
        store.gc()
    with pytest.raises(CommitNotFoundError, match=commit.id):
        commit.mount()
    mounts = Path("/proc/self/mountinfo").read_text()
    assert commit.id not in mounts


@pytest.mark.sandbox
def test_what_a_running_datum_reads_stays(store: Store, random: Random, tmp_path: Path) -> None:
    reading, go_on = tmp_path / "reading", tmp_path / "go-on"
    text = random.randbytes(60_000).hex()
    store.create_repo("data")
    lines = [f"touch {reading}", f"while [ ! -e {go_on} ]; do sleep 0.01; done"]
    store.create_pipeline(shell_spec("slow", "data", *lines, "cat /pfs/data/f > /pfs/out/f"))
    commit_files(store, "data", {"/f": text})
    jobs: list[object] = []
    runner = threading.Thread(
        target=lambda: jobs.extend(store.run(runner="local", notice=lambda _: None))
    )
    runner.start()
    try:
        wait_for(reading.exists)
        with store.kv.write() as txn:  # not even the commit it is made from is needed
            from pfslib.commits.repos import delete_repo

            delete_repo(txn, "data", force=True)
        store.gc()
    finally:
        go_on.touch()
        runner.join()
    assert store.commit("slow@master").get_file("/f") == text.encode()
    assert held(store.path) == 0
    store.gc()
    assert_exact(store)
