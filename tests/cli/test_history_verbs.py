"""Branches, tags, the reflog, and commits taken out, as commands."""

from __future__ import annotations

import json
from itertools import count, islice
from pathlib import Path

import pytest

import pfslib
import pfslib.api.opening
from pfslib.cli.tables import format_table
from pfslib.testing.recording import RecordingKV


@pytest.fixture(autouse=True)
def data(store: Path, pfs) -> None:
    """A repo with three commits on its branch."""
    pfs("create-repo", "data")
    for number in "123":
        pfs("put-file", "data", "master", "x", "-c", "-m", number, stdin=number.encode())


@pytest.fixture
def ids(pfs):
    def ids(repo: str = "data") -> list[str]:
        return [row["id"] for row in pfs("list-commit", repo, "--json").json_lines]

    return ids


@pytest.fixture
def content(pfs):
    def content(reference: str) -> bytes:
        found: bytes = pfs("get-file", f"data@{reference}:/x").stdout
        return found

    return content


def test_a_branch_begins_anywhere_and_is_moved(pfs, call, content) -> None:
    pfs("create-branch", "data", "dev", "--head", "master^2")
    pfs("create", "branch", "data@same")
    assert (content("dev"), content("same")) == (b"1", b"3")
    rows = pfs("list-branch", "data").rows
    assert [(row["BRANCH"], row["HEAD"]) for row in rows] == [
        ("dev", "master/0"), ("master", "master/2"), ("same", "master/2"),
    ]  # fmt: skip
    pfs("move-branch", "data@dev", "--head", "data/master/1")
    assert "Head: master/1\n" in pfs("inspect-branch", "data", "dev").text
    pfs("put-file", "data@dev:/x", stdin=b"forked")
    assert (content("dev"), content("dev^"), content("master")) == (b"forked", b"2", b"3")
    taken = call("create-branch", "data", "dev")
    assert taken.code == 13
    assert "`pfs move-branch data dev --head COMMIT`" in taken.stderr
    assert content("dev") == b"forked"


def test_a_branch_goes_and_its_commits_stay(pfs, call, content) -> None:
    pfs("put-file", "data@dev:/x", stdin=b"kept")
    head = pfs("inspect-branch", "data", "dev", "--json").json["head"]
    assert pfs("delete-branch", "data", "dev", "--dry-run").text == "would delete branch data@dev\n"
    assert content("dev") == b"kept"
    assert pfs("delete-branch", "data", "dev").text == ""
    assert call("inspect-branch", "data", "dev").code == 12
    assert content(head) == b"kept"


def test_a_tag_never_moves_and_holds_its_commit(pfs, call, content) -> None:
    pfs("create-tag", "data", "v1", "--at", "master^")
    pfs("put-file", "data@master:/x", stdin=b"4")
    assert content("v1") == b"2"
    assert [(row["TAG"], row["COMMIT"]) for row in pfs("list-tag", "data").rows] == [
        ("v1", "master/1")
    ]
    assert call("create-tag", "data", "v1").code == 13
    assert call("squash-commit", "data", "v1").code == 13
    assert pfs("delete-tag", "data", "v1", "--dry-run").text == "would delete tag data@v1\n"
    pfs("delete-tag", "data", "v1")
    near = call("delete-tag", "data", "v1")
    assert near.code == 12
    assert "`pfs list-tag data`" in near.stderr


def test_the_reflog_is_read_from_any_line_on(pfs, ids) -> None:
    first, second, third = ids()
    pfs("delete-branch", "data", "master")
    lines = pfs("list-reflog", "--json").json_lines
    assert [(line["old"], line["new"]) for line in lines] == [
        (None, first), (first, second), (second, third), (third, None),
    ]  # fmt: skip
    assert pfs("list-reflog", "--from", "2", "--json").json_lines == lines[2:]
    assert [row["NUMBER"] for row in pfs("list-reflog", "--from", "3").rows] == ["3"]
    assert pfs("list-reflog", "--from", "4", "--json").stdout == b""


