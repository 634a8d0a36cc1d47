"""Python functions as transforms: run in the sandbox, known by their source, debugged in place."""

from __future__ import annotations

import json
import math as mathematics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pfslib import InvalidSpecError, Job, Store
from pfslib.testing.shell_pipelines import commit_files

FACTOR = 3
BESIDE = [1]
INPUT = {"pfs": {"repo": "data", "glob": "/*"}}


def counted(store: Store) -> Any:
    @store.pipeline(INPUT, name="counted")
    def count(data: Path, out: Path) -> None:
        """Counts words."""
        for file in data.iterdir():
            words = len(file.read_text().split())
            text = json.dumps({"words": words * FACTOR, "pi": mathematics.floor(mathematics.pi)})
            (out / file.name).write_text(text)

    return count


@pytest.mark.mount
@pytest.mark.sandbox
def test_a_function_is_run_for_each_datum(store: Store, run: Callable[[], list[Job]]) -> None:
    store.create_repo("data")
    count = counted(store)
    commit_files(store, "data", {"/a": "one two", "/b": "three"})
    (job,) = run()
    assert job.reason == ""
    assert count.pipeline.description == "Counts words."
    assert json.loads(store.commit("counted@master").get_file("/a")) == {"words": 6, "pi": 3}
    counted(store)  # the same function: nothing runs again
    assert [job.counts.skipped for job in run()] == [2]


def test_a_function_runs_here_on_one_datum(store: Store, tmp_path: Path) -> None:
    store.create_repo("data")
    commit_files(store, "data", {"/a": "one two", "/b": "three"})
    out = counted(store).run_here("/b", into=tmp_path / "here")
    assert [path.name for path in out.iterdir()] == ["b"]
    assert json.loads((out / "b").read_text())["words"] == 3
    with pytest.raises(ValueError, match="no datum '/c'"):
        counted(store).run_here("/c")


def test_what_a_function_cannot_have_is_said(store: Store) -> None:
    store.create_repo("data")
    with pytest.raises(InvalidSpecError, match="uses BESIDE"):

        @store.pipeline(INPUT)
        def beside(data: Path) -> None:
            BESIDE.append(2)

    with pytest.raises(InvalidSpecError, match="the parameter wrong"):

        @store.pipeline(INPUT)
        def misnamed(wrong: Path) -> None:
            wrong.mkdir()

    with pytest.raises(InvalidSpecError, match="no function"):
        store.pipeline(INPUT, name="p")(lambda data: None)

    with pytest.raises(InvalidSpecError, match="rows is a generator function"):

        @store.pipeline(INPUT)
        def rows(data: Path) -> Iterator[Path]:
            yield from data.iterdir()

    assert store.list_pipeline() == []
