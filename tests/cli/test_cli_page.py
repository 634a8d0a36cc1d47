"""docs/cli.md names every command, and every document that a command prints has the shape there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from pfslib.cli.commands import ALIASES, COMMANDS, SECTIONS
from pfslib.cli.failures import INTERRUPTED, TERMINATED
from pfslib.model import errors
from pfslib.model.encoding import FORMAT_VERSION

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text("utf-8")
PLACEHOLDERS = {
    "ID": "[0-9a-f]{32}",
    "DIGEST": "[0-9a-f]{64}",
    "TIME": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
}
SHAPES = {
    title: json.loads(block)
    for title, block in re.findall(
        r"^#### (\w+)\n(?:.*?)^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
}
ROW = re.compile(r"^\| `([\w-]+)` \| (.*?) \| (?:(lines of) )?(\w+) \|$", re.MULTILINE)
JSON_OF = {name: (bool(lines), shape) for name, _, lines, shape in ROW.findall(PAGE)}

THAT_RUN_OR_MOUNT = {
    *("run", "get-logs", "list-provenance", "list-subvenance", "flush-commit"),
    *("list-datum", "explain-job", "explain-file"),
    *("mount", "list-mount", "unmount", "commit"),
}

SPEC = {
    "pipeline": {"name": "copy"},
    "transform": {"cmd": ["sh"], "stdin": ["cp -r /pfs/data/. /pfs/out; echo done"]},
    "input": {"pfs": {"repo": "data", "glob": "/"}},
}


def test_every_command_is_there_with_its_sentence() -> None:
    shown = {
        title: {name: summary for name, summary, _, _ in ROW.findall(section)}
        for title, section in re.findall(
            r"^### ([^\n]+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL
        )
    }
    known = {
        title: {name: place.summary for name, place in commands.items()}
        for title, commands in SECTIONS.items()
    }
    assert {title: list(rows.items()) for title, rows in shown.items()} == {
        title: list(rows.items()) for title, rows in known.items()
    }
    for alias, name in ALIASES.items():
        assert re.search(rf"`pfs {alias}` is\s`pfs {name}`", PAGE)


def test_every_exit_code_is_there() -> None:
    section = PAGE.partition("## Exit codes")[2].partition("\n## ")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = {kind.exit_code for kind in kinds if issubclass(kind, errors.PfsError)}
    assert listed == {0, INTERRUPTED, TERMINATED} | raised


def test_every_shape_is_one_of_a_command() -> None:
    assert {shape for _, shape in JSON_OF.values()} - {"none"} == {*SHAPES} - {"Totals"}


def test_the_format_is_the_one_that_is_made() -> None:
    assert SHAPES["Made"]["format"] == FORMAT_VERSION


def check(found: object, shown: object, where: str) -> None:
    """Compare keys, their order and the kinds of their values; null is of every kind."""
    if found is None or shown is None:
        return
    assert type(found) is type(shown), where
    if isinstance(found, dict) and isinstance(shown, dict) and shown:
        assert list(found) == list(shown), where
        for key, value in shown.items():
            check(found[key], value, f"{where}.{key}")
    elif isinstance(found, list) and isinstance(shown, list):
        for item in found:
            check(item, shown[0] if shown else item, f"{where}[]")
    elif isinstance(shown, str) and re.search(r"\b(ID|DIGEST|TIME)\b", shown):
        pattern = re.sub(r"\w+", lambda word: PLACEHOLDERS.get(word[0], r"[\w.-]+"), shown)
        assert re.fullmatch(pattern, str(found)), where


def check_json(name: str, stdout: bytes) -> None:
    lines, shape = JSON_OF[name]
    if shape == "none":
        return
    documents = (
        [json.loads(line) for line in stdout.splitlines()] if lines else [json.loads(stdout)]
    )
    if name == "list-mount":  # others may have mounts, too
        documents = [row for row in documents if Path(row["path"]).is_relative_to(Path.cwd())]
    else:
        assert documents, name
    for document in documents:
        check(document, SHAPES[shape], name)


@pytest.fixture
def said(store: Path, pfs):
    """Call a command with --json and check what it prints against the page."""
    done: set[str] = set()

    def said(name: str, *words: str, stdin: bytes = b"") -> bytes:
        found = pfs(*name.split("-"), *words, "--json", stdin=stdin).stdout
        check_json(name, found)
        done.add(name)
        return found

    said.done = done  # type: ignore[attr-defined]
    return said


def put(said, message: str = "why", path: str = "/one.txt") -> str:
    found = said("put-file", "data", "master", path, "-c", "-m", message, stdin=message.encode())
    commit: str = json.loads(found)["id"]
    return commit


def test_commands_print_what_the_page_shows(said, pfs, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    said("init", "other")
    said("create-repo", "data", "-d", "for tests")
    commits = [put(said, "one"), put(said, "two"), put(said, "three", "/dir/three.txt")]
    use_heads(said, commits)
    use_files(said, pfs, commits)
    use_history(said, pfs, commits)
    use_pipelines_and_images(said, pfs)
    use_exchange(said)
    said("status")
    said("delete-repo", "data")
    said("delete-all", "--yes")
    assert said.done == {*COMMANDS} - THAT_RUN_OR_MOUNT


def use_heads(said, commits: list[str]) -> None:
    said("create-branch", "data", "dev", "--head", commits[0])
    said("move-branch", "data", "dev", "--head", commits[1])
    for name in ("inspect-branch", "delete-branch"):
        said(name, "data", "dev")
    said("create-tag", "data", "v1")
    for name in ("list-branch", "list-tag", "list-commit", "inspect-repo"):
        said(name, "data")
    said("delete-tag", "data", "v1")
    for name in ("list-repo", "list-reflog", "stats", "fsck", "gc", "version"):
        said(name)


def use_files(said, pfs, commits: list[str]) -> None:
    check(pfs("help", "put", "file", "--json").json, SHAPES["Command"], "help put file")
    for name in ("config-list", "config-get"):
        said(name, *(["runner"] if name == "config-get" else []))
    said("config-set", "runner", "local")
    said("config-unset", "runner")
    for shell in ("bash", "zsh", "fish"):
        said("completion", shell)
    said("help")
    said("copy-file", "data@master^:/one.txt", "data@master:/copied")
    said("wait-commit", "data", "master")
    said("find-commit", "data", "master", "/one.txt")
    said("log")
    for change in pfs("log", "data@master:/one.txt", "--json").json_lines:
        check(change, SHAPES["FoundCommit"], "log with a path")
    for name in ("list-file", "diff-file", "inspect-commit"):
        said(name, "data", "master")
    totals = pfs("diff", "data@master", f"data@{commits[0]}", "--stat", "--json").json
    check(totals, SHAPES["Totals"], "diff --stat")
    for difference in pfs("diff", f"data@{commits[1]}", "--text", "--json").json_lines:
        check(difference, {**SHAPES["Difference"], "text": ""}, "diff --text")
    said("inspect-file", "data", "master", "/dir")
    said("glob-file", "data", "master", "/*")
    said("export", "data", "master", "out")
    assert said("get-file", "data", "master", "/one.txt") == b"two"


def use_history(said, pfs, commits: list[str]) -> None:
    said("squash-commit", "data", commits[1])
    said("delete-file", "data@master:/copied")
    said("drop-commit", "data", "master")
    plan = pfs("delete-repo", "data", "--dry-run", "--json").json
    check(plan, SHAPES["Removal"], "delete-repo --dry-run")
    said("start-commit", "data", "master")
    said("put-file", "data", "master", "x", stdin=b"x")
    said("finish-commit", "data", "master")
    said("start-commit", "data", "master")
    said("delete-commit", "data", "master")
    said("backup", "copy")
    said("recover")


def use_pipelines_and_images(said, pfs) -> None:
    said("create-pipeline", "--no-run", stdin=json.dumps(SPEC).encode())
    said("list-job")
    said("inspect-job", pfs("list-job", "--json").json["id"])
    said("list-pipeline")
    said("inspect-pipeline", "copy")
    for name in ("stop-pipeline", "start-pipeline", "tick-pipeline", "rerun-pipeline"):
        said(name, "copy", *([] if name == "stop-pipeline" else ["--no-run"]))
    said("update-pipeline", "--no-run", stdin=json.dumps(SPEC).encode())
    said("schema-pipeline")
    job = pfs("list-job", "--json").json_lines[0]["id"]
    said("cancel-job", job)
    said("rerun-job", job, "--no-run")
    assert pfs("delete-job", job, "--dry-run").text == f"would delete job {job}\n"
    said("delete-job", job)
    said("delete-pipeline", "copy")
    Path("rootfs").mkdir()
    Path("rootfs/tool").write_text("tool")
    said("create-image", "tools", "rootfs")
    said("list-image")
    said("delete-image", "tools")


def use_exchange(said) -> None:
    archive = said("export-archive", "data", "master")
    said("import-archive", "data@archived:/", stdin=archive)
    said("split-file", "data@split:/rows", stdin=b"a\nb\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=b", "-C", "history"]
    subprocess.run(["git", "init", "-q", "history"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    said("import-git", "history", "data", "git")
    said("export-git", "data", "out.git", "git")
    said("draw")


@pytest.mark.mount
@pytest.mark.sandbox
def test_commands_that_run_or_mount_print_what_the_page_shows(said, pfs, tmp_path: Path) -> None:
    pfs("create-repo", "data")
    put(said)
    pfs("create-pipeline", "--no-run", stdin=json.dumps(SPEC).encode())
    job = json.loads(said("run"))["id"]
    said("get-logs", job)
    said("list-datum", job)
    said("explain-job", job)
    said("explain-file", "copy", "master", "/one.txt")
    said("flush-commit", "data", "master")
    said("list-provenance", "copy", "master")
    said("list-subvenance", "data", "master")
    said("inspect-commit", "data", "master")
    (tmp_path / "view").mkdir()
    try:
        said("mount", "copy@master", "view")
        said("list-mount")
    finally:
        said("unmount", "view")
    (tmp_path / "edited").mkdir()
    pfs("mount", "-w", "data@master", "edited")
    (tmp_path / "edited/new").write_text("new")
    said("commit", "edited", "--no-run")
    assert pfs("unmount", "edited", "--json").json is None
    assert said.done >= THAT_RUN_OR_MOUNT
