"""Killed runners and several at once: every job is finished, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pfslib import Job, JobState, Store
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]

RUN = """
import sys, pfslib
with pfslib.open(sys.argv[1]) as store:
    print("ready", flush=True)
    for job in store.run(runner="local", notice=lambda sentence: None):
        print(job.id, flush=True)
"""


def start(store: Store) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(store.path)], stdout=subprocess.PIPE, text=True
    )


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_run_is_taken_over_and_its_finished_datums_kept(
    store: Store, run: Callable[[], list[Job]], tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    store.create_repo("data")
    lines = [f"echo x >> {marks}/$(basename $data)", "cp $data /pfs/out/"]
    lines.append(
        f"if [ $data = /pfs/data/2 ]; then while [ -e {marks}/hold ]; do sleep 0.02; done; fi"
    )
    store.create_pipeline(shell_spec("slow", "data", *lines))
    commit_files(store, "data", {f"/{n}": str(n) for n in range(4)})
    (marks / "hold").touch()
    process = start(store)
    wait_for((marks / "2").exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (marks / "hold").unlink()
    began = time.monotonic()
    (job,) = run()
    assert time.monotonic() - began < 10
    assert job.state == JobState.SUCCESS
    assert [job.id for job in store.list_job()] == [job.id]
    assert [c.number for c in store.list_commit("slow")] == [0]
    assert [f.path for f in store.commit("slow@master").list_file()] == ["/0", "/1", "/2", "/3"]
    # The datums that had finished before the kill were not run again.
    assert {n: (marks / n).read_text() for n in ("0", "1", "3")} == dict.fromkeys("013", "x\n")
    assert list((store.path / "scratch").iterdir()) == []
    wait_for(lambda: str(store.path) not in Path("/proc/self/mountinfo").read_text(), 10)
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("by", ["gc", "a run with nothing to do"])
def test_what_a_killed_run_laid_out_is_removed(
    store: Store, run: Callable[[], list[Job]], tmp_path: Path, by: str
) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data", f"echo > {tmp_path}/on; sleep 60"))
    commit_files(store, "data", {"/a": "a"})
    process = start(store)
    wait_for((tmp_path / "on").exists)
    process.kill()
    process.communicate(timeout=20)
    store.stop_pipeline("p")
    assert list((store.path / "scratch").iterdir())
    if by == "gc":
        store.gc(dry_run=True)
        assert list((store.path / "scratch").iterdir())
        store.gc()
    else:
        assert run() == []
    assert list((store.path / "scratch").iterdir()) == []


def test_three_processes_run_each_job_once(store: Store, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    store.create_repo("data")
    for name in ("p", "q", "r"):
        store.create_pipeline(
            shell_spec(
                name,
                "data",
                f"echo {name} >> {marks}/$PACH_JOB_ID-$PACH_DATUM_ID",
                "cp $data /pfs/out/",
            )
        )
    for number in range(4):
        commit_files(store, "data", {f"/{number}": str(number)})
    runners = [start(store) for _ in range(3)]
    outputs = [runner.communicate(timeout=60)[0].split()[1:] for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0, 0]
    ran = [job for output in outputs for job in output]
    assert len(ran) == len(set(ran)) == 12
    assert all(job.state == JobState.SUCCESS for job in store.list_job())
    assert all(mark.read_text().count("\n") == 1 for mark in marks.iterdir())
    assert len(list(marks.iterdir())) == 12
    for name in ("p", "q", "r"):
        assert [c.files for c in store.list_commit(name)] == [1, 2, 3, 4]


def test_an_interrupted_run_gives_its_job_back(store: Store, tmp_path: Path) -> None:
    store.create_repo("data")
    mark, lasting = tmp_path / "mark", f"60.{os.getpid()}"  # nobody else's
    store.create_pipeline(shell_spec("slow", "data", f"touch {mark}; sleep {lasting}"))
    commit_files(store, "data", {"/a": "a"})
    process = start(store)
    wait_for(mark.exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=15) != 0
    assert process.stdout is not None
    process.stdout.close()
    (job,) = store.list_job()
    assert (job.state, job.owner) == (JobState.CREATED, "")
    assert not [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists() and path.read_bytes() == f"sleep\0{lasting}\0".encode()
    ]


def test_a_mount_that_dies_under_a_datum_spoils_no_result(
    store: Store, run: Callable[[], list[Job]], tmp_path: Path
) -> None:
    """What a command made of inputs that were gone is not kept, and no try is counted."""
    store.create_repo("data")
    mark = tmp_path / "mark"
    lines = [f"touch {mark}", f"[ -e {mark}.second ] || sleep 2", f"touch {mark}.second"]
    store.create_pipeline(shell_spec("p", "data", "set +e", *lines, "cat $data > /pfs/out/x; true"))
    commit_files(store, "data", {"/a": "content"})

    def kill_the_server() -> None:
        wait_for(mark.exists)
        for children in Path("/proc/self/task").glob("*/children"):
            for pid in children.read_text().split():
                if b"pfsfuse" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_server)
    killer.start()
    (job,) = run()
    killer.join()
    assert job.state == JobState.SUCCESS
    assert store.commit("p@master").get_file("/x") == b"content"
    assert [attempt for _, attempt, _ in store.get_logs(job.id)] == [1]
