"""1.3's incremental methods count what was added once, whatever else makes a job."""

from __future__ import annotations

from typing import Any

import pytest

from pfslib import Job, Store
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted
from pfslib.testing.shell_pipelines import commit_files


def total(call: Call) -> Files:
    """What is seen, appended to what was put out before."""
    seen = [data for name in "xy" for _, data in sorted(call.inputs.get(name, {}).items())]
    return {"/all": b"".join(seen)}


class Bench:
    """Repos x, shown by what was added, and y, shown whole; the pipeline p reads both."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.runner = ScriptedRunner(store, total)
        self.spec: dict[str, Any] = {
            "pipeline": {"name": "p"},
            "transform": {"cmd": ["f"]},
            "inputs": [
                {"repo": {"name": "x"}, "method": {"partition": "FILE", "incremental": "DIFF"}},
                {"repo": {"name": "y"}, "method": "global"},
            ],
        }
        for repo in "xy":
            store.create_repo(repo)
            commit_files(store, repo, {f"/{repo}": f"({repo})"})
        store.create_pipeline(self.spec)
        self.run()
        commit_files(store, "x", {"/2": "+2"})
        self.last = self.run()
        assert self.output == b"(x)(y)+2(y)"
        self.calls = len(self.runner.calls)

    def run(self) -> Job:
        job = run_scripted(self.store, self.runner)[-1]
        assert (job.state, job.reason) == ("success", "")
        return job

    @property
    def output(self) -> bytes:
        return self.store.commit("p@master").get_file("/all")

    @property
    def more_calls(self) -> int:
        return len(self.runner.calls) - self.calls


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store)


def test_nothing_is_added_when_the_job_is_run_again(bench: Bench) -> None:
    bench.store.rerun_job(bench.last.id)
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)+2(y)", 0)


def test_nothing_is_added_when_only_the_description_is_new(bench: Bench) -> None:
    bench.store.update_pipeline({**bench.spec, "description": "new"})
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)+2(y)", 0)


def test_nothing_is_added_by_an_empty_commit(bench: Bench) -> None:
    bench.store.repo("x").start_commit("master").finish()
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)+2(y)", 0)
    commit_files(bench.store, "x", {"/3": "+3"})
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)+2(y)+3(y)", 1)


def test_nothing_is_added_when_something_was_only_deleted(bench: Bench) -> None:
    commit_files(bench.store, "x", {"/2": None})
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)+2(y)", 0)
    commit_files(bench.store, "x", {"/3": "+3"})
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)+2(y)+3(y)", 1)


def test_it_begins_anew_when_a_branch_was_moved_back(bench: Bench) -> None:
    bench.store.repo("x").move_branch("master", "master^")
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)", 0)  # as it was done before
    commit_files(bench.store, "x", {"/3": "+3"})
    bench.run()
    assert (bench.output, bench.more_calls) == (b"(x)(y)+3(y)", 1)
    commit_files(bench.store, "x", {"/4": "+4"}, "side")
    bench.store.repo("x").move_branch("master", "side")
    job = bench.run()
    assert (bench.output, bench.more_calls) == (b"+4(y)", 2)
    (record,) = bench.store.list_datum(job.id, ran=True)
    assert "a branch was moved" in record.why
    assert record.why.endswith("begins anew")


def test_a_datum_asked_to_run_again_begins_anew(bench: Bench) -> None:
    bench.store.rerun_job(bench.last.id, datums=["/2"])
    bench.run()
    assert (bench.output, bench.more_calls) == (b"+2(x)(y)", 1)


def test_it_begins_anew_when_an_input_shown_whole_has_changed(bench: Bench) -> None:
    commit_files(bench.store, "y", {"/y": "(Y)"})
    bench.run()
    assert (bench.output, bench.more_calls) == (b"+2(x)(Y)", 1)
    assert "/pfs/prev" not in bench.runner.calls[-1].inputs
    assert "prev" not in bench.runner.calls[-1].inputs