def test_a_commit_is_dropped(pfs, call, ids, content) -> None:
    *before, last = ids()
    plan = pfs("drop-commit", "data", "master", "--dry-run").text.splitlines()
    assert plan == [
        f"would delete commit data@{last}", "would move branch data@master to another commit",
    ]  # fmt: skip
    assert ids() == [*before, last]
    assert pfs("drop-commit", "data", "master", "--json").json["commits"] == [f"data@{last}"]
    assert (ids(), content("master")) == (before, b"2")
    needed = call("drop-commit", "data", before[0])
    assert needed.code == 13
    assert "is on top of it" in needed.stderr


def test_a_commit_is_squashed(pfs, call, ids, content) -> None:
    first, second, third = ids()
    text = pfs("squash-commit", "data", second, "--dry-run").text
    assert text == f"would delete commit data@{second}\n"
    pfs("squash-commit", "data", second)
    assert ids() == [first, third]
    assert (content("master"), content("master^")) == (b"3", b"1")
    assert (
        "hint: number 1 of master was squashed or dropped"
        in call("list-file", "data", "master.1").stderr
    )
    assert "hint: the head of master is number 2" in call("list-file", "data", "master.7").stderr
    assert call("squash-commit", "data", "master").code == 13


def test_an_open_commit_is_discarded(pfs, call) -> None:
    commit = pfs("start-commit", "data", "master", "-m", "open").text.strip()
    text = pfs("delete-commit", "data", "master", "--dry-run").text
    assert text == f"would delete open commit data@{commit}\n"
    pfs("put-file", "data", commit, "x", stdin=b"4")
    pfs("finish-commit", "data", commit, "-m", "done")
    assert pfs("inspect-commit", "data", "master", "--json").json["message"] == "done"
    finished = call("delete-commit", "data", "master")
    assert finished.code == 13
    assert f"`pfs drop-commit data {commit}`" in finished.stderr


def test_waiting(pfs, call, ids) -> None:
    assert pfs("wait-commit", "data", "master").text.strip() == ids()[-1]
    late = call("wait-commit", "data@new", "--timeout", "0.01")
    assert late.code == 11
    assert "data@new means no finished commit" in late.stderr
    assert call("wait-commit", "data", "master", "--timeout", "-1").code == 2
    pfs("start-commit", "data", "master")
    busy = call("put-file", "data", "master", "x", "-c", "--wait", "0.01", stdin=b"4")
    assert busy.code == 11


def test_repos_go_and_say_so_before(pfs, ids) -> None:
    pfs("create-tag", "data", "v1")
    gone = [f"would delete commit data@{commit}" for commit in ids()]
    plan = [
        "would delete repo data", "would delete branch data@master", "would delete tag data@v1",
    ]  # fmt: skip
    for words in (["delete-repo", "data"], ["delete-all"]):
        lines = pfs(*words, "--dry-run").text.splitlines()
        assert (lines[:3], sorted(lines[3:])) == (plan, sorted(gone))
    assert len(ids()) == 3
    pfs("delete-all", "--yes")
    assert pfs("list-repo", "--json").stdout == b""
    assert json.loads(pfs("delete-all", "--dry-run", "--json").stdout)["repos"] == []


@pytest.mark.mount
@pytest.mark.sandbox
def test_what_was_made_from_what(pfs, call, ids) -> None:
    def pipeline(name: str, repo: str) -> bytes:
        transform = {"cmd": ["sh"], "stdin": [f"cp /pfs/{repo}/x /pfs/out"]}
        source = {"pfs": {"repo": repo, "glob": "/"}}
        document = {"pipeline": {"name": name}, "transform": transform, "input": source}
        return json.dumps(document).encode()

    pfs("create-pipeline", "--no-run", stdin=pipeline("middle", "data") + pipeline("end", "middle"))
    pfs("run")
    (middle,), (end,), source = ids("middle"), ids("end"), ids()[-1]
    made = pfs("list-subvenance", "data", "master", "--json").json_lines
    assert [row["id"] for row in made] == [middle, end]
    origins = pfs("list-provenance", "end@master", "--json").json_lines
    assert [row["id"] for row in origins] == [middle, source]
    assert [row["REPO/ID"] for row in pfs("list-provenance", "end", "master").rows] == [
        f"middle/{middle}/0", "data/master/2",
    ]  # fmt: skip
    shown = pfs("inspect-commit", "middle", "master").text
    assert "Made from: data/master/2\n" in shown
    assert f"Led to: end/{end}/0\n" in shown
    assert pfs("inspect-commit", "data", source, "--json").json["subvenance"] == [
        {"repo": "middle", "id": middle}
    ]
    assert call("drop-commit", "data", source).code == 13
    plan = pfs("delete-pipeline", "end", "--dry-run").text
    assert "would delete pipeline end\n" in plan
    assert "would delete 1 job\n" in plan
    pfs("inspect-pipeline", "end")


