"""The law holds over updates: a new `output_merge` counts for all of the output."""

from __future__ import annotations

from typing import Any

import pytest

from pfslib import Store
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted
from pfslib.testing.shell_pipelines import commit_files, shell_spec


def in_one(call: Call) -> Files:
    """The file that is seen, under the name that all write."""
    return {"/all": b"".join(call.inputs["data"].values())}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("append", "overwrite", b"b"), ("overwrite", "append", b"ab"), ("append", "refuse", None)],
)
def test_the_whole_output_is_merged_the_new_way(
    store: Store, before: str, after: str, expected: bytes | None
) -> None:
    store.create_repo("data")
    commit_files(store, "data", {"/1": "a", "/2": "b"})
    spec: dict[str, Any] = shell_spec("p", "data", output_merge=before)
    store.create_pipeline(spec)
    runner = ScriptedRunner(store, in_one)
    run_scripted(store, runner)
    store.update_pipeline({**spec, "output_merge": after})
    (job,) = run_scripted(store, runner)
    assert len(runner.calls) == 2, "results do not depend on how they are merged"
    if expected is None:
        assert job.state == "failure"
    else:
        assert store.commit("p@master").get_file("/all") == expected
