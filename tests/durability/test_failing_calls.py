"""The n-th call fails, for every n: as SQLite tests it.

First every call of the key-value layer, as if the disk were full; then every system call that
writes, as the kernel would, with `strace` in between (Debian's package strace).
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import pfslib
from pfslib.kv.memory import MemoryKV
from pfslib.kv.protocol import KV
from pfslib.maintenance.check import check
from pfslib.testing.faults import FaultyKV
from pfslib.testing.inventory import assert_exact
from pfslib.trees.nodestore import TreeCache

Steps = list[Callable[[pfslib.Store], object]]


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


# --- calls of the key-value layer ------------------------------------------------------------


def put_many(store: pfslib.Store) -> None:
    with store.repo("repo").commit("master", message="many") as commit:
        for number in range(12):
            commit.put_file(f"/dir-{number % 3}/{number}", noise(number, 700))
        commit.put_file("/large", noise(99, 400_000))


def change_some(store: pfslib.Store) -> None:
    with store.repo("repo").commit("master", message="some") as commit:
        commit.delete_file("/dir-1")
        commit.put_file("/large", b"appended", append=True)
        commit.copy_file(store.commit("repo@master"), "/dir-2", "/copied")


def in_steps(store: pfslib.Store) -> None:
    """Durable steps: one that failed is made again, as a user would."""
    known = [opened for opened in store.repo("repo").list_open() if opened.branch == "steps"]
    if known:
        opened = store.open_commit("repo", known[0].id)
    else:
        opened = store.start_commit("repo", "steps", message="steps")
    opened.put_file("/one", noise(1, 100_000))
    opened.put_file("/two", b"2")
    opened.finish()


def put_fleeting(store: pfslib.Store) -> None:
    with store.repo("fleeting").commit("master") as commit:
        for number in range(6):
            commit.put_file(f"/{number}", noise(number + 500, 9_000))
        commit.put_file("/kept-elsewhere", noise(1, 100_000))


STEPS: Steps = [
    lambda store: store.create_repo("repo"),
    put_many,
    change_some,
    in_steps,
    lambda store: store.create_repo("fleeting"),
    put_fleeting,
    lambda store: store.repo("repo").create_branch("side", "steps"),
    lambda store: store.repo("repo").move_branch("side", "master"),
    lambda store: store.repo("repo").create_tag("v1", "steps"),
    lambda store: store.delete_repo("fleeting"),
    lambda store: store.gc(),
    lambda store: store.repo("repo").squash_commit("master^"),
    lambda store: store.repo("repo").delete_tag("v1"),
    lambda store: store.repo("repo").drop_commit("steps"),
    lambda store: store.repo("repo").delete_branch("side"),
    lambda store: store.gc(),
    put_many,
    lambda store: store.delete_all(),
    lambda store: store.gc(),
]
"""Each can be made again after it failed."""


def contents(store: pfslib.Store) -> dict[str, object]:
    """All that a user can see of finished work."""
    seen: dict[str, object] = {}
    for repo in store.list_repo():
        seen[repo.name] = [tag.name for tag in store.repo(repo.name).list_tag()]
        for branch in store.repo(repo.name).list_branch():
            for commit in store.list_commit(repo.name, branch.name):
                where = f"{repo.name}@{branch.name}.{commit.number}"
                seen[where] = commit.message
                for info in commit.walk():
                    if info.kind == "file":
                        seen[f"{where}:{info.path}"] = commit.get_file(info.path)
    return seen


@pytest.fixture(scope="module")
def after_each_step(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """What is to be seen before the first step and after each."""
    with pfslib.init(tmp_path_factory.mktemp("model") / "store") as store:
        seen = [contents(store)]
        for step in STEPS:
            step(store)
            seen.append(contents(store))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_whichever_call_fails_nothing_is_half_done(
    tmp_path: Path, after_each_step: list[dict[str, object]], lasting: bool
) -> None:
    """Every single call of all steps, on the backend in memory."""
    calls = count_calls(tmp_path)
    assert calls > 400
    with pfslib.init(tmp_path / "store") as store:
        for number in range(1, calls + 1):
            store.kv.close()
            store.kv, store.cache = MemoryKV(), TreeCache()
            assert fail(store, number, after_each_step, lasting=lasting)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_a_call_that_fails_on_a_disk_leaves_nothing_half_done(
    tmp_path: Path, after_each_step: list[dict[str, object]], lasting: bool
) -> None:
    """Every thirtieth call, another one each for once and for good; the store is opened again."""
    for number in range(1 + 15 * lasting, count_calls(tmp_path), 30):
        path = tmp_path / f"store-{number}"
        with pfslib.init(path) as store:
            assert fail(store, number, after_each_step, lasting=lasting)
        with pfslib.open(path) as store:
            assert contents(store) == after_each_step[-1], f"call {number}"
            assert_sound(store)
        shutil.rmtree(path)


def count_calls(tmp_path: Path) -> int:
    with pfslib.init(tmp_path / "counted") as store:
        store.kv.close()
        store.kv = counting = FaultyKV(MemoryKV())
        for step in STEPS:
            step(store)
    return counting.calls


def fail(
    store: pfslib.Store, number: int, after: list[dict[str, object]], *, lasting: bool
) -> bool:
    """Let a call fail, and make its step again; whether it came to that."""
    real: KV = store.kv
    faulty = store.kv = FaultyKV(real)
    faulty.arm(number, lasting=lasting)
    for done, step in enumerate(STEPS):
        try:
            step(store)
        except pfslib.StoreFullError:
            store.kv = real
            assert contents(store) == after[done], f"call {number}"
            assert_sound(store)
            step(store)
            assert contents(store) == after[done + 1], f"call {number}"
    store.kv = real
    assert contents(store) == after[-1], f"call {number}"
    assert_sound(store)
    store.gc()
    assert_exact(store)
    return faulty.failed


def assert_sound(store: pfslib.Store) -> None:
    problems: list[object] = []
    check(store.kv, read_data=True, report=problems.append, progress=lambda _what, _done: None)
    assert problems == []


# --- system calls ----------------------------------------------------------------------------

SCRIPT = """
import random, sys
import pfslib
done = 3
try:
    with pfslib.open(sys.argv[1]) as store:
        for number in range(4, 8):
            try:
                with store.repo("repo").commit("master") as commit:
                    commit.put_file("/number", str(number))
                    commit.put_file("/data", random.Random(number).randbytes(30_000))
                done = number
            except pfslib.PfsError as error:
                print("refused", type(error).__name__)
                break
            assert store.get_file("repo", "master", "/number") == str(done).encode()
        store.get_file("repo", "master", "/d/b")
