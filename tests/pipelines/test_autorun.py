"""Waiting for all that follows from a commit; jobs that run by themselves."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import pfslib
from pfslib import BusyError, RunnerError, Store
from pfslib.testing.runner_workbench import processes_with, unique_duration, wait_until
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted
from pfslib.testing.shell_pipelines import commit_files, shell_spec

COPY = "cp $data /pfs/out/"


def copy(call: Call) -> Files:
    return {path: data for files in call.inputs.values() for path, data in files.items()}


def picky(call: Call) -> Files | int:
    return 1 if b"bad" in copy(call).values() else copy(call)


@pytest.fixture
def chain(store: Store) -> Store:
    """Pipelines p and q, of which q reads p; and r, which has to do with neither."""
    for repo in ("data", "other"):
        store.create_repo(repo)
    for name, repo in (("p", "data"), ("q", "p"), ("r", "other")):
        store.create_pipeline(shell_spec(name, repo, transform={"cmd": [name]}))
    return store


def test_all_that_follows_from_a_commit_is_waited_for(chain: Store) -> None:
    first = commit_files(chain, "data", {"/a": "1"})
    commit_files(chain, "data", {"/a": "2"})
    commit_files(chain, "other", {"/a": "3"})
    with pytest.raises(BusyError, match="0 s of waiting, 1 of the jobs that follow are not over"):
        chain.flush("data@master", run=False, timeout_s=0)
    runner = threading.Thread(target=run_scripted, args=(chain, ScriptedRunner(chain, copy)))
    runner.start()
    flushed = chain.flush(f"data@{first}", "data@master", run=False, timeout_s=20)
    runner.join()
    assert [(job.pipeline, job.state) for job in flushed.jobs] == [
        ("p", "success"), ("p", "success"), ("q", "success"), ("q", "success")
    ]  # fmt: skip
    assert [commit.id for commit in flushed.commits] == [job.output_commit for job in flushed.jobs]
    assert flushed.commits[-1].get_file("/a") == b"2"
    assert [job.pipeline for job in chain.flush("p@master", run=False).jobs] == ["q"]
    assert chain.flush("q@master", run=False) == ([], [])


def test_what_others_run_is_waited_for_as_long_as_one_is_asked_to(chain: Store) -> None:
    commit_files(chain, "other", {"/a": "1"})
    began, go_on = threading.Event(), threading.Event()

    def slow(call: Call) -> Files:
        began.set()
        go_on.wait(5)
        return copy(call)

    other = threading.Thread(target=run_scripted, args=(chain, ScriptedRunner(chain, slow)))
    other.start()
    try:
        assert began.wait(20)
        with pytest.raises(BusyError, match="1 of the jobs that follow are not over"):
            chain.flush("other@master", runner=ScriptedRunner(chain, copy), timeout_s=0.1)
    finally:
        go_on.set()
        other.join()


def test_jobs_that_cannot_run_are_over_too(chain: Store) -> None:
    commit_files(chain, "data", {"/a": "bad"})
    run_scripted(chain, ScriptedRunner(chain, picky))
    flushed = chain.flush("data@master", run=False)
    assert [(job.pipeline, job.state) for job in flushed.jobs] == [
        ("p", "failure"),
        ("q", "unrunnable"),
    ]
    assert all(commit.error for commit in flushed.commits)


@pytest.mark.mount
@pytest.mark.sandbox
def test_flush_runs_what_waits(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data", COPY))
    store.create_pipeline(shell_spec("q", "data", "true", transform={"user": "somebody"}))
    commit_files(store, "data", {"/a": "1"})
    with pytest.raises(RunnerError, match="somebody"):
        store.flush("data@master", runner="local")
    store.delete_pipeline("q")
    ((job,), (output,)) = store.flush("data@master", runner="local")
    assert (job.pipeline, output.get_file("/a")) == ("p", b"1")


@pytest.mark.mount
@pytest.mark.sandbox
def test_a_watcher_says_once_which_pipelines_wait_for_a_runner(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("q", "data", "true", transform={"user": "somebody"}))
    commit_files(store, "data", {"/a": "1"})
    stop, told = threading.Event(), list[str]()
    watching = threading.Thread(
        target=store.watch,
        args=(stop,),
        kwargs={"runner": "local", "unable": lambda name, error: told.append(f"{name}: {error}")},
    )
    watching.start()
    assert wait_until(lambda: bool(told), seconds=20)
    commit_files(store, "data", {"/a": "2"})
    time.sleep(0.2)
    stop.set()
    watching.join()
    (sentence,) = told
    assert sentence.startswith("q: this machine has no user somebody")
    assert {job.state for job in store.list_job()} == {"created"}


@pytest.mark.mount
@pytest.mark.sandbox
def test_outputs_are_copied_where_the_one_who_opened_the_store_allows_it(tmp_path: Path) -> None:
    with pfslib.open(
        tmp_path / "s", create=True, autorun=True, egress_to=tmp_path / "copies"
    ) as store:
        store.create_repo("data")
        egress = {"URL": f"file://{tmp_path}/copies/p"}
        store.create_pipeline(shell_spec("p", "data", COPY, egress=egress))
        commit_files(store, "data", {"/a": "1"})
        ((job,), _) = store.flush("data@master", timeout_s=30)
        assert (job.state, job.reason) == ("success", "")
    assert (tmp_path / "copies/p/a").read_text() == "1"


@pytest.mark.mount
@pytest.mark.sandbox
def test_jobs_run_by_themselves_while_the_store_is_open(tmp_path: Path) -> None:
    duration = unique_duration()
    with pfslib.open(tmp_path / "s", create=True, autorun=True) as store:
        store.create_repo("data")
        store.create_pipeline(shell_spec("p", "data", COPY))
        store.create_pipeline(shell_spec("q", "p", "cp $p /pfs/out/"))
        commit_files(store, "data", {"/a": "1"})
        assert store.wait("q@master", 20).get_file("/a") == b"1"
        assert [job.pipeline for job in store.flush("data@master", timeout_s=20).jobs] == ["p", "q"]
        store.create_pipeline(shell_spec("slow", "data", f"sleep {duration}"))
        assert wait_until(lambda: processes_with(duration) != [], seconds=20)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert processes_with(duration) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "pfs-autorun"]
    with pfslib.open(tmp_path / "s") as store:
        (job,) = store.list_job("slow")
        assert (job.state, job.owner) == ("created", "")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.mount
@pytest.mark.sandbox
def test_flush_says_at_once_what_cannot_be_run_in_the_background(tmp_path: Path) -> None:
    with pfslib.open(tmp_path / "s", create=True, autorun=True) as store:
        store.create_repo("data")
        spec = shell_spec("q", "data", "true", transform={"user": "somebody"})
        store.create_pipeline(spec)
        commit_files(store, "data", {"/a": "1"})
        for _ in range(2):
            with pytest.raises(RunnerError, match="no user somebody"):
                store.flush("data@master", timeout_s=5)
            store.update_pipeline({**spec, "description": "new"})
        store.update_pipeline(shell_spec("q", "data", "true"))
        ((*_, job), _) = store.flush("data@master", timeout_s=20)
        assert job.state == "success"


def test_a_store_that_is_forgotten_runs_nothing_any_more(tmp_path: Path) -> None:
    store = pfslib.open(tmp_path / "s", create=True, autorun=True)
    assert wait_until(lambda: "pfs-autorun" in {thread.name for thread in threading.enumerate()})
    del store
    gc.collect()
    assert wait_until(lambda: "pfs-autorun" not in {t.name for t in threading.enumerate()})


def test_a_forked_child_runs_nothing_in_the_background(tmp_path: Path) -> None:
    with pfslib.open(tmp_path / "s", create=True, autorun=True) as store:
        assert store.autorun
        if (child := os.fork()) == 0:
            os._exit(int(store.autorun))
        assert os.waitpid(child, 0)[1] == 0


SCRIPT = """
import os, sys, time, pfslib
from pfslib.testing.runner_workbench import processes_with
store = pfslib.open(sys.argv[1], autorun=True)
with store.repo("data").commit() as commit:
    commit.put_file("/a", "1")
while not processes_with(os.environ["DURATION"]):
    time.sleep(0.02)
print("running", flush=True)
if sys.argv[2] == "wait":
    time.sleep(60)
"""


@pytest.mark.mount
@pytest.mark.sandbox
@pytest.mark.parametrize("end", ["leave", "wait"])
def test_a_process_that_ends_gives_its_job_back(store: Store, end: str) -> None:
    """It ends at the end of its program, or is interrupted, with the store still open."""
    duration = unique_duration()
    store.create_repo("data")
    store.create_pipeline(shell_spec("slow", "data", f"sleep {duration}"))
    argv = [sys.executable, "-c", SCRIPT, str(store.path), end]
    environ = {**os.environ, "DURATION": duration}
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        if end == "wait":
            process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        finally:
            process.kill()
    (job,) = store.list_job()
    assert (job.state, job.owner) == ("created", "")
    assert processes_with(duration) == []
    assert str(store.path) not in Path("/proc/self/mountinfo").read_text()
