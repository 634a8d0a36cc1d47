"""Names that are not UTF-8, wherever they get into sentences, keys and orders."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from pfslib import Job, Store
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted
from pfslib.testing.shell_pipelines import commit_files, shell_spec

ODD = os.fsdecode(b"\xff")


def own_and_common(call: Call) -> Files:
    return {"/all": b"".join(call.inputs["data"].values())}


@pytest.fixture
def data(store: Store) -> Store:
    store.create_repo("data")
    return store


def test_a_datum_that_leaves_what_cannot_be_kept_fails_by_name(
    data: Store, run: Callable[[], list[Job]]
) -> None:
    data.create_pipeline(shell_spec("p", "data", "mkfifo \"/pfs/out/$(printf '\\377')\""))
    commit_files(data, "data", {"/a": "1"})
    (job,) = run()
    assert job.state == "failure"
    assert "/pfs/out/\\xff" in job.reason


@pytest.mark.parametrize(
    "script", [lambda _: 1, lambda call: {f"/{ODD}": call.env["PACH_DATUM_ID"].encode()}]
)
def test_a_job_that_fails_over_such_a_name_says_so(
    data: Store, script: Callable[[Call], Files | int]
) -> None:
    """The input's, of a command that fails; the output's, that two datums wrote."""
    data.create_pipeline(shell_spec("p", "data"))
    commit_files(data, "data", {f"/{ODD}": "1", f"/{ODD}{ODD}": "2"})
    (job,) = run_scripted(data, ScriptedRunner(data, script))
    assert job.state == "failure"
    assert "/\\xff" in job.reason


@pytest.mark.parametrize("how", ["join", "group"])
def test_such_names_are_joined_and_grouped(data: Store, how: str) -> None:
    by = {"join_on" if how == "join" else "group_by": "$1"}
    sides: list[dict[str, Any]] = [
        {"pfs": {"repo": "data", "name": name, "glob": f"/(*).{name}", **by}} for name in "xy"
    ]
    data.create_pipeline({**shell_spec("p", "data"), "input": {how: sides}})
    commit_files(data, "data", {f"/{ODD}.x": "1", f"/{ODD}.y": "2"})
    runner = ScriptedRunner(data, lambda call: call.inputs["x"] | call.inputs["y"])
    assert [job.state for job in run_scripted(data, runner)] == ["success"]
    assert data.commit("p@master").get_file(f"/{ODD}.y") == b"2"
    value = runner.calls[0].env[f"PACH_DATUM_x_{'JOIN_ON' if how == 'join' else 'GROUP_BY'}"]
    assert value == ODD


def test_what_such_a_datum_wrote_counts_among_the_others(data: Store) -> None:
    data.create_pipeline(shell_spec("p", "data", output_merge="append"))
    runner = ScriptedRunner(data, own_and_common)
    files = {"/a": "1", "/b": "2", f"/{ODD}z": "3"}
    for gone, left in (("", b"123"), ("/a", b"23"), ("/b", b"3")):
        commit_files(data, "data", {gone: None} if gone else dict(files))
        run_scripted(data, runner)
        assert data.commit("p@master").get_file("/all") == left


def test_a_clash_with_such_a_datum_is_refused(data: Store) -> None:
    data.create_pipeline(shell_spec("p", "data"))
    commit_files(data, "data", {f"/{ODD}": "2"})
    runner = ScriptedRunner(data, own_and_common)
    run_scripted(data, runner)
    commit_files(data, "data", {"/a": "1"})
    assert [job.state for job in run_scripted(data, runner)] == ["failure"]
