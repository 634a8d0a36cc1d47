"""The examples do what their pages say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib import Job, Store

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with pfslib.init(tmp_path / "store") as made:
        yield made


def run(store: Store) -> list[Job]:
    jobs = store.run(runner="local", notice=lambda _: None)
    assert [job.reason for job in jobs if job.reason] == []
    return jobs


def put(store: Store, repo: str, path: str, data: bytes, *, append: bool = False) -> None:
    with store.repo(repo).commit() as commit:
        commit.put_file(path, data, append=append)


def sums(*days: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for day in days:
        for line in (EXAMPLES / "fruit_stand" / day).read_text().splitlines():
            fruit, count = line.split("\t")
            found[fruit] = found.get(fruit, 0) + int(count)
    return found


def put_out(store: Store) -> dict[str, int]:
    commit = store.commit("sum@master")
    return {f.path[1:]: int(commit.get_file(f.path)) for f in commit.list_file()}


def test_the_fruit_stand_as_it_was(store: Store) -> None:
    days = ["day1.tsv", "day2.tsv"]
    store.create_repo("data")
    store.create_pipeline(EXAMPLES / "fruit_stand/pipelines.json")
    for number, day in enumerate(days, 1):
        put(store, "data", "/sales", (EXAMPLES / "fruit_stand" / day).read_bytes(), append=True)
        run(store)
        assert put_out(store) == sums(*days[:number])


def test_the_fruit_stand_with_globs(store: Store) -> None:
    days = ["day1.tsv", "day2.tsv"]
    store.create_repo("data")
    store.create_pipeline(EXAMPLES / "fruit_stand/modern.json")
    for number, day in enumerate(days, 1):
        put(store, "data", f"/{day}", (EXAMPLES / "fruit_stand" / day).read_bytes())
        filtered, summed = run(store)
        assert put_out(store) == sums(*days[:number])
        assert (filtered.counts.processed, summed.counts.processed) == (1, 3)
    (made,) = store.explain_file("sum", "master", "/apple")
    assert made.datum.inputs[0].path == b"apple"


def test_word_count(store: Store) -> None:
    text = (EXAMPLES.parent / "LICENSE").read_bytes()
    store.create_repo("texts")
    store.create_pipeline(EXAMPLES / "word_count/pipelines.json")
    put(store, "texts", "/one", text)
    run(store)
    put(store, "texts", "/two", b"license, license; unheard-of\n")
    words, counts = run(store)
    plain = "".join(c if c.isalpha() else " " for c in text.decode().lower()).split()
    assert int(store.commit("counts@master").get_file("/license")) == plain.count("license") + 2
    assert words.counts.processed == 1
    assert counts.counts.processed == 3


def test_a_join(store: Store) -> None:
    store.create_repo("customers")
    store.create_repo("orders")
    store.create_pipeline(EXAMPLES / "join/pipeline.json")
    for path, text in (("/7.txt", b"Ada"), ("/8.txt", b"Bob")):
        put(store, "customers", path, text)
    put(store, "orders", "/7-1.txt", b"tea")
    put(store, "orders", "/7-2.txt", b"cake")
    run(store)
    put(store, "customers", "/8.txt", b"Bert")
    put(store, "customers", "/7.txt", b"Ada L.")
    assert [job.counts.processed for job in run(store)] == [0, 2]
    letters = store.commit("letters@master")
    assert letters.get_file("/7-2.txt") == b"Dear Ada L., you ordered cake.\n"
    assert letters.files == 2


def test_a_clock(store: Store) -> None:
    store.create_pipeline(EXAMPLES / "cron/pipeline.json")
    assert store.run_cron("weather") == 1
    (job,) = run(store)
    assert job.counts.processed == 1
    assert store.commit("weather@master").files == 1


def test_training_is_followed_back_to_the_rows(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES / "training/training.py", tmp_path / "store"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    assert done.stdout.splitlines() == [
        "one: 21",
        "made from model: /line.json",
        "made from ask: /one",
        "made from sums: /monday, /tuesday",
        "made from train: /monday, /tuesday",
    ]


def test_the_post_can_be_played_twice(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES / "go_stats/feed.py", tmp_path / "store"]
    env = {**os.environ, "PFS_RUNNER": "local"}
    first, second = (
        subprocess.run(command, check=True, capture_output=True, text=True, env=env)
        for _ in range(2)
    )
    assert first.stdout.partition("\n")[2] == second.stdout.partition("\n")[2]
    assert json.dumps(second.stderr).count("Traceback") == 0
