"""The commands for work: other pipelines' troubles, datums shown before and explained after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]


def spec(name: str, repo: str, **more: object) -> bytes:
    transform = {
        "cmd": ["sh"],
        "stdin": [f"cp -r /pfs/{repo}/. /pfs/out"],
        **more.pop("transform", {}),
    }
    document = {
        "pipeline": {"name": name},
        "transform": transform,
        "input": {"pfs": {"repo": repo, "glob": "/*"}},
        **more,
    }
    return json.dumps(document).encode()


def test_a_pipeline_that_cannot_run_here_is_not_everybodys_failure(
    store: Path, pfs, call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    for repo in ("theirs", "mine"):
        pfs("create-repo", repo)
    pfs("create-pipeline", stdin=spec("fine", "mine"))
    pfs("create-pipeline", stdin=spec("stuck", "theirs", transform={"image": "some/image"}))
    failed = call("put-file", "theirs", "master", "/a", "-c", "--runner", "docker", stdin=b"a")
    assert failed.code == 3
    assert "no Docker engine answers" in failed.stderr
    assert "is safe" in failed.stderr
    done = pfs("put-file", "mine", "master", "/a", "-c", "--runner", "docker", stdin=b"a")
    assert "no Docker engine" not in done.stdout.decode()
    assert pfs("get-file", "fine", "master", "/a").stdout == b"a"
    assert call("run", "--runner", "docker").code == 3


def test_datums_are_shown_before_anything_is_created(store: Path, pfs) -> None:
    pfs("create-repo", "data")
    for name in "ab":
        pfs("put-file", "data", "master", f"/{name}", "-c", stdin=b"x")
    Path("spec.json").write_bytes(spec("p", "data", autoscaling=True))
    rows = pfs("list-datum", "-f", "spec.json").stdout.decode().splitlines()
    assert [row.split() for row in rows] == [
        ["PIPELINE", "FILES"],
        ["p", "data:/a"],
        ["p", "data:/b"],
    ]
    dry = pfs("create-pipeline", "-f", "spec.json", "--dry-run")
    assert "autoscaling means nothing on one machine" in dry.stderr
    assert pfs("list-pipeline", "--json").json_lines == []


def test_what_has_no_data_yet_has_no_datums(store: Path, pfs, call) -> None:
    clock = json.loads(spec("clock", "-"))
    clock["input"] = {"cron": {"name": "t", "spec": "@every 60s"}}
    assert (
        "nothing was created"
        in pfs("create-pipeline", "--dry-run", stdin=json.dumps(clock).encode()).stderr
    )
    assert pfs("list-repo", "--json").json_lines == []
    refused = call("create-pipeline", "--dry-run", stdin=spec("p", "nowhere"))
    assert refused.code == 2
    assert "field input: the input repo nowhere does not exist" in refused.stderr
    pfs("create-repo", "data")
    assert pfs("list-datum", "-f", "-", "--json", stdin=spec("p", "data")).json_lines == []


def test_all_that_follows_from_a_commit_is_waited_for(store: Path, pfs, call) -> None:
    pfs("create-repo", "data")
    pfs("create-pipeline", stdin=spec("p", "data"))
    pfs("put-file", "data", "master", "/a", "-c", "--no-run", stdin=b"x")
    late = call("wait", "job", "data@master", "--no-run", "--timeout", "0.01")
    assert late.code == 11
    assert "1 of the jobs that follow are not over" in late.stderr
    (job,) = pfs("flush", "commit", "data@master", "--json").json_lines
    assert (job["pipeline"], job["state"]) == ("p", "success")
    assert job["id"] in pfs("flush", "job", "data@master").stdout.decode()
    assert pfs("flush-commit", "p", "master", "--json").json_lines == []


def test_a_job_is_explained(store: Path, pfs) -> None:
    pfs("create-repo", "data")
    pfs("create-pipeline", stdin=spec("p", "data"))
    for name in "ab":
        pfs("put-file", "data", "master", f"/{name}", "-c", stdin=b"x")
    job = pfs("list-job", "--json").json_lines[0]["id"]
    explained = pfs("explain", "job", job).stdout.decode()
    assert "nothing that it sees has changed since job" in explained
    assert "it is new" in explained
    made = pfs("explain", "file", "p@master:/b", "--json").json_lines
    assert [row["datum"]["inputs"][0]["path"] for row in made] == ["/b"]
    assert "it is new" in made[0]["datum"]["why"]
    assert "it is new" in pfs("explain", "file", "p@master:/b").stdout.decode()
    assert "no datum wrote /a" in pfs("explain", "file", "data@master:/a").stderr
    states = [row["state"] for row in pfs("list-datum", job, "--json").json_lines]
    assert states == ["skipped", "processed"]
