"""Jobs updated, run again, cancelled, and ended when their time is up."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest

from pfslib import ConflictError, InvalidSpecError
from pfslib.pipelines.claims import claim_next, new_owner
from pfslib.pipelines.ledger import put_job, queued_jobs
from pfslib.pipelines.trigger import create_jobs
from pfslib.testing.runner_workbench import wait_until
from pfslib.testing.scripted_bench import Bench, copy, counts, fail_on, scripted_spec
from pfslib.testing.scripted_runner import Call, Files
from pfslib.testing.shell_pipelines import commit_files


def test_an_update_runs_again_what_has_changed(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    bench.run()
    same = scripted_spec("p", "data", parallelism_spec={"constant": 2})
    bench.store.update_pipeline(same)
    (job,) = bench.run()
    assert (job.version, counts(job)) == (2, (2, 0, 2, 0, 0))
    bench.store.update_pipeline(scripted_spec("p", "data", transform={"env": {"A": "b"}}))
    assert counts(bench.run()[0]) == (2, 2, 0, 0, 0)
    bench.store.update_pipeline(
        scripted_spec("p", "data", transform={"env": {"A": "c"}}), reprocess=False
    )
    assert counts(bench.run()[0]) == (2, 0, 2, 0, 0)
    commit_files(bench.store, "data", {"/c": "3"})
    assert counts(bench.run()[0]) == (3, 1, 2, 0, 0)
    bench.store.rerun_pipeline("p", reprocess=True)
    assert counts(bench.run()[0]) == (3, 3, 0, 0, 0)
    assert bench.store.inspect_pipeline("p^").version == 4
    assert [f.path for f in bench.store.commit("p@master").list_file()] == ["/a", "/b", "/c"]


def test_an_update_ends_what_waits(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    commit_files(bench.store, "data", {"/a": "1"})
    bench.store.stop_pipeline("p")
    assert bench.run() == []
    bench.store.update_pipeline(scripted_spec("p", "data"))
    bench.store.start_pipeline("p")
    bench.run()
    assert bench.states()["p"] == ["killed", "success"]


def test_no_pipeline_may_come_to_read_its_own_output(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    bench.pipeline("q", copy, "p")
    with pytest.raises(InvalidSpecError, match="output of p itself"):
        bench.store.update_pipeline(scripted_spec("p", "q"))
    assert bench.store.inspect_pipeline("p").version == 1


def test_a_stopped_pipeline_works_off_what_has_waited(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    bench.store.stop_pipeline("p")
    for text in "12":
        commit_files(bench.store, "data", {"/a": text})
    assert bench.run() == []
    bench.store.start_pipeline("p")
    assert [job.state for job in bench.run()] == ["success", "success"]


def test_a_failed_job_is_run_again(bench: Bench) -> None:
    bench.pipeline("p", fail_on(b"bad"), "data")
    bench.pipeline("q", copy, "p")
    commit_files(bench.store, "data", {"/a": "bad", "/b": "good"})
    (failed,) = bench.run()
    bench.scripts["p"] = copy
    again = bench.store.rerun_job(failed.id)
    jobs = bench.run()
    assert [(job.pipeline, job.state) for job in jobs] == [("p", "success"), ("q", "success")]
    assert jobs[0].id == again.id
    assert counts(jobs[0]) == (2, 1, 1, 0, 0)
    assert bench.store.commit("q@master").get_file("/a") == b"bad"
    with pytest.raises(ConflictError, match=again.id):
        bench.store.rerun_job(failed.id)


def test_one_datum_is_run_again_though_it_has_a_result(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    (job,) = bench.run()
    bench.scripts["p"] = lambda call: {f"/new{n}": d for n, d in enumerate(copy(call).values())}
    bench.store.rerun_job(job.id, datums=["/b"])
    (again,) = bench.run()
    assert counts(again) == (2, 1, 1, 0, 0)
    assert [f.path for f in bench.store.commit("p@master").list_file()] == ["/a", "/new0"]
    (ran,) = bench.store.list_datum(again.id, ran=True)
    assert ran.why == "it was asked to run again"


def test_a_queued_job_is_cancelled_at_once(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    bench.pipeline("q", copy, "p")
    commit_files(bench.store, "data", {"/a": "1"})
    bench.store.stop_pipeline("p")
    bench.run()
    (job,) = bench.store.list_job()
    bench.store.cancel_job(job.id)
    assert bench.states() == {"p": ["killed"], "q": ["unrunnable"]}
    with pytest.raises(ConflictError):
        bench.store.cancel_job(job.id)


def test_a_job_of_many_short_datums_is_cancelled_in_between(bench: Bench) -> None:
    def slow(call: Call) -> Files:
        if len(bench.runner.calls) == 5:
            (job,) = bench.store.list_job()
            bench.store.cancel_job(job.id)
        time.sleep(0.02)
        return copy(call)

    bench.pipeline("p", slow, "data")
    commit_files(bench.store, "data", {f"/{n}": str(n) for n in range(100)})
    (job,) = bench.run()
    assert job.state == "killed"
    assert 5 <= job.counts.processed < 90
    listed = [str(datum.state) for datum in bench.store.list_datum(job.id)]
    assert listed == ["processed"] * job.counts.processed  # those never begun are in no state
    bench.scripts["p"] = copy
    bench.store.rerun_job(job.id)
    (again,) = bench.run()
    assert again.counts.skipped == job.counts.processed
    assert again.counts.processed == 100 - job.counts.processed
    assert len(bench.store.list_datum(again.id)) == 100
    assert len(bench.store.list_datum(job.id)) == len(listed)


@pytest.mark.parametrize("limit", [None, "300ms"])
def test_a_job_that_waits_for_anothers_datum_ends_when_it_is_to(
    bench: Bench, limit: str | None
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(call: Call) -> Files:
        begun.set()
        go.wait(20)
        return copy(call)

    bench.pipeline("p", slow, "data")
    more = {"job_timeout": limit} if limit else {}
    bench.store.create_pipeline({**scripted_spec("p", "data"), "pipeline": {"name": "q"}, **more})
    commit_files(bench.store, "data", {"/a": "1"})
    engines = [threading.Thread(target=bench.run) for _ in range(2)]
    engines[0].start()
    assert begun.wait(20)
    engines[1].start()
    try:
        assert wait_until(lambda: bench.states()["q"] == ["running"])
        if not limit:
            bench.store.cancel_job(next(iter(bench.store.list_job("q"))).id)
        assert wait_until(lambda: bench.states()["q"] == ["killed"])
        assert bench.states()["p"] == ["running"]
    finally:
        go.set()
        for engine in engines:
            engine.join()
    assert bench.states() == {"p": ["success"], "q": ["killed"]}
    assert len(bench.runner.calls) == 1


@pytest.mark.parametrize(("before_s", "state"), [(1, "success"), (9, "killed")])
def test_a_job_may_take_so_long_while_somebody_runs_it(
    bench: Bench, before_s: int, state: str
) -> None:
    """An hour ago it was begun, and left after so many seconds."""
    hour_ns, store = 3600 * 10**9, bench.store

    def slow(call: Call) -> Files:
        time.sleep(0.6)
        return copy(call)

    bench.pipeline("p", slow, "data", job_timeout="8s")
    commit_files(store, "data", {"/a": "1"})
    create_jobs(store.kv)
    claim = claim_next(store.kv, new_owner(), lambda txn: next(queued_jobs(txn)))
    assert claim is not None
    with store.kv.write() as txn:
        left = msgspec.structs.replace(
            claim.job,
            owner="",
            state="created",
            started_ns=claim.job.started_ns - hour_ns,
            claimed_ns=claim.job.claimed_ns - hour_ns,
            renewed_ns=claim.job.claimed_ns - hour_ns + before_s * 10**9,
        )
        put_job(txn, left)
    (job,) = bench.run()
    assert job.state == state
