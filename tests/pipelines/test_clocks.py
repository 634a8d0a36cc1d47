"""Clocks that would do harm: to repos that are not theirs, or to the jobs of other pipelines."""

from __future__ import annotations

from typing import Any

import pytest

from pfslib import InvalidSpecError, Store
from pfslib.pipelines.crons import tick
from pfslib.testing.shell_pipelines import commit_files, shell_spec


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


def test_a_clock_keeps_its_repo(store: Store) -> None:
    store.create_pipeline(clock("p", repo="ticks"))
    store.update_pipeline(clock("p", repo="ticks", spec="@every 5s"))
    created = store.inspect_pipeline("p").created_ns
    assert tick(store.kv, store.cache, created + 6 * 10**9) == 1
    store.delete_pipeline("p")
    store.create_pipeline(clock("p", repo="ticks"))
    assert len(list(store.list_commit("ticks"))) == 1
