"""Whatever is wrong with a command: a sentence, a code, and nothing changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pfslib.model.encoding import FORMAT_VERSION

SPEC = {
    "pipeline": {"name": "copy"},
    "transform": {"cmd": ["true"]},
    "input": {"pfs": {"repo": "data", "glob": "/"}},
}


def spec(**changes: object) -> bytes:
    return json.dumps({**SPEC, "pipeline": {"name": "new"}, **changes}).encode()


@pytest.fixture
def filled(store: Path, pfs) -> Path:
    """A store with a commit, an open commit and a pipeline."""
    pfs("create-repo", "data")
    pfs("create-repo", "other")
    pfs("put-file", "data", "master", "dir/one.txt", "-c", stdin=b"one")
    pfs("create-pipeline", "--no-run", stdin=json.dumps(SPEC).encode())
    pfs("start-commit", "data", "busy")
    Path("one.txt").write_text("one")
    Path("folder").mkdir()
    return store


@pytest.fixture
def everything(pfs):
    """All that can be seen of the store."""

    def everything() -> list[object]:
        lists = ("list-repo", "list-pipeline", "list-job", "list-image")
        seen = [pfs(words, "--json").json_lines for words in lists]
        commits = [pfs("list-commit", repo["name"], "--json").json_lines for repo in seen[0]]
        files = pfs("glob-file", "data", "master", "/**", "--json").json_lines
        return [*seen, commits, files]

    return everything


LONG = "x" * 129
HEX = "0123456789abcdef" * 2

CASES: list[tuple[list[str], bytes, int, str]] = [
    # unknown repo, branch, commit, file, pipeline, job, image
    (["get-file", "nope", "master", "/x"], b"", 12, "repo nope not found"),
    (["get-file", "dat", "master", "/x"], b"", 12, "did you mean 'data'?"),
    (["list-commit", "nope"], b"", 12, "repo nope not found"),
    (["list-branch", "nope"], b"", 12, "repo nope not found"),
    (["inspect-repo", "nope"], b"", 12, "repo nope not found"),
    (["delete-repo", "nope"], b"", 12, "repo nope not found"),
    (["start-commit", "nope", "master"], b"", 12, "repo nope not found"),
    (["put-file", "nope", "master", "x", "-c"], b"1", 12, "repo nope not found"),
    (["put-file", "nope@master:/x"], b"1", 12, "repo nope not found"),
    (["list-commit", "data", "nope"], b"", 12, "branch nope not found in repo data"),
    (["list-file", "data", "nope"], b"", 12, "commit nope not found in repo data"),
    (["list-file", f"data@{HEX}"], b"", 12, f"commit {HEX} not found in repo data"),
    (["list-file", "data", "master/7"], b"", 12, "commit master/7 not found"),
    (["list-file", "data@master^"], b"", 12, "commit master^ not found"),
    (["inspect-commit", "data", "nope"], b"", 12, "commit nope not found"),
    (["finish-commit", "data", "nope"], b"", 12, "commit nope not found"),
    (["delete-commit", "data", "nope"], b"", 12, "commit nope not found"),
    (["put-file", "data", "nope", "x"], b"1", 12, "commit nope not found"),
    (["put-file", "data@master^3:/x"], b"1", 12, "commit master^3 not found"),
    (["get-file", "data", "master", "/nope"], b"", 12, "file /nope not found"),
    (["inspect-file", "data@master:/dir/nope"], b"", 12, "file /dir/nope not found"),
    (["list-file", "data@master:/nope"], b"", 12, "file /nope not found"),
    (["inspect-pipeline", "nope"], b"", 12, "pipeline nope not found"),
    (["delete-pipeline", "copi"], b"", 12, "did you mean 'copy'?"),
    (["list-job", "-p", "nope"], b"", 12, "pipeline nope not found"),
    (["inspect-job", "nope"], b"", 12, "job nope not found"),
    (["get-logs", HEX], b"", 12, f"job {HEX} not found"),
    (["delete-image", "nope"], b"", 12, "image nope not found"),
    # a file where a directory is needed, or not
    (["get-file", "data", "master", "/dir"], b"", 12, "/dir is a directory"),
    (["get-file", "data", "master", "/"], b"", 12, "/ is a directory"),
    (["get-file", "data@master:/dir/one.txt/x"], b"", 12, "/dir/one.txt is not a directory"),
    (["put-file", "data@master:/dir"], b"1", 13, "/dir"),
    (["put-file", "data@master:/dir/one.txt/x"], b"1", 13, "/dir/one.txt"),
    # bad names
    (["create-repo", "a b"], b"", 2, "repo name 'a b' invalid"),
    (["create-repo", ""], b"", 2, "it is empty"),
    (["create-repo", "a/b"], b"", 2, "repo name 'a/b' invalid"),
    (["create-repo", ".hidden"], b"", 2, "repo name '.hidden' invalid"),
    (["create-repo", LONG], b"", 2, "longer than 128"),
    (["create-repo", HEX], b"", 2, "32 hexadecimal digits"),
    (["create-repo", "caf\udce9"], b"", 2, "is not UTF-8"),
    (["create-repo", "café"], b"", 2, "repo name 'café' invalid"),
    (["inspect-repo", "caf\udce9"], b"", 2, "is not UTF-8"),
    (["start-commit", "data", "a b"], b"", 2, "branch name 'a b' invalid"),
    (["start-commit", "data", HEX], b"", 2, "32 hexadecimal digits"),
    (["start-commit", "data", "a@b"], b"", 2, "'a@b' invalid"),
    (["put-file", "data", "a b", "x", "-c"], b"1", 2, "branch name 'a b' invalid"),
    (["list-file", "data", "caf\udce9"], b"", 2, "it is not UTF-8"),
    (["list-file", "data", ""], b"", 2, "nothing follows the '@'"),
    (["list-file", "data@"], b"", 2, "it names no commit"),
    (["list-file", "@master"], b"", 2, "it names no repo"),
    (["put-file", "data@master:/../x"], b"1", 2, "it has a component '..'"),
    (["put-file", "data@master:/"], b"1", 2, "it is the root, not a file"),
    (["delete-file", "data@master:/"], b"", 2, "it is the root"),
    (["delete-file", "data@master:/", "--dry-run"], b"", 2, "it is the root"),
    (["delete-file", "data@master:/", "--glob", "--dry-run"], b"", 2, "it is the root"),
    (["put-file", "data", "master", "y" * 256, "-c"], b"1", 2, "more than 255"),
    (["put-file", "data", "master", "y" * 256, "-c"], b"1", 2, "hint: shorten that name"),
    (["delete-file", "data@master:/nope"], b"", 12, "in the new commit on data@master\n"),
    (["delete-file", "data@master:/n*", "--glob"], b"", 12, "not found in data@master\n"),
    (["export", "data@master", "one.txt"], b"", 13, "one.txt is a file\n  hint: name a directory"),
    (["put-file", "data@master:/x", "-m", "caf\udce9"], b"1", 2, "is not UTF-8"),
    (["glob-file", "data", "master", "["], b"", 2, "a '[' is not closed"),
    (["create-pipeline"], b'{"transform": 1}', 2, "`pfs schema pipeline` prints what a spec may"),
    # finished, open, taken, needed
    (["create-repo", "data"], b"", 13, "repo data exists"),
    (["put-file", "data", "master", "x"], b"1", 13, "has already finished"),
    (["put-file", "data", "master/0", "x"], b"1", 13, "has already finished"),
    (["delete-file", "data", "master", "dir"], b"", 13, "has already finished"),
    (["finish-commit", "data", "master"], b"", 13, "has already finished"),
    (["delete-commit", "data", "master"], b"", 13, "has already finished"),
    (["start-commit", "data", "busy"], b"", 11, "has the open commit"),
    (["start-commit", "data", "busy", "--wait", "0.2"], b"", 11, "has the open commit"),
    (["put-file", "data", "busy", "x", "-c"], b"1", 11, "has the open commit"),
    (["put-file", "data", "busy", "x", "-m", "why"], b"1", 2, "-m goes with a new commit"),
    (["put-file", "copy", "master", "x", "-c"], b"1", 13, "output of pipeline copy"),
    (["start-commit", "copy", "master"], b"", 13, "output of pipeline copy"),
    (["delete-file", "data", "busy", "x", "-c", "--dry-run"], b"", 11, "has the open commit"),
    (["delete-file", "copy", "master", "x", "-c", "--dry-run"], b"", 13, "output of pipeline"),
    (["delete-repo", "data"], b"", 13, "input of pipeline copy"),
    (["delete-repo", "copy", "--force"], b"", 13, "output of pipeline copy"),
    (["init"], b"", 13, "holds a store already"),
    # what cannot be put
    (["put-file", "data", "master", "-c"], b"1", 2, "the PATH is missing"),
    (["put-file", "data", "master", "x", "-c", "-f", "-", "-f", "-"], b"1", 2, "only once"),
    (["put-file", "data", "master", "-c", "-f", "gone"], b"", 1, "gone: No such file"),
    (["put-file", "data", "master", "-c", "-f", "folder"], b"", 2, "-r puts it"),
    (["put-file", "data@master:/x", "--offset", "1", "-rf", "folder"], b"", 2, "is for one file"),
    (["put-file", "data", "master", "-c", "-f", "../x/one.txt"], b"", 2, "PATH -f FILE"),
    (["put-file", "data@master", "-f", "../one.txt"], b"", 2, "PATH -f FILE"),
    (["put-file", "data@master:/x", "-f", "/dev/null"], b"", 2, "is a character device"),
    (["create-image", "new", "gone"], b"", 1, "gone: No such file"),
    # an empty word is no file or directory, and not the working directory either
    (["put-file", "data", "master", "-c", "-f", ""], b"", 2, "'--file': it is empty"),
    (["put-file", "data", "master", "x", "-crf", ""], b"", 2, "'--file': it is empty"),
    (["import-archive", "data@master:/", "-f", ""], b"", 2, "'--file': it is empty"),
    (["get-file", "data", "master", "/dir/one.txt", "-o", ""], b"", 2, "'--output': it is empty"),
    (["export", "data@master", ""], b"", 2, "the path is empty"),
    (["backup", ""], b"", 2, "it is empty"),
    (["init", ""], b"", 2, "it is empty"),
    (["list-repo", "--store", ""], b"", 2, "'--store': it is empty"),
    (["--store", "", "list-repo"], b"", 2, "'--store': it is empty"),
    (["create-image", "new", ""], b"", 2, "it is empty"),
    (["mount", "data@master", ""], b"", 2, "the path is empty"),
    (["mount", "-w", "data@master", ""], b"", 2, "the path is empty"),
    (["unmount", ""], b"", 2, "it is empty"),
    (["commit", ""], b"", 2, "it is empty"),
    (["create-pipeline", "-f", ""], b"", 2, "'--file': it is empty"),
    (["list-datum", "-f", ""], b"", 2, "'--file': it is empty"),
    # specs
    (["create-pipeline"], b"", 2, "the file is empty"),
    (["create-pipeline"], b'{\n  "a": 1,\n  b}', 2, "line 3, column 3"),
    (["create-pipeline"], b'{\n  "a": 1,\n  b}', 2, "\n      b}\n      ^\n"),
    (["create-pipeline"], b"\xff\xfe{}", 2, "byte 0 is not UTF-8"),
    (["create-pipeline"], b"[]", 2, "a JSON object is needed"),
    (["create-pipeline"], spec(transform={}), 2, "transform.cmd: a command is needed"),
    (["create-pipeline"], spec(transform={"cmd": []}), 2, "a command is needed"),
    (["create-pipeline"], spec(transform={"comd": ["x"]}), 2, "did you mean 'cmd'?"),
    (["create-pipeline"], spec(frobnicate=1), 2, "unknown field `frobnicate`"),
    (["create-pipeline"], spec(service={}), 2, "field service: commands that run for ever"),
    (["create-pipeline"], spec(pipeline={"name": "a b"}), 2, "pipeline name 'a b' invalid"),
    (["create-pipeline"], spec(input={"pfs": {"repo": "gone", "glob": "/"}}), 2, "gone does not"),
    (["create-pipeline"], spec(inputs=[{"repo": {"name": "data"}}]), 2, "not both"),
    (["create-pipeline"], spec() + spec(pipeline={"name": "x"}, z=1), 2, "unknown field `z`"),
    (["create-pipeline"], spec() + spec(), 13, "pipeline new already exists"),
    (["create-pipeline"], spec(pipeline={"name": "copy"}), 13, "pipeline copy already exists"),
    (["create-pipeline"], spec(pipeline={"name": "other"}), 13, "repo other exists"),
    (["create-pipeline"], spec(pipeline={"name": "data"}), 2, "the pipeline's own output"),
    (["create-pipeline", "-f", "gone.json"], b"", 1, "gone.json: No such file"),
    (["create-pipeline", "-f", "folder"], b"", 1, "folder: Is a directory"),
    # words
    ([*("frobnicate", "x")], b"", 2, "there is no command 'frobnicate'"),
    (["list-repo", "x"], b"", 2, "unexpected extra argument"),
    (["list-repo", "--frobnicate"], b"", 2, "No such option"),
    (["get-file", "data", "master"], b"", 2, "the PATH is missing"),
    (["get-file", "data@master:/x", "y"], b"", 2, "'y' is one word too many"),
    (["mount", "data@master"], b"", 2, "the DIR is missing"),
    (["run", "--runner", "x"], b"", 2, "'x' is not one of"),
    (["delete-all"], b"y\n", 2, "say --yes"),
]


@pytest.mark.parametrize(("words", "stdin", "code", "sentence"), CASES)
def test_nothing_changes(
    words: list[str], stdin: bytes, code: int, sentence: str, filled, call, everything
) -> None:
    before = everything()
    result = call(*words, stdin=stdin)
    assert sentence in result.stderr
    assert result.stderr.startswith("pfs: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == b""
    assert result.code == code
    assert "\n  hint: " in result.stderr or "\n  usage: " in result.stderr or code == 1
    assert everything() == before


def test_a_new_repo_with_the_same_name_in_another_store_is_no_conflict(filled, pfs) -> None:
    pfs("init", "other")
    pfs("create-repo", "data", "--store", "other")
    assert pfs("--store", "other", "list-repo").rows[0]["SIZE"] == "0 B"


# --- stores ----------------------------------------------------------------------------------


def test_no_store_at_all(call, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("PFS_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    result = call("list-repo")
    assert result.code == 10
    assert "hold no store" in result.stderr
    assert "`pfs init DIR` makes a store" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("file", "is a file"), ("folder", "holds no store"), ("gone", "does not exist")],
)
def test_what_is_no_store(name: str, sentence: str, call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for words in (["--store", str(tmp_path / name), "list-repo"],
                  ["create-repo", "x", "--store", str(tmp_path / name)]):  # fmt: skip
        result = call(*words)
        assert result.code == 10
        assert f"{tmp_path / name} {sentence}" in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_store_of_a_newer_format(filled: Path, call) -> None:
    marker = filled / "format"
    newer = FORMAT_VERSION + 1
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"format": newer}))
    before = sorted(filled.iterdir()), (filled / "data.mdb").read_bytes()
    for words in (["list-repo"], ["create-repo", "x"]):
        result = call(*words)
        assert result.code == 14
        known = f"this pfslib knows format {FORMAT_VERSION}"
        assert f"store {filled} has format {newer}, {known}" in result.stderr
        assert "update pfslib" in result.stderr
    assert (sorted(filled.iterdir()), (filled / "data.mdb").read_bytes()) == before


def test_a_damaged_format_marker(filled: Path, call) -> None:
    (filled / "format").write_text("{")
    result = call("list-repo")
    assert result.code == 14
    assert "its format marker cannot be read" in result.stderr


@pytest.mark.parametrize("where", ["file", "full"])
def test_init_where_something_is(where: str, call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    result = call("init", str(tmp_path / where))
    assert result.code == 13
    assert str(tmp_path / where) in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_store_of_somebody_else(filled: Path, call) -> None:
    filled.chmod(0)
    try:
        result = call("list-repo")
    finally:
        filled.chmod(0o700)
    assert result.code == 1
    assert "may not open" in result.stderr


# --- mounts ----------------------------------------------------------------------------------


@pytest.mark.mount
@pytest.mark.parametrize(
    ("name", "sentence"),
    [("gone", "does not exist"), ("one.txt", "is not a directory"), ("full", "is not empty")],
)
def test_an_unfit_mount_point(name: str, sentence: str, filled, call, everything) -> None:
    Path("full/x").mkdir(parents=True)
    before = everything()
    result = call("mount", "data@master", name)
    assert result.code == 1
    assert f"mount point {Path(name).absolute()} {sentence}" in result.stderr
    assert everything() == before


@pytest.mark.mount
def test_a_mount_point_that_is_taken(filled, call, pfs) -> None:
    pfs("mount", "data@master", "folder")
    try:
        result = call("mount", "data", "master", "folder")
        assert result.code == 1
        assert "is a mount point already" in result.stderr
        assert "`pfs unmount" in result.stderr
        assert Path("folder/dir/one.txt").read_text() == "one"
    finally:
        pfs("unmount", "folder")
    assert call("unmount", "folder").code == 1


@pytest.mark.mount
def test_what_cannot_be_mounted(filled, call, everything) -> None:
    before = everything()
    for words, code in (
        (["data@nope"], 12),
        (["data", "nope"], 12),
        (["nope@master"], 12),
        (["data", "busy"], 13),
    ):
        assert call("mount", *words, "folder").code == code
    assert everything() == before


def test_what_is_not_mounted_is_not_unmounted(filled, call) -> None:
    for name in ("folder", "gone", "one.txt", "/"):
        result = call("unmount", name)
        assert result.code == 1
        assert "no mount" in result.stderr
