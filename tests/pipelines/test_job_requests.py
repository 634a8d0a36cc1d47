"""Jobs that are ended or run again after they have published their output."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pfslib import ConflictError, Store
from pfslib.pipelines import execute
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted
from pfslib.testing.shell_pipelines import commit_files, shell_spec


def copy(call: Call) -> Files:
    return dict(call.inputs["data"])


def run_and_stop(store: Store, number: int) -> int:
    """Run a job until it is at one of its datums; how many it has begun."""
    stop = threading.Event()

    def stops(call: Call) -> Files:
        if len(runner.calls) == number:
            stop.set()
        if stop.is_set():
            time.sleep(0.6)  # it is looked after a quarter of a second
        return copy(call)

    runner = ScriptedRunner(store, stops)
    run_scripted(store, runner, stop=stop)
    return len(runner.calls)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def spec(store: Store, tmp_path: Path) -> dict[str, Any]:
    """A pipeline whose one job was interrupted while it copied its output to the host."""
    store.create_repo("data")
    made = shell_spec("p", "data", egress={"URL": f"file://{tmp_path}/out"})
    store.create_pipeline(made)
    store.create_pipeline(shell_spec("q", "p"))
    commit_files(store, "data", {"/a": "1"})
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(execute, "egress", interrupt)
        run_scripted(store, ScriptedRunner(store, copy))
    return made


def test_a_job_interrupted_while_it_copied_its_output_is_given_back(
    store: Store, spec: dict[str, Any], tmp_path: Path
) -> None:
    (job,) = store.list_job(spec["pipeline"]["name"])
    assert job.state == "created"
    runner = ScriptedRunner(store, lambda call: {} if "p" in call.inputs else copy(call))
    done = run_scripted(store, runner, egress_to=tmp_path)
    assert {ended.pipeline: ended.state for ended in done} == {"p": "success", "q": "success"}
    assert (tmp_path / "out/a").read_text() == "1"


def test_a_copy_is_left_to_the_next_run_when_a_watcher_is_stopped(
    store: Store, tmp_path: Path
) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data", egress={"URL": f"file://{tmp_path}/out"}))
    commit_files(store, "data", {"/a": "1"})
    stop = threading.Event()

    def last(call: Call) -> Files:
        stop.set()
        return copy(call)

    run_scripted(store, ScriptedRunner(store, last), egress_to=tmp_path, stop=stop)
    assert [(job.state, job.owner) for job in store.list_job()] == [("created", "")]
    assert not (tmp_path / "out/a").exists()
    (job,) = run_scripted(store, ScriptedRunner(store, copy), egress_to=tmp_path)
    assert (job.state, (tmp_path / "out/a").read_text()) == ("success", "1")


def test_a_job_cancelled_before_its_output_is_copied_keeps_that(
    store: Store, spec: dict[str, Any]
) -> None:
    (job,) = store.list_job(spec["pipeline"]["name"])
    assert store.cancel_job(job.id).state == "killed"
    assert store.commit("p@master").id == job.output_commit
    assert store.commit("p@master").get_file("/a") == b"1"
    assert not store.commit("p@master").record.error


@pytest.mark.parametrize("how", ["cancelled", "updated", "timed out"])
def test_a_copy_under_way_is_ended_with_its_job(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    store.create_repo("data")
    made = shell_spec("p", "data", egress={"URL": f"file://{tmp_path}/out"})
    store.create_pipeline({**made, "job_timeout": "300ms"} if how == "timed out" else made)
    commit_files(store, "data", {"/a": "1"})
    copying = execute.egress

    def end_then_copy(kv: Any, cache: Any, claim: Any, *rest: Any) -> Any:
        if how == "cancelled":
            store.cancel_job(claim.job.id)
        elif how == "updated":
            store.update_pipeline({**made, "description": "new", "egress": None})
        else:
            time.sleep(0.4)
        return copying(kv, cache, claim, *rest)

    monkeypatch.setattr(execute, "egress", end_then_copy)
    job = run_scripted(store, ScriptedRunner(store, copy), egress_to=tmp_path)[0]
    assert job.state == "killed"
    assert how in job.reason
    assert store.commit(f"p@{job.output_commit}").get_file("/a") == b"1"


def test_an_update_keeps_the_output_that_was_to_be_copied(
    store: Store, spec: dict[str, Any]
) -> None:
    (job,) = store.list_job("p")
    store.update_pipeline({**spec, "description": "new"})
    assert [j.state for j in store.list_job("p")] == ["created", "killed"]
    assert store.commit(f"p@{job.output_commit}").get_file("/a") == b"1"


@pytest.mark.parametrize("every_job", [False, True])
def test_a_job_that_runs_all_again_goes_on_where_it_was_stopped(
    store: Store, every_job: bool
) -> None:
    store.create_repo("data")
    always = {"reprocess_spec": "every_job"} if every_job else {}
    store.create_pipeline(shell_spec("p", "data", **always))
    commit_files(store, "data", {f"/{number}": "x" for number in range(5)})
    (job,) = run_scripted(store, ScriptedRunner(store, copy))
    store.rerun_job(job.id, reprocess=not every_job)
    done = run_and_stop(store, 2)
    assert 2 <= done < 5
    second = ScriptedRunner(store, copy)
    (again,) = run_scripted(store, second)
    assert (again.state, len(second.calls)) == ("success", 5 - done)


def test_a_job_that_was_deleted_does_not_hide_what_its_output_holds(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data"))
    runner = ScriptedRunner(store, copy)
    first = commit_files(store, "data", {"/a": "1"})
    (job,) = run_scripted(store, runner)
    second = commit_files(store, "data", {"/a": "2"})
    (later,) = run_scripted(store, runner)
    store.delete_job(later.id)
    with pytest.raises(ConflictError, match="deleted came after"):
        store.rerun_job(job.id)
    for commit, content in ((first, b"1"), (second, b"2"), (first, b"1")):
        store.repo("data").move_branch("master", commit)
        assert [job.inputs[0].commit for job in run_scripted(store, runner)] == [commit]
        assert store.commit("p@master").get_file("/a") == content


def test_a_job_that_failed_is_run_again_though_the_ones_before_were_deleted(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data"))
    commit_files(store, "data", {"/a": "1"})
    (job,) = run_scripted(store, ScriptedRunner(store, copy))
    store.delete_job(job.id)
    commit_files(store, "data", {"/a": "2"})
    (failed,) = run_scripted(store, ScriptedRunner(store, lambda _: 1))
    store.rerun_job(failed.id)
    (again,) = run_scripted(store, ScriptedRunner(store, copy))
    assert (again.state, store.commit("p@master").get_file("/a")) == ("success", b"2")


def test_a_job_that_could_not_run_waits_for_the_one_before_it(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data"))
    store.create_pipeline(shell_spec("q", "p"))
    commit_files(store, "data", {"/a": "1"})
    scripts = ScriptedRunner(store, lambda call: 1 if "data" in call.inputs else {})
    run_scripted(store, scripts)
    jobs = {job.pipeline: job for job in store.list_job()}
    assert jobs["q"].state == "unrunnable"
    with pytest.raises(ConflictError, match="output of a job that failed") as refused:
        store.rerun_job(jobs["q"].id)
    assert jobs["p"].id in str(refused.value.hint)


def test_a_job_run_again_is_another_than_one_that_was_deleted(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data"))
    first = commit_files(store, "data", {"/a": "1"})
    runner = ScriptedRunner(store, copy)
    (job,) = run_scripted(store, runner)
    store.rerun_job(job.id, reprocess=True)
    (again,) = run_scripted(store, runner)
    store.delete_job(again.id)
    third = store.rerun_job(job.id, reprocess=True)
    assert third.output_commit not in {job.output_commit, again.output_commit}
    (ended,) = run_scripted(store, runner)
    assert (ended.id, ended.state, ended.reason) == (third.id, "success", "")
    assert ended.inputs[0].commit == first
    assert len(runner.calls) == 3


def test_an_update_that_keeps_results_keeps_those_of_a_job_that_did_not_end(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data"))
    commit_files(store, "data", {f"/{number}": f"{number}" for number in range(5)})
    done = run_and_stop(store, 3)
    store.update_pipeline(shell_spec("p", "data", transform={"env": {"A": "1"}}), reprocess=False)
    second = ScriptedRunner(store, copy)
    (job,) = run_scripted(store, second)
    assert (job.counts.skipped, job.counts.processed) == (done, 5 - done)
    assert [f.path for f in store.commit("p@master").list_file()] == [f"/{n}" for n in range(5)]
    assert {r.state for r in store.list_datum(job.id)} == {"processed", "skipped"}
    store.update_pipeline(shell_spec("p", "data", transform={"env": {"A": "2"}}), reprocess=True)
    run_scripted(store, third := ScriptedRunner(store, copy))
    assert len(third.calls) == 5
    commit_files(store, "data", {"/5": "5"})
    store.update_pipeline(shell_spec("p", "data", transform={"env": {"A": "1"}}), reprocess=False)
    run_scripted(store, fourth := ScriptedRunner(store, copy))
    assert len(fourth.calls) == 1, "results from before all was asked to run again count no more"
