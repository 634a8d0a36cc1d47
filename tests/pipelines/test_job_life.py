"""What becomes of jobs: order, matching inputs, failure downstream, updates, reruns, clocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pfslib
from pfslib import ConflictError, InvalidSpecError, Job, Store
from pfslib.pipelines.claims import claim_next, new_owner
from pfslib.pipelines.crons import tick
from pfslib.pipelines.ledger import put_job, queued_jobs
from pfslib.pipelines.trigger import create_jobs
from pfslib.pipelines.works import find_work, put_work
from pfslib.testing.runner_workbench import wait_until
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted
from pfslib.testing.shell_pipelines import commit_files


class Bench:
    """A store, and functions as the commands of its pipelines."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.scripts: dict[str, Callable[[Call], Files | int]] = {}
        self.runner = ScriptedRunner(store, lambda call: self.scripts[call.cmd[0]](call))

    def pipeline(
        self, name: str, script: Callable[[Call], Files | int], *repos: str, **more: Any
    ) -> None:
        self.scripts[name] = script
        self.store.create_pipeline(spec(name, *repos, **more))

    def run(self) -> list[Job]:
        return run_scripted(self.store, self.runner)

    def states(self) -> dict[str, list[str]]:
        """The states of all jobs, oldest first, by pipeline."""
        found: dict[str, list[str]] = {}
        for job in reversed(list(self.store.list_job())):
            found.setdefault(job.pipeline, []).append(str(job.state))
        return found


def spec(name: str, *repos: str, **more: Any) -> dict[str, Any]:
    inputs = [{"pfs": {"repo": repo, "glob": more.pop("glob", "/*")}} for repo in repos]
    return {
        "pipeline": {"name": name},
        "transform": {"cmd": [name], **more.pop("transform", {})},
        "input": inputs[0] if len(inputs) == 1 else {"cross": inputs},
        "datum_tries": 1,
        **more,
    }


def copy(call: Call) -> Files:
    return {path: data for files in call.inputs.values() for path, data in files.items()}


def glue(call: Call) -> Files:
    """One file that is named by, and holds, all that is seen."""
    texts = [data for _, files in sorted(call.inputs.items()) for _, data in sorted(files.items())]
    return {"/" + b"+".join(texts).decode(): b"+".join(texts)}


def fail_on(word: bytes) -> Callable[[Call], Files | int]:
    return lambda call: 1 if any(word in d for d in copy(call).values()) else copy(call)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("data")
        yield Bench(store)


def counts(job: Job) -> tuple[int, int, int, int, int]:
    c = job.counts
    return c.total, c.processed, c.skipped, c.failed, c.recovered


# --- which commits go together ---------------------------------------------------------------


def test_a_diamond_never_mixes_versions(bench: Bench) -> None:
    for name in ("left", "right"):
        bench.pipeline(name, copy, "data")
    bench.pipeline("both", glue, "left", "right")
    for text in "123":
        commit_files(bench.store, "data", {"/a": text})
    bench.run()
    outputs = list(bench.store.list_commit("both"))
    assert [c.get_file(f"/{n}+{n}") for c, n in zip(outputs, "123", strict=True)] == [
        b"1+1",
        b"2+2",
        b"3+3",
    ]
    assert len(bench.states()["both"]) == 3


def test_an_input_and_what_is_made_of_it_go_together(bench: Bench) -> None:
    bench.pipeline("upper", copy, "data")
    bench.pipeline("both", glue, "data", "upper")
    commit_files(bench.store, "data", {"/a": "1"})
    commit_files(bench.store, "data", {"/a": "2"})
    bench.run()
    assert [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")] == [
        ["/1+1"],
        ["/2+2"],
    ]


def test_independent_inputs_are_taken_as_they_were_at_each_commit(bench: Bench) -> None:
    bench.store.create_repo("other")
    bench.pipeline("both", glue, "data", "other")
    for repo, text in (("data", "a"), ("other", "x"), ("data", "b"), ("other", "y")):
        commit_files(bench.store, repo, {"/f": text})
    bench.run()
    assert [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")] == [
        ["/a+x"],
        ["/b+x"],
        ["/b+y"],
    ]


