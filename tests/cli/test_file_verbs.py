"""Files: copied, deleted, compared, found, got and exported, in open and in finished commits."""

from __future__ import annotations

import os
import pty
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pfslib.trees import hoststats, hosttree


@pytest.fixture(autouse=True)
def data(store: Path, pfs) -> None:
    """A repo with `/a/x`, `/a/y`, `/b`."""
    Path("tree/a").mkdir(parents=True)
    Path("tree/a/x").write_text("one\n")
    Path("tree/a/y").write_text("two\n")
    Path("tree/b").write_text("three\n")
    pfs("create-repo", "data")
    pfs("put-file", "data@master:/", "-r", "-f", "tree")


@pytest.fixture
def paths(pfs):
    def paths(reference: str) -> list[str]:
        rows = pfs("list-file", "-r", reference, "--json").json_lines
        return [row["path"] for row in rows]

    return paths


def names(directory: str = ".") -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


# --- put -------------------------------------------------------------------------------------


def test_a_link_is_neither_followed_nor_written_into(pfs, call) -> None:
    Path("tree/link").symlink_to("a")
    pfs("put-file", "data@master:/", "-rf", "tree")
    below = call("list-file", "data@master:/link/x")
    assert (below.code, "links are not followed" in below.stderr) == (12, True)
    appended = call("put-file", "data@master:/link", "-a", stdin=b"1")
    assert (appended.code, "delete what is there first" in appended.stderr) == (13, True)


def test_empty_directories_are_not_kept_and_the_help_says_so(pfs, paths) -> None:
    Path("tree/empty/below").mkdir(parents=True)
    pfs("put-file", "data@other:/", "-rf", "tree")
    assert paths("data@other") == ["/a", "/a/x", "/a/y", "/b"]
    assert "Empty directories are not kept" in " ".join(pfs("help", "put-file").text.split())


def test_a_tree_is_appended_file_by_file(pfs) -> None:
    pfs("put-file", "data@master:/", "-a", "-r", "-f", "tree")
    assert pfs("get-file", "data@master:/a/x").text == "one\none\n"


def test_a_part_of_a_file_is_written_over(pfs, call) -> None:
    pfs("put-file", "data@master:/a/x", "--offset", "1", stdin=b"N")
    assert pfs("get-file", "data@master:/a/x").text == "oNe\n"
    assert call("put-file", "data@master:/a/x", "--offset", "1", "-a", stdin=b"N").code == 2


def test_special_files_are_refused_or_left_out(pfs, call, paths) -> None:
    os.mkfifo("tree/fifo")
    refused = call("put-file", "data@new:/", "-r", "-f", "tree")
    assert (refused.code, "tree/fifo is a fifo" in refused.stderr) == (2, True)
    assert "hint: `--skip-special`" in refused.stderr
    assert call("list-file", "data@new").code == 12
    left_out = pfs("put-file", "data@new:/", "-r", "-f", "tree", "--skip-special").stderr
    assert left_out.count("pfs: left out ") == 1
    assert "tree/fifo: it is a device, a fifo or a socket\n" in left_out
    assert paths("data@new") == ["/a", "/a/x", "/a/y", "/b"]


def test_unchanged_files_are_read_again_only_if_asked(pfs, monkeypatch) -> None:
    read: list[bytes] = []
    real = hosttree.read_file_at

    def noting(fd, name, *rest):
        read.append(name)
        return real(fd, name, *rest)

    monkeypatch.setattr(hosttree, "read_file_at", noting)
    monkeypatch.setattr(hoststats, "RACY_NS", -(10**12))  # files of this very moment are known, too
    put = ["put-file", "data@master:/", "-r", "-f", "tree"]
    for more, count in ([], 3), ([], 0), (["--reread"], 3):
        read.clear()
        assert "nothing has changed" in pfs(*put, *more).stderr
        assert len(read) == count


