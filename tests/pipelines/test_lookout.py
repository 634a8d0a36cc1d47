"""An engine with nothing to do costs nothing, however many jobs are queued."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest

from pfslib import Job, JobState, Store
from pfslib.kv.tables import Table
from pfslib.pipelines.ledger import put_job
from pfslib.pipelines.lookout import Lookout
from pfslib.pipelines.trigger import create_jobs
from pfslib.testing.recording import RecordingKV
from pfslib.testing.runner_workbench import wait_until
from pfslib.testing.shell_pipelines import commit_files, shell_spec

QUEUED = 30


@pytest.fixture
def recording(store: Store) -> RecordingKV:
    """A store whose queue is full of jobs of a stopped pipeline, and of a second one."""
    store.create_repo("data")
    for name in ("p", "q"):
        store.create_pipeline(shell_spec(name, "data", "cp $data /pfs/out/"))
        store.stop_pipeline(name)
    for number in range(QUEUED):
        commit_files(store, "data", {f"/{number}": ""})
    create_jobs(store.kv)
    assert sum(1 for _ in store.list_job()) == 2 * QUEUED
    store.kv = RecordingKV(store.kv)
    return store.kv


def look(lookout: Lookout, recording: RecordingKV) -> Job | None:
    changes = recording.changes()
    with recording.read() as txn:
        job = lookout.first_ready(txn, ())
    if job is None:
        lookout.rest(changes, ())
    return job


def test_without_a_change_nothing_is_read(recording: RecordingKV) -> None:
    lookout = Lookout(recording)
    assert not lookout.is_quiet()
    assert look(lookout, recording) is None
    recording.reset()
    assert all(lookout.is_quiet() for _ in range(100))
    assert not recording.transactions
    lookout.wake()
    assert not lookout.is_quiet()


def test_after_a_change_the_first_job_of_each_line_is(store: Store, recording: RecordingKV) -> None:
    lookout = Lookout(recording)
    look(lookout, recording)
    store.create_repo("other")
    assert not lookout.is_quiet()
    recording.reset()
    assert look(lookout, recording) is None
    assert recording.read_calls[Table.JOBS] == 4  # two lines, looked at and rested on
    store.start_pipeline("q")
    assert not lookout.is_quiet()
    found = look(lookout, recording)
    assert found is not None
    assert found.id == min(store.list_job("q"), key=lambda job: job.number).id


@pytest.mark.parametrize("passed_over", ["stopped", "of an unable runner"])
def test_what_a_dead_process_was_at_keeps_nobody_awake_who_may_not_go_on_with_it(
    store: Store, recording: RecordingKV, passed_over: str
) -> None:
    lookout = Lookout(recording)
    if passed_over != "stopped":
        store.start_pipeline("q")
    without = () if passed_over == "stopped" else {("q", 1)}
    oldest = min(store.list_job("q"), key=lambda job: job.number)
    with store.kv.write() as txn:
        put_job(txn, msgspec.structs.replace(oldest, state=JobState.RUNNING, owner="of the dead"))
    changes = recording.changes()
    with recording.read() as txn:
        assert lookout.first_ready(txn, without) is None
    lookout.rest(changes, without)
    assert lookout.is_quiet()


@pytest.mark.mount
@pytest.mark.sandbox
def test_who_watches_reads_nothing_and_notices_all(store: Store, recording: RecordingKV) -> None:
    def watch() -> None:
        store.watch(stop, runner="local", notice=lambda _: None)

    def is_at_rest() -> bool:
        before = recording.transactions["read"]
        time.sleep(0.2)
        return recording.transactions["read"] == before

    stop = threading.Event()
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        assert wait_until(is_at_rest)
        store.start_pipeline("p")
        assert wait_until(lambda: all(job.finished_ns for job in store.list_job("p")), seconds=30)
    finally:
        stop.set()
        watching.join(20)
