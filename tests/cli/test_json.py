"""--json is a promise: the keys, their order and their kinds, of every kind of thing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pfslib.model.encoding import FORMAT_VERSION

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ID = re.compile(r"[0-9a-f]{32}")
DIGEST = re.compile(r"[0-9a-f]{64}")

SPEC = {
    "pipeline": {"name": "copy"},
    "description": "makes copies",
    "transform": {"cmd": ["sh"], "stdin": ["cp -r /pfs/data/. /pfs/out; echo done"]},
    "input": {"pfs": {"repo": "data", "glob": "/"}},
}

REPO = {
    "name": "data",
    "created": TIME,
    "size_bytes": 3,
    "description": "for tests",
    "branches": ["master"],
    "pipeline": None,
}
BRANCH = {"name": "master", "head": ID, "created": TIME}
COMMIT = {
    "repo": "data",
    "id": ID,
    "branch": "master",
    "parent": None,
    "message": "first",
    "started": TIME,
    "finished": TIME,
    "number": 0,
    "added_bytes": 3,
    "size_bytes": 3,
    "files": 1,
    "digest": DIGEST,
    "error": None,
    "provenance": [],
}
OPEN_COMMIT = {
    "repo": "data",
    "id": ID,
    "branch": "master",
    "parent": ID,
    "message": "second",
    "started": TIME,
    "finished": None,
    "number": None,
    "added_bytes": None,
    "size_bytes": None,
    "files": None,
    "digest": None,
    "error": None,
    "provenance": [],
}
FILE = {
    "path": "/one.txt",
    "type": "file",
    "size_bytes": 3,
    "files": 1,
    "modified": TIME,
    "last_commit_modified": ID,
    "digest": DIGEST,
    "executable": False,
}
PIPELINE = {
    "name": "copy",
    "description": "makes copies",
    "created": TIME,
    "state": "running",
    "inputs": [{"name": "data", "repo": "data", "branch": "master", "glob": "/"}],
    "output_repo": "copy",
    "output_branch": "master",
    "spec": SPEC,
}
JOB = {
    "id": ID,
    "pipeline": "copy",
    "state": "pending",
    "reason": None,
    "inputs": [{"name": "data", "repo": "data", "branch": "master", "commit": ID}],
    "output_repo": "copy",
    "output_branch": "master",
    "output_commit": ID,
    "created": TIME,
    "started": None,
    "finished": None,
    "datums": {"total": 0, "processed": 0, "skipped": 0, "failed": 0, "recovered": 0},
}
DONE_JOB = {
    **JOB,
    "state": "success",
    "started": TIME,
    "finished": TIME,
    "datums": {"total": 1, "processed": 1, "skipped": 0, "failed": 0, "recovered": 0},
}
OUTPUT_COMMIT = {
    **COMMIT,
    "repo": "copy",
    "message": re.compile("job [0-9a-f]{32}"),
    "provenance": [{"repo": "data", "id": ID}],
}
IMAGE = {
    "name": "tools",
    "created": TIME,
    "size_bytes": 4,
    "files": 1,
    "digest": DIGEST,
}


def check(found: object, expected: object) -> None:
    """Compare, with the order of the keys; a pattern stands for whatever matches it."""
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert list(found) == list(expected)
        for key, value in expected.items():
            check(found[key], value)
    elif isinstance(expected, list):
        assert isinstance(found, list)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            check(one, other)
    elif isinstance(expected, re.Pattern):
        assert isinstance(found, str)
        assert expected.fullmatch(found), found
    else:
        assert found == expected
        assert type(found) is type(expected)


@pytest.fixture
def data(store: Path, pfs) -> Path:
    """A repo with a commit and an open one, and a pipeline that has not run yet."""
    pfs("create-repo", "data", "-d", "for tests")
    pfs("put-file", "data", "master", "one.txt", "-c", "-m", "first", stdin=b"one")
    pfs("start-commit", "data", "master", "-m", "second")
    pfs("create-pipeline", "--no-run", stdin=json.dumps(SPEC).encode())
    return store


def test_lists_are_a_document_a_line(data: Path, pfs) -> None:
    for words, expected in (
        (["list-repo"], [{**OUTPUT_REPO}, REPO]),
        (["list-branch", "data"], [BRANCH]),
        (["list-commit", "data"], [COMMIT, OPEN_COMMIT]),
        (["list-file", "data", "master"], [FILE]),
        (["glob-file", "data", "master", "*"], [FILE]),
        (["list-pipeline"], [PIPELINE]),
        (["list-job"], [JOB]),
        (["list-image"], []),
    ):
        check(pfs(*words, "--json").json_lines, expected)
        check(pfs("--json", *words).json_lines, expected)
    for words in (["list-repo", "--raw"], ["--raw", "list-repo"]):
        assert pfs(*words).json_lines == pfs("list-repo", "--json").json_lines


OUTPUT_REPO = {
    "name": "copy",
    "created": TIME,
    "size_bytes": 0,
    "description": "output of pipeline copy",
    "branches": [],
    "pipeline": "copy",
}


def test_single_things_are_one_document(data: Path, pfs) -> None:
    commit = pfs("list-commit", "data", "--json").json_lines[1]["id"]
    job = pfs("list-job", "--json").json_lines[0]["id"]
    for words, expected in (
        (["inspect-repo", "data"], REPO),
        (["inspect-commit", "data", "master"], {**COMMIT, "subvenance": []}),
        (["inspect-commit", "data", commit], {**OPEN_COMMIT, "subvenance": []}),
        (["inspect-file", "data", "master", "one.txt"], FILE),
        (["inspect-pipeline", "copy"], PIPELINE),
        (["inspect-job", job[:8]], JOB),
    ):
        check(pfs(*words, "--json").json, expected)


def test_what_is_made_is_shown(store: Path, pfs, tmp_path: Path) -> None:
    made = {"path": str(tmp_path / "other"), "format": FORMAT_VERSION}
    check(pfs("init", "other", "--json").json, made)
    check(pfs("create-repo", "data", "-d", "for tests", "--json").json,
          {**REPO, "size_bytes": 0, "branches": []})  # fmt: skip
    put = ("put-file", "data", "master", "one.txt", "-m", "first")
    check(pfs(*put, "-c", "--json", stdin=b"one").json, COMMIT)
    check(pfs("start-commit", "data", "master", "-m", "second", "--json").json, OPEN_COMMIT)
    finished = {**COMMIT, "parent": ID, "message": "second", "number": 1, "added_bytes": 0}
    check(pfs("finish-commit", "data", "master", "--json").json, finished)
    spec = json.dumps(SPEC).encode()
    check(pfs("create-pipeline", "--no-run", "--json", stdin=spec).json_lines, [PIPELINE])
    (tmp_path / "rootfs").mkdir()
    (tmp_path / "rootfs" / "tool").write_text("tool")
    check(pfs("create-image", "tools", "rootfs", "--json").json, IMAGE)
    check(pfs("list-image", "--json").json_lines, [IMAGE])


def test_what_is_nothing_is_no_document(data: Path, pfs) -> None:
    pfs("delete-commit", "data", "master", "--json")
    pfs("delete-pipeline", "copy")
    for words in (["list-job"], ["list-pipeline"], ["list-mount"]):
        documents = pfs(*words, "--json").json_lines
        assert [row for row in documents if str(data.parent) in str(row)] == []


def test_versions(pfs) -> None:
    components = pfs("version", "--json").json_lines
    assert [list(row) for row in components] == [["component", "version"]] * 3


def test_names_that_are_no_text_survive(store: Path, pfs, tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "caf\udce9\n").write_text("x")
    pfs("create-repo", "data")
    pfs("put-file", "data", "master", "/", "-c", "-r", "-f", "names")
    assert pfs("list-file", "data", "master", "--json").json["path"] == "/caf\udce9\n"
    assert "/caf\\xe9\\n " in pfs("list-file", "data", "master").text
    assert pfs("get-file", "data", "master", "caf\udce9\n").stdout == b"x"


@pytest.mark.mount
@pytest.mark.sandbox
def test_jobs_logs_and_mounts(data: Path, pfs, tmp_path: Path) -> None:
    check(pfs("run", "--json").json_lines, [DONE_JOB])
    check(pfs("list-job", "-p", "copy", "--json").json_lines, [DONE_JOB])
    check(pfs("list-commit", "copy", "--json").json_lines, [OUTPUT_COMMIT])
    job = pfs("list-job", "--json").json["id"]
    check(pfs("get-logs", job, "--json").json, {"datum": 0, "attempt": 1, "text": "done\n"})
    (tmp_path / "view").mkdir()
    mount = {"path": str(tmp_path / "view"), "source": re.compile("pfs:copy@[0-9a-f]{32}"),
             "alive": True, "state": "running", "writable": False}  # fmt: skip
    check(pfs("mount", "copy@master", "view", "--json").json, mount)
    listed = pfs("list-mount", "--json").json_lines
    pfs("unmount", "view")
    check([row for row in listed if row["path"].startswith(str(tmp_path))], [mount])
