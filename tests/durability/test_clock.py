"""T16: history goes by parents and positions; the clock may say what it likes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import pfslib

YEAR_NS = 365 * 24 * 3600 * 10**9

CLOCKS = {
    "steps back": [5, 4, 3, 2, 1],
    "stands still": [3, 3, 3, 3, 3],
    "1970 and on": [-100, -56, -56, -1, 60],
    "2106": [80, 81, 80, 200, 20],
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_history_is_in_order_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    now = time.time_ns()
    with pfslib.init(tmp_path / "store") as store:
        repo = store.create_repo("repo")
        ids = []
        for number, years in enumerate(CLOCKS[clock]):
            moment = max(0, now + years * YEAR_NS)
            monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment)
            monkeypatch.setattr(time, "time", lambda moment=moment: moment / 1e9)
            with repo.commit("master") as commit:
                commit.put_file("/number", str(number))
            assert commit.commit is not None
            ids.append(commit.commit.id)
        monkeypatch.undo()

        assert [commit.id for commit in store.list_commit("repo", "master")] == ids
        head = store.commit("repo@master")
        for back, commit_id in enumerate(reversed(ids)):
            assert store.commit(f"repo@master~{back}").id == commit_id
        assert store.commit("repo@master.0").id == ids[0]
        assert head.get_file("/number") == b"4"
        assert [c.get_file("/number") for c in store.list_commit("repo")] == [
            str(number).encode() for number in range(5)
        ]


def test_a_commit_finished_before_it_was_started_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pfslib.init(tmp_path / "store") as store:
        opened = store.create_repo("repo").start_commit("master")
        opened.put_file("/a", b"a")
        monkeypatch.setattr(time, "time_ns", lambda: 1)
        finished = opened.finish()
        monkeypatch.undo()
        assert finished is not None
        assert store.get_file("repo", "master", "/a") == b"a"
        assert store.commit("repo@master").finished < store.commit("repo@master").started
