"""Whatever one command prints as a commit, the next takes as one."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]

COPY = "cp -r /pfs/data/. /pfs/out; test ! -e /pfs/data/bad"


@pytest.fixture
def worked(store, pfs, call) -> None:
    """Two branches, an open commit, a job that went well, one that failed, one after that."""
    document = {
        "pipeline": {"name": "copy"},
        "transform": {"cmd": ["sh"], "stdin": [COPY]},
        "datum_tries": 1,
        "inputs": [{"repo": {"name": "data"}, "method": "global"}],
    }
    pfs("create-repo", "data")
    pfs("create-pipeline", stdin=json.dumps(document).encode())
    pfs("put-file", "data", "master", "dir/a", "-c", stdin=b"a")
    failed = call("put-file", "data", "master", "bad", "-c", stdin=b"b")
    assert failed.code == 3
    assert "of pipeline copy failed: datum data:/: the command exited with code 1" in failed.stderr
    assert "`pfs get-logs " in failed.stderr
    assert "commit data/master/1 itself is safe" in failed.stderr
    pfs("delete-file", "data", "master", "bad", "-c")
    pfs("put-file", "data@other:/b", stdin=b"b")
    pfs("start-commit", "data", "new")


def test_every_name_of_a_commit(worked, pfs) -> None:
    tried = 0
    for repo in (row["NAME"] for row in pfs("list-repo").rows):
        ids = {row["id"] for row in pfs("list-commit", repo, "--json").json_lines}
        for row in pfs("list-commit", repo).rows:
            name = row["REPO/ID"]
            found = pfs("inspect-commit", repo, name, "--json").json
            assert found["id"] in ids
            assert pfs("inspect-commit", name, "--json").json == found
            assert pfs("inspect-commit", repo, name.partition("/")[2], "--json").json == found
            assert pfs("inspect-commit", repo, found["id"], "--json").json == found
            assert pfs("inspect-commit", repo, found["id"][:9], "--json").json == found
            if row["PARENT"] != "<none>":
                assert found["parent"] in ids
                parent = pfs("inspect-commit", repo, row["PARENT"], "--json").json
                assert parent["id"] == found["parent"]
            if row["BRANCH"] != "<none>":
                assert pfs("list-commit", repo, row["BRANCH"]).rows
            if row["FINISHED"]:
                pfs("list-file", name)
            tried += 1
    assert tried == 4 + 1 + 4


def test_outputs_and_files_of_jobs(worked, pfs) -> None:
    jobs = pfs("list-job").rows
    assert [job["STATE"] for job in jobs] == ["success", "success", "failure", "success"]
    for job in jobs:
        found = pfs("inspect-commit", job["OUTPUT"], "--json").json
        assert found["id"] == pfs("inspect-job", job["ID"], "--json").json["output_commit"]
        assert (found["branch"] is None) == (job["STATE"] == "failure")
        assert pfs("list-file", "copy", job["OUTPUT"]).rows == pfs("list-file", job["OUTPUT"]).rows
        for file in pfs("list-file", job["OUTPUT"]).rows:
            changed = pfs("inspect-commit", "copy", file["LAST_COMMIT_MODIFIED"], "--json").json
            assert pfs("inspect-file", f"copy@{changed['id']}:{file['NAME']}")


def test_a_failed_output_is_on_no_branch_and_no_parent(worked, pfs) -> None:
    rows = pfs("list-commit", "copy").rows
    assert [row["BRANCH"] for row in rows] == ["<none>", "master", "master", "other"]
    failed, first, second, _ = (row["REPO/ID"] for row in rows)
    parents = [row["PARENT"] for row in rows]
    name_of_first = first.removeprefix("copy/")
    assert parents == [name_of_first, "<none>", name_of_first, "<none>"]
    assert failed.removeprefix("copy/") not in parents
    assert second.removeprefix("copy/") not in parents


def test_heads_are_names_too(worked, pfs) -> None:
    for repo in ("data", "copy"):
        for row in pfs("list-branch", repo).rows:
            head = pfs("inspect-commit", repo, row["HEAD"], "--json").json
            assert head == pfs("inspect-commit", repo, row["BRANCH"], "--json").json


def test_a_deleted_source_leaves_its_output_readable(worked, pfs) -> None:
    pfs("delete-pipeline", "copy", "--keep-repo")
    pfs("delete-repo", "data", "--force")
    assert "Made from: data/" in pfs("inspect-commit", "copy@master").text
    assert pfs("get-file", "copy@master:/dir/a").text == "a"
    assert len(pfs("list-commit", "copy").rows) == 4


def test_run_says_what_it_ran(store, pfs, call) -> None:
    document = {
        "pipeline": {"name": "copy"},
        "transform": {"cmd": ["sh"], "stdin": [COPY]},
        "datum_tries": 1,
        "inputs": [{"repo": {"name": "data"}, "method": "global"}],
    }
    pfs("create-repo", "data")
    pfs("put-file", "data", "master", "a", "-c", stdin=b"a")
    pfs("create-pipeline", "--no-run", stdin=json.dumps(document).encode())
    pfs("put-file", "data", "master", "bad", "-c", "--no-run", stdin=b"b")
    commit = pfs("start-commit", "data", "master").text.strip()
    pfs("put-file", "data", commit, "c", stdin=b"c")
    pfs("finish-commit", "data", commit, "--no-run")
    result = call("run")
    assert result.code == 3
    assert [row["STATE"] for row in result.rows] == ["success", "failure", "failure"]
    again = pfs("run")
    assert again == (0, b"", "")
    failed = result.rows[1]["ID"]
    log = pfs("get-logs", failed)
    assert "--- datum 0, attempt 1" in log.stderr
    assert log.stdout == b""