def test_an_output_follows_a_branch_that_is_moved_back(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    bench.pipeline("q", copy, "p")
    ids = [commit_files(bench.store, "data", {"/a": text}) for text in "12"]
    bench.run()
    for moved_to, text in ((ids[0], b"1"), (ids[1], b"2"), (ids[0], b"1")):
        bench.store.repo("data").move_branch("master", moved_to)
        jobs = bench.run()
        assert [(job.pipeline, *counts(job)) for job in jobs] == [
            ("p", 1, 0, 1, 0, 0),
            ("q", 1, 0, 1, 0, 0),
        ]
        for name in "pq":
            made = bench.store.commit(f"{name}@master")
            assert made.get_file("/a") == text
            assert [c.id for c in made.provenance()][-1] == moved_to
    assert bench.run() == []
    # What is the head already, or is where the output is, needs no job.
    bench.store.repo("data").create_branch("aside", ids[1])
    bench.store.repo("data").delete_branch("master")
    bench.store.repo("data").create_branch("master", ids[0])
    assert bench.run() == []
    assert bench.store.fsck().clean


def test_a_join_follows_a_branch_that_is_moved_back_once(bench: Bench) -> None:
    for name in ("left", "right"):
        bench.pipeline(name, copy, "data")
    bench.pipeline("both", glue, "left", "data", "right")
    ids = [commit_files(bench.store, "data", {"/a": text}) for text in "123"]
    bench.run()
    bench.store.repo("data").move_branch("master", ids[0])
    bench.run()
    for moved_to in (ids[2], ids[1]):  # faster than it can be followed
        bench.store.repo("data").move_branch("master", moved_to)
    bench.run()
    outputs = [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")]
    assert outputs == [[f"/{n}+{n}+{n}"] for n in "123132"]


def test_two_branches_of_one_repo_are_two_inputs(bench: Bench) -> None:
    sides = [
        {"pfs": {"repo": "data", "branch": branch, "glob": "/*", "name": branch}}
        for branch in ("master", "side")
    ]
    base = commit_files(bench.store, "data", {"/a": "0"})
    bench.store.repo("data").create_branch("side", base)
    bench.pipeline("both", glue, "data", input={"cross": sides})
    bench.pipeline("after", copy, "both")
    for branch, text in (("master", "1"), ("side", "x"), ("master", "2"), ("side", "y")):
        commit_files(bench.store, "data", {"/a": text}, branch)
    bench.store.repo("data").move_branch("master", "side")
    bench.run()
    for name in ("both", "after"):
        outputs = [[f.path for f in c.list_file()] for c in bench.store.list_commit(name)]
        assert outputs == [["/0+0"], ["/1+0"], ["/1+x"], ["/2+x"], ["/2+y"], ["/y+y"]]


def test_outputs_go_together_by_the_branch_that_was_read(bench: Bench) -> None:
    """A commit of another line is read as a state of the branch that was moved to it."""
    for name in ("left", "right"):
        bench.pipeline(name, copy, "data")
    bench.pipeline("both", glue, "left", "right", "data")
    side = [commit_files(bench.store, "data", {"/a": text}, "side") for text in "xy"]
    for text in "123":
        commit_files(bench.store, "data", {"/a": text})
    bench.store.repo("data").move_branch("master", side[0])
    commit_files(bench.store, "data", {"/a": "4"})
    bench.store.repo("data").move_branch("master", side[1])
    bench.run()
    outputs = [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")]
    assert outputs == [[f"/{n}+{n}+{n}"] for n in "123x4y"]


def test_a_chain_of_ten(bench: Bench) -> None:
    before = "data"
    for number in range(10):
        bench.pipeline(f"p{number}", copy, before)
        before = f"p{number}"
    source = commit_files(bench.store, "data", {"/a": "1"})
    assert [job.pipeline for job in bench.run()] == [f"p{n}" for n in range(10)]
    last = bench.store.commit("p9@master")
    assert last.get_file("/a") == b"1"
    assert [c.id for c in last.provenance()][-1] == source


# --- failure downstream ----------------------------------------------------------------------


def test_what_would_read_a_failed_output_cannot_be_run_and_says_why(bench: Bench) -> None:
    bench.pipeline("left", fail_on(b"bad"), "data")
    bench.pipeline("right", copy, "data")
    bench.pipeline("both", glue, "left", "right")
    bench.pipeline("after", copy, "both")
    commit_files(bench.store, "data", {"/a": "bad"})
    bench.run()
    assert bench.states() == {
        "left": ["failure"],
        "right": ["success"],
        "both": ["unrunnable"],
        "after": ["unrunnable"],
    }
    (job,) = bench.store.list_job("after")
    assert "left" in job.reason
    assert bench.store.commit(f"after@{job.output_commit}").error == job.reason
    commit_files(bench.store, "data", {"/a": "good"})
    bench.run()
    assert bench.states()["after"] == ["unrunnable", "success"]


def test_a_recovered_datum_has_no_output_and_runs_again(bench: Bench) -> None:
    bench.scripts["rescue"] = lambda _: {}
    transform = {"err_cmd": ["rescue"]}
    bench.pipeline("p", fail_on(b"bad"), "data", transform=transform, datum_tries=2)
    commit_files(bench.store, "data", {"/a": "bad", "/b": "good"})
    (first,) = bench.run()
    assert (first.state, counts(first)) == ("success", (2, 1, 0, 0, 1))
    assert [f.path for f in bench.store.commit("p@master").list_file()] == ["/b"]
    assert [r.state for r in bench.store.list_datum(first.id)] == ["recovered", "processed"]
    bench.scripts["p"] = copy  # as if the world had changed
    commit_files(bench.store, "data", {"/c": "new"})
    (second,) = bench.run()
    assert counts(second) == (3, 2, 1, 0, 0)
    assert [f.path for f in bench.store.commit("p@master").list_file()] == ["/a", "/b", "/c"]


def test_a_clash_names_the_datums_by_what_they_see(bench: Bench) -> None:
    bench.pipeline("p", lambda _: {"/same": b"x"}, "data")
    commit_files(bench.store, "data", {"/a": "1"})
    commit_files(bench.store, "data", {"/b": "2"})
    *_, job = bench.run()
    assert job.state == "failure"
    assert "data:/a and data:/b both wrote it" in job.reason


def test_a_file_where_another_datum_wrote_a_directory(bench: Bench) -> None:
    bench.pipeline("p", lambda call: {f"/x{'/y' * len(copy(call))}": b""}, "data", glob="/*/")
    bench.scripts["p"] = lambda call: {"/x" if b"1" in copy(call).values() else "/x/y": b"f"}
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    (job,) = bench.run()
    assert "data:/a and data:/b both wrote it; one wrote a file" in job.reason


# --- updates and reruns ----------------------------------------------------------------------


def test_an_update_runs_again_what_has_changed(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    bench.run()
    same = spec("p", "data", parallelism_spec={"constant": 2})
    bench.store.update_pipeline(same)
    (job,) = bench.run()
    assert (job.version, counts(job)) == (2, (2, 0, 2, 0, 0))
    bench.store.update_pipeline(spec("p", "data", transform={"env": {"A": "b"}}))
    assert counts(bench.run()[0]) == (2, 2, 0, 0, 0)
    bench.store.update_pipeline(spec("p", "data", transform={"env": {"A": "c"}}), reprocess=False)
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
    bench.store.update_pipeline(spec("p", "data"))
    bench.store.start_pipeline("p")
    bench.run()
    assert bench.states()["p"] == ["killed", "success"]


def test_no_pipeline_may_come_to_read_its_own_output(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    bench.pipeline("q", copy, "p")
    with pytest.raises(InvalidSpecError, match="output of p itself"):
        bench.store.update_pipeline(spec("p", "q"))
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
    bench.scripts["p"] = copy
    bench.store.rerun_job(job.id)
    (again,) = bench.run()
    assert again.counts.skipped == job.counts.processed
    assert again.counts.processed == 100 - job.counts.processed


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
    bench.store.create_pipeline({**spec("p", "data"), "pipeline": {"name": "q"}, **more})
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


# --- why -------------------------------------------------------------------------------------


def test_every_datum_says_why(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    (first,) = bench.run()
    commit_files(bench.store, "data", {"/b": "3", "/c": "4"})
    (second,) = bench.run()
    whys = {record.inputs[0].path: record.why for record in bench.store.list_datum(second.id)}
    assert whys == {
        b"a": f"nothing that it sees has changed since job {first.id}",
        b"b": f"what it sees is not what it was in job {first.id}",
        b"c": f"it is new: job {first.id} had nothing in its place",
    }
    bench.pipeline("again", copy, "data")
    bench.scripts["again"] = copy
    commit_files(bench.store, "data", {"/b": "2"})
    third = next(job for job in bench.run() if job.pipeline == "p")
    record = next(r for r in bench.store.list_datum(third.id) if r.inputs[0].path == b"b")
    assert record.why == f"job {first.id} has run it already"


def test_every_reason_is_the_true_one(bench: Bench) -> None:
    """Data, transform, image or wish: what has made a datum run is said of that datum."""
    bench.pipeline("p", copy, "data")

    def whys() -> dict[str, str]:
        """Of the last job, and the same of the files that its datums wrote."""
        job = bench.run()[-1]
        ran = {r.inputs[0].path.decode(): r.why for r in bench.store.list_datum(job.id, ran=True)}
        for path, why in ran.items():
            (made,) = bench.store.explain_file("p", "master", f"/{path}")
            assert (made.datum.why, made.job and made.job.id) == (why, job.id)
        last.append(job.id)
        return ran

    last: list[str] = []
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    nothing = "it is new: no job has put anything out before"
    assert whys() == {"a": nothing, "b": nothing}
    bench.store.update_pipeline(spec("p", "data", transform={"env": {"A": "b"}}))
    transform = f"the transform (env) changed after job {last[-1]}"
    assert whys() == {"a": transform, "b": transform}
    bench.runner.image_digest = "another"
    commit_files(bench.store, "data", {"/b": "3", "/c": "4"})
    before = last[-1]
    image = f"the image changed after job {before}"
    assert whys() == {
        "a": image,
        "b": f"what it sees is not what it was in job {before}, and {image}",
        "c": f"it is new: job {before} had nothing in its place",
    }
    bench.runner.image_digest = "a third"
    bench.store.update_pipeline(spec("p", "data", transform={"env": {"A": "c"}, "user": "me"}))
    both = f"the transform (env, user) and the image changed after job {last[-1]}"
    assert set(whys().values()) == {both}
    bench.store.rerun_pipeline("p", reprocess=True)
    asked = f"it was asked to run again since job {last[-1]}, by an update"
    assert set(whys().values()) == {asked}
    bench.store.rerun_job(last[-1], datums=["/c"])
    assert whys() == {"c": "it was asked to run again"}
    bench.store.update_pipeline(
        spec("p", "data", transform={"env": {"A": "c"}, "user": "me"}, glob="/[ab]")
    )
    assert whys() == {}
    (skipped, _) = bench.store.list_datum(last[-1])
    assert "has run it already" in skipped.why
    bench.store.delete_job(last[-1])
    commit_files(bench.store, "data", {"/b": "5"})
    assert whys() == {
        "b": "it is not known what made the output before: no job, or one that was deleted"
    }


def test_a_file_says_who_made_it(bench: Bench) -> None:
    bench.pipeline("p", lambda call: {"/all": b"".join(copy(call).values())}, "data",
                   output_merge="append")  # fmt: skip
    source = commit_files(bench.store, "data", {"/a": "12"})
    (first,) = bench.run()
    second_source = commit_files(bench.store, "data", {"/b": "345"})
    (second,) = bench.run()
    made = bench.store.explain_file("p", "master", "/all")
    assert [(m.datum.inputs[0].path, m.size, m.job and m.job.id) for m in made] == [
        (b"a", 2, first.id),
        (b"b", 3, second.id),
    ]
    assert made[0].inputs[0].commit == second_source != source
    assert bench.store.explain_file("data", "master", "/a") == []


def test_a_file_from_a_result_that_was_replaced_since(bench: Bench) -> None:
    """Two pipelines have one key; it is asked of one of them to run again, and writes otherwise."""
    for name in "pq":
        bench.store.create_pipeline({**spec(name, "data"), "transform": {"cmd": ["f"]}})
    bench.scripts["f"] = copy
    commit_files(bench.store, "data", {"/a": "old"})
    first, other = bench.run()
    assert counts(other) == (1, 0, 1, 0, 0)
    assert first.pipeline == "p"
    bench.scripts["f"] = lambda _: {"/a": b"new"}
    bench.store.rerun_job(first.id, reprocess=True)
    (again,) = bench.run()
    (now,), (before,), (others,) = (
        bench.store.explain_file(repo, reference, "/a")
        for repo, reference in (("p", "master"), ("p", "master^"), ("q", "master"))
    )
    assert [made.job and made.job.id for made in (now, before, others)] == [
        again.id,
        first.id,
        None,
    ]
    assert others.datum.why.endswith(f"job {again.id} has run it again since")
    (listed,) = bench.store.list_datum(other.id)
    assert listed.why == others.datum.why


def test_an_output_is_copied_where_whoever_runs_the_job_allows_it(
    bench: Bench, tmp_path: Path
) -> None:
    target = tmp_path / "allowed/here"
    bench.pipeline("p", copy, "data", egress={"URL": f"file://{target}"})
    commit_files(bench.store, "data", {"/a": "1"})
    (refused,) = bench.run()
    assert refused.state == "failure"
    assert "may not be copied" in refused.reason
    assert bench.store.commit("p@master").get_file("/a") == b"1"
    bench.store.rerun_job(refused.id)
    (job,) = run_scripted(bench.store, bench.runner, egress_to=tmp_path / "allowed")
    assert (job.state, job.reason) == ("success", "")
    assert (target / "a").read_text() == "1"


def test_what_the_next_job_needs_is_no_garbage(bench: Bench) -> None:
    def append(call: Call) -> Files:
        return {"/all": b"".join(copy(call).values()) * 200}

    bench.pipeline("p", append, "data", output_merge="append")
    commit_files(bench.store, "data", {f"/{n}": str(n) * 10 for n in range(8)})
    bench.run()
    bench.store.gc()
    commit_files(bench.store, "data", {"/3": None, "/5": "changed"})
    (job,) = bench.run()
    assert counts(job) == (7, 1, 6, 0, 0)
    expected = b"".join(
        (b"changed" if n == 5 else b"%d" % n * 10) * 200 for n in range(8) if n != 3
    )
    assert bench.store.commit("p@master").get_file("/all") == expected
    assert list(bench.store.fsck()) == []
    bench.store.delete_pipeline("p")
    assert bench.store.gc().nodes
    assert list(bench.store.fsck()) == []


# --- clocks and triggers ---------------------------------------------------------------------


def test_how_a_dropped_output_came_about_is_forgotten(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    for text in "12":
        commit_files(bench.store, "data", {"/a": text})
    first, second = bench.run()
    bench.store.repo("p").drop_commit("master")
    with bench.store.kv.write() as txn:
        assert find_work(txn, second.output_commit) is None
        kept = find_work(txn, first.output_commit)
        assert kept is not None
        put_work(txn, second.output_commit, kept)  # as those dropped by older versions left it
    assert not bench.store.fsck().clean
    bench.store.gc()
    with bench.store.kv.read() as txn:
        assert find_work(txn, first.output_commit) == kept
        assert find_work(txn, second.output_commit) is None
    assert bench.store.fsck().clean
    commit_files(bench.store, "data", {"/b": "3"})
    (job,) = bench.run()
    assert (job.base, counts(job)) == (first.id, (2, 1, 1, 0, 0))


def test_clocks_tick_once_for_all_that_was_missed(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    cron = {"name": "t", "spec": "@every 60s"}
    store.create_pipeline({**spec("p", "data"), "input": {"cron": cron}})
    created = store.inspect_pipeline("p").created_ns
    assert tick(store.kv, store.cache, created + 59 * 10**9) == 0
    assert tick(store.kv, store.cache, created + 3605 * 10**9) == 1
    assert tick(store.kv, store.cache, created + 3606 * 10**9) == 0
    assert tick(store.kv, store.cache, created + 3660 * 10**9) == 1
    first, second = bench.run()
    assert (counts(first), counts(second)) == ((1, 1, 0, 0, 0), (2, 1, 1, 0, 0))
    assert len(list(store.commit("p_t@master").list_file())) == 2


def test_an_overwriting_clock_holds_the_newest_tick(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    cron = {"name": "t", "spec": "*/5 * * * *", "overwrite": True}
    store.create_pipeline({**spec("p", "data"), "input": {"cron": cron}})
    created = store.inspect_pipeline("p").created_ns
    for minutes in (6, 12):
        assert tick(store.kv, store.cache, created + minutes * 60 * 10**9) == 1
    assert len(list(store.commit("p_t@master").list_file())) == 1
    assert [c.number for c in store.list_commit("p_t")] == [0, 1]


@pytest.mark.parametrize(
    ("trigger", "fired"),
    [
        ({"commits": 3}, [3, 6]),
        ({"size": "5"}, [5]),
        ({"size": "5", "commits": 2, "all": True}, [5]),
        ({"size": "5", "commits": 2}, [2, 4, 6]),
        ({"rate_limit_spec": "@every 1h"}, []),
    ],
)
def test_triggers(bench: Bench, trigger: dict[str, Any], fired: list[int]) -> None:
    bench.scripts["p"] = copy
    pfs = {"repo": "data", "glob": "/", "trigger": trigger}
    bench.store.create_pipeline({**spec("p", "data"), "input": {"pfs": pfs}})
    for number in range(1, 7):
        commit_files(bench.store, "data", {f"/{number}": "x"})
    assert [job.counts.total for job in bench.run()] == [1] * len(fired)
    assert [c.files for c in bench.store.list_commit("p")] == fired


def test_a_trigger_with_a_clock(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    pfs = {"repo": "data", "glob": "/", "trigger": {"cron_spec": "@every 1h"}}
    store.create_pipeline({**spec("p", "data"), "input": {"pfs": pfs}})
    created = store.inspect_pipeline("p").created_ns
    commit_files(store, "data", {"/a": "x"})
    assert bench.run() == []
    assert tick(store.kv, store.cache, created + 3601 * 10**9) == 1
    assert tick(store.kv, store.cache, created + 7300 * 10**9) == 0
    assert [job.state for job in bench.run()] == ["success"]


def test_an_update_makes_the_job_of_what_fired_the_trigger(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    pfs = {"repo": "data", "glob": "/", "trigger": {"commits": 2}}
    triggered = {**spec("p", "data"), "input": {"pfs": pfs}}
    store.create_pipeline(triggered)
    commits = [commit_files(store, "data", {f"/{number}": "x"}) for number in range(3)]
    create_jobs(store.kv)
    assert bench.states() == {"p": ["created"]}
    store.update_pipeline({**triggered, "description": "new"})
    assert bench.states() == {"p": ["killed", "created"]}
    bench.run()
    store.rerun_pipeline("p", reprocess=True)
    (job,) = bench.run()
    assert (job.inputs[0].commit, counts(job)) == (commits[1], (1, 1, 0, 0, 0))
    store.update_pipeline({**spec("p", "data"), "input": {"pfs": {**pfs, "branch": "side"}}})
    assert bench.run() == [], "that branch has never been"


def test_a_clock_among_conditions_that_all_have_to_hold(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    trigger = {"cron_spec": "@every 1h", "commits": 2, "all": True}
    pfs = {"repo": "data", "glob": "/", "trigger": trigger}
    store.create_pipeline({**spec("p", "data"), "input": {"pfs": pfs}})
    created = store.inspect_pipeline("p").created_ns
    commit_files(store, "data", {"/a": "x"})
    assert tick(store.kv, store.cache, created + 3601 * 10**9) == 0, "one commit is not enough"
    commit_files(store, "data", {"/b": "x"})
    assert bench.run() == [], "it is not time yet"
    assert tick(store.kv, store.cache, created + 3601 * 10**9) == 1
    assert [job.counts.total for job in bench.run()] == [1]


def test_a_branch_that_is_moved_back_has_nothing_new_for_a_trigger(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    pfs = {"repo": "data", "glob": "/", "trigger": {"commits": 3, "size": "100"}}
    store.create_pipeline({**spec("p", "data"), "input": {"pfs": pfs}})
    commits = [commit_files(store, "data", {f"/{number}": "x"}) for number in range(6)]
    assert [job.inputs[0].commit for job in bench.run()] == [commits[2], commits[5]]
    store.repo("data").move_branch("master", commits[4])
    assert bench.run() == []
    after = [commit_files(store, "data", {f"/new{number}": "x"}) for number in range(3)]
    assert [job.inputs[0].commit for job in bench.run()] == [after[2]]
