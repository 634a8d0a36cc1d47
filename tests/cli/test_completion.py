"""Completion: what is offered, what it costs, and what a real bash makes of it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pfslib.cli.commands import COMMANDS
from pfslib.cli.completing import candidates, main
from pfslib.kv.preferences import SETTINGS


@pytest.fixture
def filled(store: Path, pfs) -> Path:
    """Two repos, two branches, a tag, a pipeline and an image."""
    for repo in ("data", "docs"):
        pfs("create-repo", repo)
    for path in ("/one.txt", "/dir/a b.txt", "/dir/deep/x", "/dirty"):
        pfs("put-file", f"data@master:{path}", stdin=b"1")
    pfs("create-branch", "data", "dev")
    pfs("create-tag", "data", "v1")
    pfs("start-commit", "data", "draft")
    spec = b'{"pipeline": {"name": "copy"}, "transform": {"cmd": ["true"]}, ' \
           b'"input": {"pfs": {"repo": "data", "glob": "/"}}}'  # fmt: skip
    pfs("create-pipeline", "--no-run", stdin=spec)
    Path("rootfs").mkdir()
    pfs("create-image", "tools", "rootfs")
    return store


REPOS = ["copy", "data", "docs"]
REFS = ["dev", "draft", "master", "v1"]
CASES = [
    ("", list(COMMANDS)),
    ("put", ["put-file"]),
    ("put ", ["file"]),
    ("--store x delete im", ["image"]),
    ("--js", ["--json"]),
    ("get file --o", ["--output", "--offset"]),
    ("list-repo ", []),
    ("nonsense ", []),
    # places, as one word and as several
    ("get-file d", ["data", "docs"]),
    ("get-file data@", [f"data@{ref}" for ref in REFS]),
    ("get-file data@m", ["data@master"]),
    ("get-file data@master:", ["data@master:/dir/", "data@master:/dirty", "data@master:/one.txt"]),
    ("get-file data@master:/dir", ["data@master:/dir/", "data@master:/dirty"]),
    ("get-file data@master^:/dir/", ["data@master^:/dir/a b.txt", "data@master^:/dir/deep/"]),
    ("get-file data@master /o", ["/one.txt"]),
    ("get-file data master dir/d", ["dir/deep/"]),
    ("get-file data ", REFS),
    ("diff data@dev data@ma", ["data@master"]),
    ("copy-file data@master:/o", ["data@master:/one.txt"]),
    ("inspect repo ", REPOS),
    ("delete-branch data dr", ["draft"]),
    ("create-repo ", []),
    ("inspect-pipeline ", ["copy"]),
    ("delete-image ", ["tools"]),
    # values of options
    ("run --runner ", ["auto", "local", "docker"]),
    ("list-job -p ", ["copy"]),
    ("move-branch data dev --head v", ["v1"]),
    ("put-file data master x -cf ", ["<file>"]),
    ("put-file -m ", []),
    ("--store ", ["<dir>"]),
    # what is not in a store
    ("export data@master /one", ["<dir>", "/one.txt"]),
    ("init ", ["<dir>"]),
    ("config-get ", list(SETTINGS)),
    ("config set run", ["runner"]),
    ("config set runner d", ["docker"]),
    ("config set egress ", ["<dir>"]),
    ("completion ", ["bash", "zsh", "fish"]),
    ("help put ", ["file"]),
]


def test_what_is_offered(filled: Path) -> None:
    for line, offered in CASES:
        found = [text or f"<{kind}>" for kind, text, _ in candidates(line.split(" "))]
        assert found == offered, line


def test_jobs_are_offered_newest_first(filled: Path, pfs) -> None:
    pfs("put-file", "data@master:/x", "--no-run", stdin=b"1")
    pfs("run", "--json")
    jobs = [row["id"] for row in pfs("list-job", "--json").json_lines]
    assert [found.text for found in candidates(["inspect-job", ""])] == jobs
    assert len(jobs) == 2


def test_trouble_is_kept_to_itself(filled: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    main(["words", "get-file", "data@gone:"])
    monkeypatch.delenv("PFS_STORE", raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    main([])
    main(["bash", "pfs"])
    for words in (["get-file", "data@m"], ["mount", "x"], ["--store", "gone", "inspect-repo", ""]):
        main(["words", *words])
    assert capsys.readouterr() == ("dir\t\t\n", "")


def test_without_a_shell_it_names_those_that_there_are(call) -> None:
    result = call("completion")
    assert (result.code, "Choose from: bash, zsh, fish\n" in result.stderr) == (2, True)


def test_names_are_read_without_what_opens_a_store(filled: Path) -> None:
    """It is called whenever somebody presses a key."""
    heavy = {"pfslib.api.store", "pfslib.commits.refs", "pfslib.trees.edit", "docker", "tarfile"}
    script = (
        "import sys; from pfslib.cli.completing import main\n"
        "main(['words', 'get-file', 'data@m'])\n"
        f"assert not {heavy} & sys.modules.keys(), {heavy} & sys.modules.keys()"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command) == b"more\tdata@master\t\n"


# --- bash ------------------------------------------------------------------------------------


class Bash:
    """An interactive bash on a terminal, with `pfs` and its completion."""

    def __init__(self, folder: Path) -> None:
        program = folder / "bin/pfs"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pfslib.cli "$@"\n')
        program.chmod(0o755)
        self.terminal, theirs = pty.openpty()
        environ = {
            **os.environ,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "TERM": "dumb",
            "PS1": "",
        }
        command = ["bash", "--norc", "--noprofile", "-i"]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True
        )
        os.close(theirs)
        self.send('show() { printf "<%s\\2" "$READLINE_LINE"; }; bind -x \'"\\C-g": show\'\n')
        self.send('eval "$(pfs completion bash)"; printf "%s" re; echo ady\n')
        self.until(rb"ready")

    def complete(self, typed: str) -> str:
        """The line, when somebody has typed this and pressed the tabulator."""
        self.send(f"{typed}\t\x07")
        line = self.until(rb"<(pfs [^\x02]*)\x02").decode()
        self.send("\x15")
        return line

    def send(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, pattern: bytes) -> bytes:
        seen = b""
        while not (found := re.search(pattern, seen)):
            assert select.select([self.terminal], [], [], 20)[0], seen
            seen += os.read(self.terminal, 4096)
        return found[found.re.groups]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def bash(filled: Path, tmp_path: Path) -> Iterator[Bash]:
    shell = Bash(tmp_path)
    yield shell
    shell.close()


def test_a_name_that_would_not_come_through_is_not_offered(filled: Path, pfs, capsys) -> None:
    pfs("put-file", "data@master:/one\t1", stdin=b"1")
    capsys.readouterr()
    main(["words", "get-file", "data@master:/o"])
    assert capsys.readouterr().out == "word\tdata@master:/one.txt\t\n"


def test_a_real_bash(bash: Bash, pfs) -> None:
    pfs("put-file", "data@master:/a b/it's $1", "--no-run", stdin=b"1")
    Path("local file").touch()
    for typed, line in [
        ("pfs inspect pi", "pfs inspect pipeline "),
        ("pfs get-file data@m", "pfs get-file data@master"),
        ("pfs get-file data@master:/o", "pfs get-file data@master:/one.txt "),
        ("pfs get-file data@master:/dir/a", "pfs get-file data@master:/dir/a\\ b.txt "),
        ("pfs get-file data@master:/dir/d", "pfs get-file data@master:/dir/deep/"),
        ("pfs put-file data@master:/x -f loc", "pfs put-file data@master:/x -f local\\ file "),
        ("pfs backup root", "pfs backup rootfs/"),
        ("pfs get-file data@master:/a\\ b/", "pfs get-file data@master:/a\\ b/it\\'s\\ \\$1 "),
        ("pfs get-file 'data@master:/dir/a", "pfs get-file 'data@master:/dir/a b.txt' "),
        ("pfs get-file data@master:'/dir/a b", "pfs get-file data@master:'/dir/a b.txt' "),
        ("pfs get-file 'data@master:/dir/d", "pfs get-file 'data@master:/dir/deep/"),
        ("pfs get-file 'data@master:/a b/", "pfs get-file 'data@master:/a b/it'\\''s $1' "),
        ('pfs get-file "data@master:/a b/i', 'pfs get-file "data@master:/a b/it\'s \\$1" '),
        ("pfs get-file 'data@master:/a b/'i", "pfs get-file data@master:/a\\ b/it\\'s\\ \\$1 "),
        ("pfs get-file data@master:/o > loc", "pfs get-file data@master:/o > local\\ file "),
        ("pfs get-file 2>loc data@m", "pfs get-file 2>loc data@master"),
    ]:
        assert bash.complete(typed) == line
