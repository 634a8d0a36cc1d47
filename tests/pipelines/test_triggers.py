"""Clocks and triggers, missed ticks and moved branches."""

from __future__ import annotations

from typing import Any

import pytest

from pfslib.pipelines.crons import tick
from pfslib.pipelines.trigger import create_jobs
from pfslib.testing.scripted_bench import Bench, copy, counts, scripted_spec
from pfslib.testing.shell_pipelines import commit_files


def test_clocks_tick_once_for_all_that_was_missed(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    cron = {"name": "t", "spec": "@every 60s"}
    store.create_pipeline({**scripted_spec("p", "data"), "input": {"cron": cron}})
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
    store.create_pipeline({**scripted_spec("p", "data"), "input": {"cron": cron}})
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
    bench.store.create_pipeline({**scripted_spec("p", "data"), "input": {"pfs": pfs}})
    for number in range(1, 7):
        commit_files(bench.store, "data", {f"/{number}": "x"})
    assert [job.counts.total for job in bench.run()] == [1] * len(fired)
    assert [c.files for c in bench.store.list_commit("p")] == fired


def test_a_trigger_with_a_clock(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    pfs = {"repo": "data", "glob": "/", "trigger": {"cron_spec": "@every 1h"}}
    store.create_pipeline({**scripted_spec("p", "data"), "input": {"pfs": pfs}})
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
    triggered = {**scripted_spec("p", "data"), "input": {"pfs": pfs}}
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
    store.update_pipeline(
        {**scripted_spec("p", "data"), "input": {"pfs": {**pfs, "branch": "side"}}}
    )
    assert bench.run() == [], "that branch has never been"


def test_a_clock_among_conditions_that_all_have_to_hold(bench: Bench) -> None:
    store = bench.store
    bench.scripts["p"] = copy
    trigger = {"cron_spec": "@every 1h", "commits": 2, "all": True}
    pfs = {"repo": "data", "glob": "/", "trigger": trigger}
    store.create_pipeline({**scripted_spec("p", "data"), "input": {"pfs": pfs}})
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
    store.create_pipeline({**scripted_spec("p", "data"), "input": {"pfs": pfs}})
    commits = [commit_files(store, "data", {f"/{number}": "x"}) for number in range(6)]
    assert [job.inputs[0].commit for job in bench.run()] == [commits[2], commits[5]]
    store.repo("data").move_branch("master", commits[4])
    assert bench.run() == []
    after = [commit_files(store, "data", {f"/new{number}": "x"}) for number in range(3)]
    assert [job.inputs[0].commit for job in bench.run()] == [after[2]]
