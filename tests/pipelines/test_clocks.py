"""Clocks that would do harm: to repos that are not theirs, or to the jobs of other pipelines."""

from __future__ import annotations

from typing import Any

import pytest

from pfslib import InvalidSpecError, Store
from pfslib.model.ticks import NEVER_NS, last_tick, next_tick
from pfslib.pipelines.crons import tick
from pfslib.testing.shell_pipelines import commit_files, shell_spec

DAY = 86400 * 10**9


def clock(name: str, **cron: Any) -> dict[str, Any]:
    return {
        **shell_spec(name, "data"),
        "input": {"cron": {"name": "t", "spec": "@every 60s", "overwrite": True, **cron}},
    }


def test_a_clock_takes_no_repo_that_is_somebody_elses(store: Store) -> None:
    store.create_repo("data")
    commit_files(store, "data", {"/a": "1"})
    store.create_pipeline(shell_spec("other", "data"))
    store.create_pipeline(clock("first"))
    store.create_pipeline(shell_spec("second", "data"))
    for repo in ("data", "other", "first_t"):
        with pytest.raises(InvalidSpecError, match=f"repo {repo} exists"):
            store.create_pipeline(clock("p", repo=repo))
        with pytest.raises(InvalidSpecError, match=f"repo {repo} exists"):
            store.update_pipeline(clock("second", repo=repo))
    assert store.commit("data@master").get_file("/a") == b"1"


def test_two_clocks_do_not_tick_in_one_repo(store: Store) -> None:
    clocks = [{"cron": {"name": n, "spec": "@every 60s", "repo": "ticks"}} for n in "ab"]
    spec = {**shell_spec("p", "data"), "input": {"cross": clocks}}
    with pytest.raises(InvalidSpecError, match="clocks a and b would both tick in the repo ticks"):
        store.create_pipeline(spec)
    store.create_pipeline(clock("p"))
    with pytest.raises(InvalidSpecError, match="clocks a and b"):
        store.update_pipeline(spec)
    assert [repo.name for repo in store.list_repo()] == ["p", "p_t"]


def test_a_clock_keeps_its_repo(store: Store) -> None:
    store.create_pipeline(clock("p", repo="ticks"))
    store.update_pipeline(clock("p", repo="ticks", spec="@every 5s"))
    created = store.inspect_pipeline("p").created_ns
    assert tick(store.kv, store.cache, created + 6 * 10**9) == 1
    store.delete_pipeline("p")
    store.create_pipeline(clock("p", repo="ticks"))
    assert len(list(store.list_commit("ticks"))) == 1


@pytest.mark.parametrize(
    "schedule",
    [
        "0 0 31 2 *",
        "@every 0.0000000001s",
        "@every 0s",
        "@every 999ms",
        "@every 9999999h",
        "0 0 1 1 * 0 2020",
    ],
)
@pytest.mark.parametrize("where", ["cron", "trigger"])
def test_a_clock_ticks_some_day_and_not_too_often(store: Store, schedule: str, where: str) -> None:
    store.create_repo("data")
    trigger = shell_spec("p", "data", pfs={"trigger": {"cron_spec": schedule}})
    with pytest.raises(InvalidSpecError, match="is no schedule"):
        store.create_pipeline(trigger if where == "trigger" else clock("p", spec=schedule))


@pytest.mark.parametrize("schedule", ["@every 1s", "0 0 29 2 *", "*/5 * * * *", "@daily"])
def test_a_clock_may_be_rare(store: Store, schedule: str) -> None:
    store.create_pipeline(clock("p", spec=schedule))
    assert tick(store.kv, store.cache, store.inspect_pipeline("p").created_ns + 9 * 366 * DAY) == 1


def test_a_clock_that_ended_stops_nothing() -> None:
    new_year_2030 = 1893456000 * 10**9
    assert next_tick("0 0 1 1 * 0 2030", new_year_2030 - DAY) == new_year_2030
    assert next_tick("0 0 1 1 * 0 2030", new_year_2030) == NEVER_NS
    assert last_tick("0 0 1 1 * 0 2030", new_year_2030, new_year_2030 + DAY) is None