def test_a_store_is_not_put_into_itself(store: Path, pfs, call, paths) -> None:
    for _ in range(2):
        put = pfs("put-file", "data@master:/here", "-r", "-f", ".", "-f", "tree")
        assert put.stderr.count("left out") == 1
        assert f"pfs: left out {store}: it is the store itself\n" in put.stderr
    assert "/here/tree/b" in paths("data@master")
    assert not any("data.mdb" in path for path in paths("data@master"))
    refused = call("put-file", "data@master:/s", "-r", "-f", str(store))
    assert (refused.code, "is the store itself" in refused.stderr) == (2, True)


# --- copy and delete -------------------------------------------------------------------------


def test_files_are_copied_between_commits_and_repos(pfs, call, paths) -> None:
    pfs("create-repo", "other")
    pfs("copy-file", "data@master:/a", "other@master:/from/a", "-m", "why")
    pfs("copy-file", "data", "master", "b", "other", "master", "b", "-c")
    assert paths("other@master") == ["/b", "/from", "/from/a", "/from/a/x", "/from/a/y"]
    commit = pfs("start-commit", "other", "master").text.strip()
    pfs("copy-file", "other@master:/b", "other", commit, "c")
    assert "/c" in paths(f"other@{commit}")
    assert "/c" not in paths("other@master^")
    for words, code in (
        (["data@master:/a"], 2),
        (["data@master:/a", "other@master:/x", "y"], 2),
        (["data@master:/none", f"other@{commit}:/x"], 12),
        (["data@master:/a", "other@master^:/x"], 13),
    ):
        assert call("copy-file", *words).code == code


def test_files_are_deleted_by_pattern(pfs, call, paths) -> None:
    plan = pfs("delete-file", "data@master:/{a,b}", "--glob", "--dry-run").text
    assert plan == "would delete dir /a, with 2 files\nwould delete file /b\n"
    assert len(paths("data@master")) == 4
    pfs("delete-file", "data", "master", "/a/*", "--glob", "-c")
    assert paths("data@master") == ["/b"]
    for words in (["/a/*", "--glob"], ["/a/x"]):
        for more in ([], ["--dry-run"]):
            assert call("delete-file", "data", "master", *words, *more, "-c").code == 12
            pfs("delete-file", "data", "master", *words, *more, "-c", "--missing-ok")
    assert paths("data@master") == ["/b"]


def test_an_open_commit_is_read_by_its_id(pfs, call, paths) -> None:
    commit = pfs("start-commit", "data", "master").text.strip()
    pfs("put-file", "data", commit, "new", stdin=b"new")
    pfs("delete-file", "data", commit, "/a/*", "--glob")
    assert paths(f"data@{commit[:8]}") == ["/b", "/new"]
    assert paths("data@master") == ["/a", "/a/x", "/a/y", "/b"]
    assert pfs("get-file", "data", commit, "new").text == "new"
    rows = pfs("list-file", "data", commit).rows
    assert [row["LAST_COMMIT_MODIFIED"] for row in rows] == ["master/0", commit]
    assert [row["NAME"] for row in pfs("glob-file", "data", commit, "/n*").rows] == ["/new"]
    pfs("inspect-file", "data", commit, "new")
    pfs("export", "data", commit, "out")
    assert names("out") == ["b", "new"]
    pfs("start-commit", "data", "other")
    unfinished = call("list-file", "data", "other")
    assert unfinished.code == 13
    assert "by its id, it can be read" in unfinished.stderr


# --- compare and find ------------------------------------------------------------------------


@pytest.fixture
def changed(pfs) -> None:
    """A second commit: `/a/x` longer, `/b` gone, `/c` new, which is no text."""
    commit = pfs("start-commit", "data", "master", "-m", "second").text.strip()
    pfs("put-file", "data", commit, "/a/x", "-a", stdin=b"more\n")
    pfs("delete-file", "data", commit, "/b")
    pfs("put-file", "data", commit, "/c", stdin=b"\0\xff")
    pfs("finish-commit", "data", commit)


