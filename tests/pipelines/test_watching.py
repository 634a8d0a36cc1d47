"""Real processes that run jobs as they come, take over from each other, and end on demand."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pfslib import Job, JobState, Store
from pfslib.testing.runner_workbench import processes_with, unique_duration, wait_until
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]


@pytest.fixture
def watchers(store: Store) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start processes of `pfs run --watch`; what still lives at the end is terminated."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "pfslib.cli", "--store", str(store.path), "run", "--watch"]
        started.append(subprocess.Popen([*argv, "--runner", "local"], stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)


def finished(store: Store, count: int) -> Callable[[], bool]:
    return lambda: sum(job.finished_ns > 0 for job in store.list_job()) >= count


def test_three_watchers_run_each_datum_once_and_take_over_from_a_killed_one(
    store: Store, watchers: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    store.create_repo("data")
    # Two pipelines of one transform, so that they have the same datums.
    lines = [f"echo $$ >> {marks}/$(basename $data)", "sleep 0.1", "cp $data /pfs/out/"]
    for name in ("p", "q"):
        store.create_pipeline(shell_spec(name, "data", *lines))
    hold = f"[ -e {tmp_path}/second ] || {{ touch {tmp_path}/second; sleep 60; }}"
    store.create_pipeline(shell_spec("slow", "data", hold))
    running = [watchers() for _ in range(3)]
    for first in (0, 2, 4):
        commit_files(store, "data", {f"/{n}": str(n) for n in (first, first + 1)})
    assert wait_until((tmp_path / "second").exists, seconds=20)
    slow = next(job for job in store.list_job("slow") if job.started_ns)
    victim = next(p for p in running if is_owner(store, slow.id, p.pid))
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    began = time.monotonic()
    assert wait_until(finished(store, 9), seconds=30)
    assert time.monotonic() - began < 10
    assert {job.state for job in store.list_job()} == {JobState.SUCCESS}
    for name in ("p", "q", "slow"):  # each commit has one job, in the order of the commits
        numbers = [job.number for job in store.list_job(name)]
        assert numbers == sorted(numbers, reverse=True)
        assert [c.message for c in store.list_commit(name)] == [
            f"job {job.id}" for job in reversed(list(store.list_job(name)))
        ]
    assert [c.files for c in store.list_commit("p")] == [2, 4, 6]
    assert {mark.read_text().count("\n") for mark in marks.iterdir()} == {1}
    assert len(list(marks.iterdir())) == 6


def is_owner(store: Store, job: str, pid: int) -> bool:
    return str(pid) in store.inspect_job(job).owner.replace(":", " ").replace("/", " ").split()


def test_a_running_job_is_cancelled(store: Store, tmp_path: Path) -> None:
    store.create_repo("data")
    duration = unique_duration()
    store.create_pipeline(shell_spec("p", "data", f"touch {tmp_path}/on; sleep {duration}"))
    store.create_pipeline(shell_spec("q", "p", "true"))
    commit_files(store, "data", {"/a": "a"})
    done: list[Job] = []
    runner = threading.Thread(
        target=lambda: done.extend(store.run(runner="local", notice=lambda _: None))
    )
    runner.start()
    assert wait_until((tmp_path / "on").exists, seconds=20)
    (job,) = store.list_job()
    store.cancel_job(job.id)
    runner.join(20)
    assert [(job.state, job.reason) for job in done] == [("killed", "it was cancelled")]
    assert processes_with(duration) == []
    assert [job.state for job in store.list_job("q")] == ["unrunnable"]


def test_a_job_may_take_only_so_long(store: Store, run: Callable[[], list[Job]]) -> None:
    store.create_repo("data")
    duration = unique_duration()
    store.create_pipeline(
        shell_spec("p", "data", f"echo on; sleep {duration}", job_timeout="500ms")
    )
    store.create_pipeline(shell_spec("quick", "data", "cp $data /pfs/out/"))
    commit_files(store, "data", {"/a": "a"})
    states = {job.pipeline: (job.state, job.reason) for job in run()}
    assert states["p"] == ("killed", "the job timed out after 0.5 s")
    (job,) = store.list_job("p")
    assert list(store.get_logs(job.id)) == [(0, 1, b"on\n")]
    assert states["quick"][0] == "success"
    assert processes_with(duration) == []


def test_a_watcher_that_is_stopped_gives_its_job_back_at_once(
    store: Store, run: Callable[[], list[Job]], tmp_path: Path
) -> None:
    store.create_repo("data")
    duration = unique_duration()
    hold = f"[ -e {tmp_path}/2 ] || {{ touch {tmp_path}/2; sleep {duration}; }}"
    store.create_pipeline(
        shell_spec("p", "data", "cp $data /pfs/out/", f"[ $data != /pfs/data/2 ] || {hold}")
    )
    commit_files(store, "data", {f"/{n}": str(n) for n in range(4)})
    stop = threading.Event()
    watching = threading.Thread(
        target=lambda: store.watch(stop, runner="local", notice=lambda _: None)
    )
    watching.start()
    assert wait_until((tmp_path / "2").exists, seconds=20)
    began = time.monotonic()
    stop.set()
    watching.join(20)
    assert time.monotonic() - began < 10  # a quarter of a second, and what the machine is busy with
    assert processes_with(duration) == []
    (job,) = store.list_job()
    assert (job.state, job.owner) == ("created", "")
    (job,) = run()
    assert (job.state, job.counts.processed, job.counts.skipped) == ("success", 2, 2)


def test_logs_are_followed_while_they_are_written(store: Store, tmp_path: Path) -> None:
    store.create_repo("data")
    go = tmp_path / "go"
    store.create_pipeline(
        shell_spec("p", "data", f"echo one; while [ ! -e {go} ]; do sleep 0.02; done; echo two")
    )
    commit_files(store, "data", {"/a": "a"})
    runner = threading.Thread(target=lambda: store.run(runner="local", notice=lambda _: None))
    runner.start()
    assert wait_until(lambda: any(True for _ in store.list_job()), seconds=20)
    (job,) = store.list_job()
    told = b""
    for _, _, data in store.get_logs(job.id, follow=True):
        told += data
        go.touch()
    runner.join(20)
    assert told == b"one\ntwo\n"
    assert b"".join(data for _, _, data in store.get_logs(job.id, datums=["/a"])) == told
