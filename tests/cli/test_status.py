"""`pfs status` shows everything at once, and looks at nothing that is past."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pfslib
from pfslib.mounts.mountinfo import find_mount
from pfslib.pipelines.claims import new_owner
from pfslib.pipelines.workshop import Workshop
from pfslib.testing.recording import RecordingKV

SPEC = {
    "pipeline": {"name": "copy"},
    "transform": {"cmd": ["cp", "/pfs/data/a", "/pfs/out/a"]},
    "input": {"pfs": {"repo": "data", "glob": "/"}},
}


def sections(text: str) -> dict[str, list[list[str]]]:
    """The rows of each table, by the first word of its header."""
    _, *tables = text.split("\n\n")
    rows = {table.split()[0]: table.splitlines()[1:] for table in tables}
    return {name: [line.split() for line in lines] for name, lines in rows.items()}


def test_all_of_a_store_is_seen(store: Path, pfs) -> None:
    assert sections(pfs("status").text) == {}
    pfs("create-repo", "data")
    pfs("create-repo", "empty")
    for branch in ("master", "master", "dev"):
        pfs("put-file", "data", branch, "a", "-c", stdin=b"12345")
        pfs("put-file", "data", branch, "b", "-c", stdin=branch.encode())
    started = pfs("start-commit", "data", "dev", "-m", "later").text.strip()
    pfs("create-pipeline", "--no-run", stdin=json.dumps(SPEC).encode())
    job = pfs("list-job", "--json").json
    text = pfs("status").text
    assert text.startswith(f"store {store}: ")
    seen = sections(text)
    assert [row[:3] for row in seen["REPO"]] == [
        ["copy", "-", "-"],
        ["data", "dev", "dev/1"],
        ["data", "master", "master/1"],
        ["empty", "-", "-"],
    ]
    assert seen["OPEN_COMMIT"][0][:2] == [f"data/{started}", "dev"]
    assert seen["OPEN_COMMIT"][0][-1] == "later"
    assert seen["PIPELINE"] == [["copy", "running", job["id"], "pending"]]
    assert seen["JOB"] == [[job["id"], "copy", "pending", "-"]]
    assert "MOUNT" not in seen
    document = pfs("status", "--json").json
    assert document["jobs"] == [job]
    head = document["heads"][1]["commit"]
    assert head == pfs("list-commit", "data", "master", "--json").json_lines[-1]
    pfs("cancel-job", job["id"])
    assert pfs("status", "--json").json["jobs"] == []


@pytest.mark.mount
def test_mounts_of_this_store_and_no_other(store: Path, pfs, tmp_path: Path) -> None:
    pfs("create-repo", "data")
    pfs("put-file", "data", "master", "a", "-c", stdin=b"1")
    pfs("init", "other")
    for name in ("one", "all", "others"):
        Path(name).mkdir()
    try:
        pfs("mount", "data@master", "one")
        pfs("mount", "all")
        pfs("--store", "other", "mount", "others")
        with Workshop(store, lambda *_: pytest.fail("nothing is run"), new_owner()) as workshop:
            inputs = workshop.trees().path
            assert find_mount(inputs)
            mounts = pfs("status", "--json").json["mounts"]
            listed = pfs("list-mount").text
        assert [Path(row["path"]).name for row in mounts] == ["all", "one"]
        assert str(tmp_path / "one") in listed
        assert str(inputs) not in listed
        assert [row[-1] for row in sections(pfs("status").text)["MOUNT"]] == ["running"] * 2
    finally:
        for name in ("one", "all", "others"):
            pfs("unmount", name)
    assert pfs("status", "--json").json["mounts"] == []


def test_working_copies_of_this_store_and_no_other(store: Path, pfs) -> None:
    pfs("create-repo", "data")
    pfs("put-file", "data@master:/deep/a", stdin=b"1")
    Path("copy").mkdir()
    pfs("mount", "-w", "data@master:/deep", "copy")
    assert sections(pfs("status").text)["MOUNT"][0][1:] == ["data@master:/deep", "working", "copy"]
    pfs("init", "other")
    assert pfs("status", "--store", "other", "--json").json["mounts"] == []
    pfs("unmount", "copy")
    assert pfs("status", "--json").json["mounts"] == []


def test_its_cost_is_in_what_is_shown(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "no mounts").touch()  # those of others come and go
    monkeypatch.setattr("pfslib.mounts.mountinfo._TABLE", tmp_path / "no mounts")
    with pfslib.init(tmp_path / "store") as store:
        repo = store.create_repo("data")
        kv = store.kv
        reads: list[int] = []
        for _ in range(3):
            store.kv = recording = RecordingKV(kv)
            store.status()
            reads.append(sum(recording.read_calls.values()))
            assert recording.transactions == {"read": 1}
            store.kv = kv
            for number in range(10):
                with repo.commit() as commit:
                    commit.put_file("/a", f"{number}")
                    commit.put_file(f"/{len(reads)}/{number}", "x")
    assert reads[1] == reads[2]
