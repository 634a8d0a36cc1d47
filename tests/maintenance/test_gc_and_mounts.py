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
from pfslib.testing.inventory import assert_exact, held, put, small_files, stored
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