except pfslib.PfsError as error:
    print("refused", type(error).__name__)
print(done)
"""

CALLS = "writev,pwrite64,pwritev,fdatasync,fsync,ftruncate,fallocate"
FAULTS = {
    "EIO once": "error=EIO",
    "EIO on": "error=EIO+",
    "ENOSPC once": "error=ENOSPC",
    "killed": "signal=SIGKILL",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whichever_system_call_fails_what_was_acknowledged_is_there(
    filled: Path, tmp_path: Path, trace: Callable[..., Any], fault: str
) -> None:
    path = tmp_path / "store"

    def run(faults: Sequence[str] = ()) -> Any:
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(filled, path)
        return trace(CALLS, SCRIPT, path, faults=faults)

    whole = run()
    assert len(whole.calls) > 40
    for number, call in enumerate(whole.calls):
        ran = run(whole.fault(number, FAULTS[fault]))
        words = ran.output.split()
        assert ran.code == 0 or fault == "killed", (number, call, ran)
        check_after_fault(path, int(words[-1]) if words else None)


def check_after_fault(path: Path, done: int | None) -> None:
    def check(store: pfslib.Store) -> None:
        history = list(store.list_commit("repo", "master"))
        assert [commit.get_file("/number") for commit in history] == [
            b"%d" % number for number in range(1, 1 + len(history))
        ]
        assert done is None or len(history) == done
        for number, commit in enumerate(history[3:], 4):
            assert commit.get_file("/data") == random.Random(number).randbytes(30_000)

    with pfslib.open(path) as store:
        check(store)
        shut = takes_no_writes(store)
    if not shut:
        return
    pfslib.recover(path, check=check)
    with pfslib.open(path) as store:
        store.create_repo("again")


def takes_no_writes(store: pfslib.Store) -> bool:
    try:
        store.create_repo("a-new-one")
    except pfslib.CorruptionError as error:
        return "takes no writes since" in str(error)
    return False