def test_what_differs_in_an_open_commit_so_far(pfs, call) -> None:
    started = pfs("start-commit", "data", "master").text.strip()
    assert pfs("diff", f"data@{started}", "--json").stdout == b""
    pfs("put-file", "data", "master", "/b", stdin=b"3\n")
    assert [(row["OP"], row["NAME"]) for row in pfs("diff", f"data@{started}").rows] == [
        ("changed", "/b")
    ]
    assert "-three\n+3\n" in pfs("diff", f"data@{started}", "--text").text
    assert pfs("diff", "data@master", "--json").json_lines[0]["op"] == "added"
    new = pfs("start-commit", "data", "new").text.strip()
    assert f"commit {new} in repo data is still open" in call("diff", "data@new").stderr


def test_what_differs(changed, pfs, call) -> None:
    rows = [
        {"OP": "changed", "OLD_SIZE": "4 B", "NEW_SIZE": "9 B", "NAME": "/a/x"},
        {"OP": "removed", "OLD_SIZE": "6 B", "NEW_SIZE": "-", "NAME": "/b"},
        {"OP": "added", "OLD_SIZE": "-", "NEW_SIZE": "2 B", "NAME": "/c"},
    ]
    for words in (
        ["diff", "data@master", "data@master^"],
        ["diff", "data@master"],
        ["diff-file", "data", "master"],
        ["diff", "file", "data", "master", "data", "master^"],
        ["diff", "file", "data", "master", "/", "data", "master^", "/"],
        ["diff", "data/master/1", "data/master/0"],
    ):
        assert pfs(*words).rows == rows
    for words in (["data@master:/a"], ["data", "master", "/a", "data", "master^", "a/"]):
        assert pfs("diff", *words).rows == rows[:1]
    back = pfs("diff", "data@master^", "data@master").rows
    assert [row["OP"] for row in back] == ["changed", "added", "removed"]
    assert pfs("diff", "data@master", "data@master", "--json").stdout == b""
    stat = pfs("diff", "data@master", "--stat").text
    assert stat == "1 added, 1 removed, 1 changed; 10 B became 11 B\n"
    for words in (["data@master:/a", "data@master:/b"], ["data@master", "x@y", "z"], []):
        assert call("diff", *words).code == 2


def test_the_lines_that_differ(changed, pfs) -> None:
    assert pfs("diff", "data@master", "--text").text == (
        "--- a/a/x\n+++ b/a/x\n@@ -1 +1,2 @@\n one\n+more\n"
        "--- a/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-three\n"
        "Binary files /dev/null and b/c differ\n"
    )
    pfs("put-file", "data@master:/latin", stdin=b"caf\xe9\n")
    assert pfs("diff", "data@master", "--text").stdout.endswith(b"+caf\xe9\n")
    pfs("put-file", "data@master:/long", stdin=bytes(9 << 20))
    long = pfs("diff", "data@master", "--text").text
    assert long.startswith("Files a/long and b/long differ: /long has 9437184 bytes")


def test_which_commits_changed_a_path(changed, pfs, call) -> None:
    pfs("put-file", "data@master:/d", "-m", "third", stdin=b"d")
    for words, found in (
        (["data@master:/a/x"], [("changed", "9 B", "second"), ("added", "4 B", "")]),
        (["data", "master", "/b"], [("removed", "-", "second"), ("added", "6 B", "")]),
        (["data", "master^", "/d"], []),
    ):
        rows = pfs("find-commit", *words).rows
        assert [(row["OP"], row["SIZE"], row["MESSAGE"]) for row in rows] == found
    assert pfs("find-file", "data@master:/d").rows == pfs("find", "commit", "data@master:/d").rows


# --- get and export --------------------------------------------------------------------------


def test_a_part_of_a_file_is_got(pfs, call) -> None:
    for words, found in (
        (["--offset", "2"], b"ree\n"),
        (["--offset", "1", "--size", "2"], b"hr"),
        (["--size", "0"], b""),
        (["--offset", "100"], b""),
    ):
        assert pfs("get-file", "data@master:/b", *words).stdout == found
        pfs("get-file", "data@master:/b", *words, "-o", "part")
        assert Path("part").read_bytes() == found
    assert call("get-file", "data@master:/b", "--offset", "-1").code == 2


