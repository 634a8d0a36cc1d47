"""gc killed at any point: nothing live is lost, and the next gc goes on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import pfslib
from pfslib.maintenance import gc
from pfslib.testing.inventory import assert_clean, assert_exact, contents, held, put, small_files
from pfslib.testing.steps import SteppedKV

POINTS = 10

KILLED = """
import os, signal, sys, threading, time, pfslib
from pfslib.kv import short_reads
from pfslib.maintenance import gc, reach, sweep
from pfslib.testing.steps import SteppedKV

gc._MARKS_A_TXN, sweep.ROWS_A_TXN, short_reads._PAGE, reach._NODES_A_TXN = 20, 20, 20, 5
where, how, when = sys.argv[1], sys.argv[2], float(sys.argv[3])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

with pfslib.open(where) as store:
    if how == "step":
        kv = SteppedKV(store.kv, lambda step: die() if step == when else None)
        gc.collect(kv)
        print(kv.steps)
    else:
        threading.Thread(target=lambda: (time.sleep(when), die()), daemon=True).start()
        while True:
            gc.collect(store.kv)
            with store.kv.write() as txn:
                pass
"""


def run(where: Path, how: str, when: float) -> subprocess.CompletedProcess[str]:
    order = [sys.executable, "-c", KILLED, str(where), how, str(when)]
    return subprocess.run(order, check=False, stdout=subprocess.PIPE, text=True, timeout=60)


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    random = Random(3)
    return {**small_files(random, 60, 1_500), "/big": random.randbytes(300_000)}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, expected: dict[str, bytes]) -> Path:
    """A store with as much garbage as live content, in the same packs and in others."""
    path = tmp_path_factory.mktemp("template") / "store"
    random = Random(4)
    with pfslib.init(path) as store:
        mixed = {f"/mixed/{n}": random.randbytes(1_200) for n in range(120)}
        put(store, "gone", {**mixed, **small_files(random, 60), "/x": random.randbytes(500_000)})
        put(store, "kept", {**expected, **dict(list(mixed.items())[::5])})
        store.delete_repo("gone")
    expected.update(dict(list(mixed.items())[::5]))
    return path


@pytest.fixture(scope="module")
def steps(template: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many transactions an undisturbed gc of the template has."""
    copy = tmp_path_factory.mktemp("undisturbed") / "store"
    shutil.copytree(template, copy)
    return int(run(copy, "step", -1).stdout)


def check(path: Path, expected: dict[str, bytes]) -> None:
    with pfslib.open(path) as store:
        assert contents(store, "kept@master") == expected
        assert_clean(store)
        put(store, "more", {"/more": b"more" * 100})
        store.gc()
        assert contents(store, "kept@master") == expected
        assert_exact(store)
        assert_clean(store)
        assert held(path) == 0


@pytest.mark.parametrize("point", range(POINTS))
def test_between_transactions(
    template: Path, steps: int, expected: dict[str, bytes], tmp_path: Path, point: int
) -> None:
    shutil.copytree(template, tmp_path / "store")
    killed = run(tmp_path / "store", "step", steps * point // POINTS + point % 3)
    assert killed.returncode == -signal.SIGKILL
    check(tmp_path / "store", expected)


@pytest.mark.parametrize("point", range(POINTS))
def test_at_any_time(
    template: Path, expected: dict[str, bytes], tmp_path: Path, point: int
) -> None:
    shutil.copytree(template, tmp_path / "store")
    killed = run(tmp_path / "store", "time", 0.01 * point)
    assert killed.returncode == -signal.SIGKILL
    check(tmp_path / "store", expected)


def test_a_gc_that_fails_on_the_way_is_gone_on_with(
    template: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """As a killed one, but in this very process, and half of it done by somebody else."""
    shutil.copytree(template, tmp_path / "store")

    class StopError(Exception):
        pass

    def stop(step: int) -> None:
        if step == 12:
            raise StopError

    with pfslib.open(tmp_path / "store") as store, pytest.raises(StopError):
        gc.collect(SteppedKV(store.kv, stop))
    check(tmp_path / "store", expected)