# --- log -------------------------------------------------------------------------------------


def told(pfs, *words: str) -> list[str]:
    return [row["REPO/ID"] for row in pfs("log", *words).rows]


def test_the_log_of_a_commit_goes_back_from_it(pfs, call, ids) -> None:
    assert told(pfs, "data@master") == ["data/master/2", "data/master/1", "data/master/0"]
    rows = pfs("log", "data", "master^").rows
    assert [(row["SIZE"], row["MESSAGE"]) for row in rows] == [("1 B", "2"), ("1 B", "1")]
    assert told(pfs, "data@master", "-n", "1") == ["data/master/2"]
    assert told(pfs, f"data@{ids()[1]}^") == ["data/master/0"]
    pfs("put-file", "data@master:/y", "-m", "first line\nsecond", stdin=b"y")
    newest = pfs("log", "data@master", "-n1").rows[0]
    assert (newest["MESSAGE"], newest["FINISHED"]) == ("first line", "Less than a second ago")
    pfs("delete-file", "data@master:/y")
    rows = pfs("log", "data@master:/y").rows
    assert [(row["OP"], row["SIZE"]) for row in rows] == [("removed", "-"), ("added", "1 B")]
    assert call("log", "data@nope").code == call("log", "nope").code == 12


def test_the_log_of_a_store_is_in_the_order_of_time(pfs, ids) -> None:
    pfs("create-repo", "other")
    pfs("put-file", "other@master:/x", stdin=b"x")
    pfs("create-branch", "data", "dev", "--head", "master^2")
    pfs("put-file", "data@dev:/y", stdin=b"y")
    pfs("move-branch", "data", "master", "--head", "master^")
    pfs("put-file", "data@master:/x", stdin=b"4")
    of_data = ["data/master/3", "data/dev/0", "data/master/2", "data/master/1", "data/master/0"]
    assert told(pfs, "data") == of_data
    assert told(pfs) == [*of_data[:2], "other/master/0", *of_data[2:]]
    pfs("squash-commit", "data", "master^")
    assert told(pfs, "data") == [*of_data[:3], "data/master/0"]


def test_a_log_is_read_no_further_than_it_is_shown(store, pfs, monkeypatch) -> None:
    for number in range(40):
        pfs("put-file", "data@master:/x", stdin=str(number).encode())
    opened: list[RecordingKV] = []

    def recorded(path: str | None) -> pfslib.Store:
        store = pfslib.api.opening.open(path)
        opened.append(RecordingKV(store.kv))
        store.kv = opened[-1]
        return store

    monkeypatch.setattr(pfslib, "open", recorded)
    for words in ([], ["data@master"], ["data@master:/x"]):
        rows = pfs("log", *words, "-n", "3", "--json").json_lines
        assert [row.get("commit", row)["number"] for row in rows] == [42, 41, 40]
        assert sum(opened[-1].read_calls.values()) < 30, words


def test_a_long_table_needs_no_end() -> None:
    rows = ((f"{'x' * 30 if number == 4 else number}", "last") for number in count())
    lines = list(islice(format_table(("A", "B"), rows, page=3), 8))
    assert [line.index("last") for line in lines[1:]] == [20, 20, 20, 33, 33, 33, 33]