def test_a_file_is_got_whole_or_not_at_all(pfs, call) -> None:
    Path("target").write_text("before")
    Path("link").symlink_to("target")
    pfs("get-file", "data@master:/b", "-o", "link")
    assert (Path("target").read_text(), Path("link").is_symlink()) == ("three\n", True)
    assert pfs("get-file", "data@master:/b", "-o", "-").text == "three\n"
    before = names()
    for words, code in (
        (["data@master:/none", "-o", "new"], 12),
        (["data@master:/b", "-o", "none/new"], 1),
        (["data@master:/b", "-o", "none/new", "--size", "1"], 1),
        (["data@master:/b", "-o", "tree"], 13),
        (["data@master:/a", "-o", "new"], 12),
    ):
        assert call("get-file", *words).code == code
    assert names() == before


@pytest.mark.parametrize("more", [[], ["--offset", "1"]])
def test_a_pipe_is_written_to_and_not_replaced(pfs, more: list[str]) -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        pfs("get-file", "data@master:/b", "-o", "pipe", *more)
        assert os.read(reader, 100) == (b"hree\n" if more else b"three\n")
    finally:
        os.close(reader)
    assert Path("pipe").is_fifo()


def test_a_full_disk_leaves_nothing(pfs, tmp_path: Path) -> None:
    pfs("put-file", "data@master:/big", stdin=os.urandom(3_000_000))
    before = names()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        for more in ([], ["--offset", "1"]):
            with pytest.raises(AssertionError, match="File too large"):
                pfs("get-file", "data@master:/big", "-o", "big", *more)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names() == before


def test_an_export_goes_on_where_it_was(pfs, call) -> None:
    done = pfs("export", "data@master", "out", "--json").json
    assert (done["files"], done["size_bytes"], done["skipped_files"]) == (3, 14, 0)
    Path("out/b").unlink()
    done = pfs("export", "data", "master", "out", "--json").json
    assert (done["files"], done["skipped_files"]) == (1, 2)
    Path("out/b").write_text("mine")
    refused = call("export", "data", "master", "/", "out")
    assert (refused.code, "--overwrite" in refused.stderr) == (13, True)
    pfs("export", "data@master", "out", "--overwrite")
    assert Path("out/b").read_text() == "three\n"
    pfs("export", "data@master:/a", "below")
    assert names("below") == ["x", "y"]
    for words, code in ((["data@master"], 2), (["data@master:/b", "out"], 12)):
        assert call("export", *words).code == code


def test_a_diff_is_coloured_for_somebody_who_watches(store: Path, pfs, monkeypatch) -> None:
    for content in (b"same\none\n", b"same\ntwo\n+ three\n"):
        pfs("put-file", "data@master:/x", stdin=content)
    for name in ("NO_COLOR", "FORCE_COLOR", "PFS_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def diff(*words: str) -> str:
        text: str = pfs("diff", "data@master", "--text", *words).text
        return text

    plain = diff()
    assert "\x1b" not in plain
    colored = diff("--color", "always")
    for line in ("\x1b[31m-one\x1b[m\n", "\x1b[32m+two\x1b[m\n", "\n same\n", "\x1b[36m@@ "):
        assert line in colored
    assert re.sub("\x1b\\[[0-9]*m", "", colored) == plain
    assert "\x1b" not in diff("--json", "--color", "always")
    primary, secondary = pty.openpty()
    command = [sys.executable, "-m", "pfslib.cli", "diff", "data@master", "--text"]
    for _ in range(2):
        subprocess.run(command, stdout=secondary, check=True)
        monkeypatch.setenv("NO_COLOR", "1")
    assert os.read(primary, 9999).decode().replace("\r\n", "\n") == colored + plain
    os.close(primary)
    os.close(secondary)
    monkeypatch.setenv("PFS_COLOR", "always")
    assert diff() == colored
    assert diff("--color", "never") == plain
