"""What one sees before one knows anything: help, near misses, and that they come at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

import pfslib
from pfslib.cli.commands import COMMANDS
from pfslib.cli.main import cli
from pfslib.model.encoding import FORMAT_VERSION
from pfslib.mounts.unmounting import unmount

HEAVY = ("docker", "fuse", "rich", "pyfastcdc", "lmdb", "msgspec", "zstandard", "pfslib.api.store")


def test_help_lists_every_command_once(call) -> None:
    result = call("--help")
    assert result.code == 0
    listed = [line.split()[0] for line in result.text.splitlines() if line.startswith("  ")]
    for name in COMMANDS:
        assert listed.count(name) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_itself(name: str, call) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name].summary
    verb, _, noun = name.partition("-")
    result = call(*filter(None, (verb, noun)), "--help")
    assert result.code == 0
    assert result.text.startswith(f"Usage: pfs {name} ")
    assert "--store" in result.text
    assert "--json" in result.text


def test_help_is_a_command_too(call) -> None:
    everything = call("--help").text
    assert call("-h").text == call("help").text == everything
    one = call("put-file", "--help").text
    for words in (["help", "put-file"], ["help", "put", "file"], ["put", "file", "-h"]):
        assert call(*words).text == one
    assert call("help", "diff").text == call("diff", "-h").text == call("diff-file", "-h").text
    for words, sentence in ((["put"], "put what? One of: file"), (["lst-repo"], "did you mean")):
        result = call("help", *words)
        assert (result.code, sentence in result.stderr) == (2, True)


def test_alone_it_shows_six_commands_and_an_example(call) -> None:
    result = call()
    assert result.code == 0
    example = [line for line in result.text.splitlines() if line.startswith("  $ pfs")]
    shown = [line for line in result.text.splitlines() if line.startswith("  pfs")]
    assert len(shown) == 6
    assert example
    for line in shown:
        assert line.split()[1] in COMMANDS


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["lst-repo"], "list-repo"),
        (["list", "repoo"], "list-repo"),
        (["putfile", "projects"], "put-file"),
        (["mont"], "mount"),
        (["stauts"], "status"),
        (["dfif"], "diff"),
        (["git-export"], "export-git"),
        (["repo", "list"], "list-repo"),
    ],
)
def test_a_near_miss_is_told(words: list[str], near: str, call) -> None:
    result = call(*words)
    assert result.code == 2
    assert f"did you mean '{near}'?" in result.stderr


def test_a_lone_verb_is_asked_for_its_noun(call) -> None:
    result = call("inspect")
    assert result.code == 2
    assert "inspect what? One of: repo, branch, commit, file, pipeline, job" in result.stderr


def test_versions(call) -> None:
    assert call("version").text.split() == [
        *("COMPONENT", "VERSION", "pfs", pfslib.__version__, "pfslib", pfslib.__version__),
        *("store", "format", str(FORMAT_VERSION)),
    ]
    assert call("--version").text == f"pfs {pfslib.__version__}\n"


def test_as_a_module_it_is_the_same_command() -> None:
    command = [sys.executable, "-m", "pfslib.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"pfs {pfslib.__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, pfslib.cli.main as m\n"
        "try: m.main(['--help'])\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "put-file" in done.stdout
    assert done.stderr == "[]\n"


def test_the_help_of_a_command_imports_nothing_that_opens_a_store() -> None:
    """Each of these takes longer to import than all that help needs."""
    heavy = {*HEAVY, "tarfile", "zipfile", "pfslib.trees", "pfslib.commits"} - {"msgspec"}
    script = (
        "import sys\n"
        "from pfslib.cli.main import cli\n"
        "for name in cli.list_commands(None):\n"
        "    cli.get_command(None, name)\n"
        f"    found = {heavy} & sys.modules.keys()\n"
        "    assert not found, (name, found)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.mount
def test_a_mount_imports_nothing_of_pipelines(tmp_path: Path) -> None:
    """They were a quarter of the time that `pfs mount` took."""
    with pfslib.init(tmp_path / "store") as store, store.create_repo("r").commit() as making:
        making.put_file("/f", b"first")
    (point := tmp_path / "mnt").mkdir()
    script = (
        "import os, sys\n"
        "from pfslib.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    words = ["--store", tmp_path / "store", "mount", "r@master", point]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    try:
        assert (point / "f").read_bytes() == b"first"
    finally:
        unmount(point)
    loaded = done.stdout.split()
    assert "pfslib.mounts.mounting" in loaded
    assert not [name for name in loaded if name.startswith(("pfslib.pipelines", "docker"))]


@pytest.mark.parametrize("columns", [40, 80])
def test_help_is_no_wider_than_the_terminal(columns: int, call, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (["--help"], *([name, "--help"] for name in COMMANDS)):
        for line in call(*words).text.splitlines():
            assert len(line) <= columns or line.startswith("  -") or len(line.split()) == 1
