"""Where put-file puts what, and into which commit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def repo(store: Path, pfs) -> None:
    pfs("create-repo", "data")


@pytest.fixture
def paths(pfs):
    def paths(commit: str = "master") -> list[str]:
        return [row["path"] for row in pfs("glob-file", "data", commit, "/**", "--json").json_lines]

    return paths


@pytest.fixture(autouse=True)
def files(store: Path) -> Path:
    """What there is to put, in the working directory."""
    tree = Path("tree/sub")
    tree.mkdir(parents=True)
    Path("one.txt").write_text("one")
    Path("tree/two.txt").write_text("two")
    (tree / "three.txt").write_text("three")
    return tree.parent


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-f", "one.txt"], ["/one.txt"]),
        (["-f", "./one.txt"], ["/one.txt"]),
        (["-f", "tree/two.txt"], ["/tree", "/tree/two.txt"]),
        (["a/b", "-f", "one.txt"], ["/a", "/a/b"]),
        (["a", "-f", "one.txt", "-f", "tree/two.txt"], ["/a", "/a/one.txt", "/a/tree",
                                                         "/a/tree/two.txt"]),
        (["-r", "-f", "tree"], ["/tree", "/tree/sub", "/tree/sub/three.txt", "/tree/two.txt"]),
        (["-r", "-f", "tree/sub/.."], ["/tree", "/tree/sub", "/tree/sub/three.txt",
                                       "/tree/two.txt"]),
        (["x", "-r", "-f", "tree"], ["/x", "/x/sub", "/x/sub/three.txt", "/x/two.txt"]),
        (["/", "-r", "-f", "tree"], ["/sub", "/sub/three.txt", "/two.txt"]),
        (["x"], ["/x"]),
        (["x", "-f", "-"], ["/x"]),
    ],
)  # fmt: skip
def test_a_source_goes_where_1_3_puts_it(words: list[str], expected: list[str], pfs, paths) -> None:
    pfs("put-file", "data", "master", *words, "-c", stdin=b"input")
    assert paths() == expected


def test_the_working_directory_is_the_root(pfs, paths, files: Path, monkeypatch) -> None:
    monkeypatch.chdir(files)
    pfs("put-file", "data", "master", "-c", "-r", "-f", ".")
    assert paths() == ["/sub", "/sub/three.txt", "/two.txt"]


def test_a_link_to_a_directory_may_be_named(pfs, paths) -> None:
    Path("link").symlink_to("tree")
    pfs("put-file", "data", "master", "-c", "-r", "-f", "link")
    assert paths() == ["/link", "/link/sub", "/link/sub/three.txt", "/link/two.txt"]


def test_content_is_replaced_or_appended_to(pfs) -> None:
    pfs("put-file", "data", "master", "x", "-c", stdin=b"one\n")
    pfs("put-file", "data", "master", "x", "-c", stdin=b"two\n")
    assert pfs("get-file", "data", "master", "x").stdout == b"two\n"
    pfs("put-file", "data", "master", "x", "-c", "-a", stdin=b"three\n")
    assert pfs("get-file", "data", "master", "x").stdout == b"two\nthree\n"
    assert pfs("get-file", "data", "master^^", "x").stdout == b"one\n"


def test_bytes_come_back_as_they_were(pfs, tmp_path: Path) -> None:
    content = os.urandom(3_000_000) + b"\r\n\0"
    pfs("put-file", "data@master:/x", stdin=content)
    assert pfs("get-file", "data@master:/x").stdout == content
    pfs("get-file", "data", "master", "x", "-o", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == content


def test_into_an_open_commit_by_branch_and_by_id(pfs, call, paths) -> None:
    commit = pfs("start-commit", "data", "master", "-m", "by hand").text.strip()
    pfs("put-file", "data", "master", "a", stdin=b"1")
    pfs("put-file", "data", commit, "b", stdin=b"2")
    pfs("put-file", f"data@{commit[:8]}:/c", stdin=b"3")
    pfs("put-file", "data@master:/d", stdin=b"4")
    unseen = call("list-file", "data", "master")
    assert unseen.code == 13
    assert f"commit {commit} in repo data is still open" in unseen.stderr
    pfs("finish-commit", "data", commit)
    assert paths() == ["/a", "/b", "/c", "/d"]
    assert [row["BRANCH"] for row in pfs("list-commit", "data").rows] == ["master"]
    assert "Message: by hand" in pfs("inspect-commit", "data", commit).text


def test_the_joined_form_makes_a_commit_when_none_is_open(pfs) -> None:
    pfs("put-file", "data@master:/a", "-m", "why", stdin=b"1")
    pfs("put", "file", "data@master:/b", stdin=b"2")
    pfs("put-file", "data@other:/c", stdin=b"3")
    commits = pfs("list-commit", "data", "--json").json_lines
    assert [(row["branch"], row["number"]) for row in commits] == [
        ("master", 0),
        ("master", 1),
        ("other", 0),
    ]
    assert commits[0]["message"] == "why"


@pytest.mark.parametrize(
    ("commit", "hint"),
    [("master", "-c makes a commit"), ("new", "-c makes a commit"), ("master/0", "start-commit")],
)
def test_separate_words_do_not(commit: str, hint: str, pfs, call) -> None:
    pfs("put-file", "data", "master", "a", "-c", stdin=b"1")
    result = call("put-file", "data", commit, "b", stdin=b"2")
    assert result.code == (12 if commit == "new" else 13)
    assert hint in result.stderr
    assert len(pfs("list-commit", "data").rows) == 1


def test_an_id_is_never_taken_for_a_branch(pfs, call) -> None:
    pfs("put-file", "data", "master", "a", "-c", stdin=b"1")
    commit = pfs("inspect-commit", "data", "master", "--json").json["id"]
    for reference in (f"data@{commit}", f"data@{commit[:10]}", "data@master/0", "data/master/0"):
        result = call("put-file", f"{reference}:/b", stdin=b"2")
        assert result.code == 13
        assert "has already finished" in result.stderr
    assert len(pfs("list-commit", "data").rows) == 1


def test_unchanged_content_makes_no_commit(pfs) -> None:
    pfs("put-file", "data", "master", "a", "-c", stdin=b"1")
    result = pfs("put-file", "data", "master", "a", "-c", stdin=b"1")
    assert "nothing has changed" in result.stderr
    assert len(pfs("list-commit", "data").rows) == 1
    assert pfs("put-file", "data", "master", "a", "-c", "--json", stdin=b"1").json is None


def test_a_file_is_deleted(pfs, paths) -> None:
    pfs("put-file", "data", "master", "-c", "-r", "-f", "tree")
    pfs("delete-file", "data@master:/tree/sub")
    assert paths() == ["/tree", "/tree/two.txt"]
    pfs("delete-file", "data", "master", "tree/two.txt", "-c")
    assert paths() == []
    pfs("start-commit", "data", "master")
    pfs("put-file", "data", "master", "x", stdin=b"1")
    pfs("delete-file", "data", "master", "x")
    pfs("finish-commit", "data", "master")
    assert paths() == []


def test_every_source_is_looked_at_before_any_is_put(pfs, call, paths) -> None:
    pfs("start-commit", "data", "master")
    result = call("put-file", "data", "master", "-f", "one.txt", "-f", "missing.txt")
    assert result.code == 1
    assert "missing.txt: No such file or directory" in result.stderr
    pfs("finish-commit", "data", "master")
    assert paths() == []
