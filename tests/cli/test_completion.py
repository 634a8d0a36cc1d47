"""Completion: what is offered, what it costs, and what a real bash makes of it."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
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
    heavy = {"pfslib.api.store", "pfslib.trees.edit", "pfslib.model.work", "docker", "tarfile"}
    for typed, more in {"data@m": {"pfslib.commits.refs"}, "data@master:/dir/d": set()}.items():
        script = (
            "import sys; from pfslib.cli.completing import main\n"
            f"main(['words', 'get-file', {typed!r}])\n"
            f"print(*{heavy | more!r} & sys.modules.keys(), file=sys.stderr)"
        )
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.startswith("more\tdata@master")
        assert done.stderr == "\n"


# --- real shells -----------------------------------------------------------------------------

STARTS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        'show() { printf "<%s\\2" "$READLINE_LINE"; }; bind -x \'"\\C-g": show\'\n',
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        'show() { printf "<%s\\2" "$BUFFER"; }; zle -N show; bindkey "^G" show\n'
        "autoload -U compinit; compinit -D -u; LISTMAX=0\n",
    ),
}


def need(shell: str) -> None:
    """Skip without a shell; but not in CI, where `.ci/run` has installed it, if it could."""
    installed = os.environ.get("CI") == "true" and os.geteuid() == 0
    if shutil.which(shell) is None and not installed:
        pytest.skip(f"no {shell}")


def environ_with_pfs(folder: Path) -> dict[str, str]:
    """The environment of a shell that finds `pfs`, and nobody's own settings."""
    program = folder / "bin/pfs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pfslib.cli "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "TERM": "dumb", "PS1": "", "HOME": str(folder)}


class Shell:
    """An interactive shell on a terminal, with `pfs` and its completion."""

    def __init__(self, name: str, folder: Path) -> None:
        command, setup = STARTS[name]
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environ_with_pfs(folder),
            start_new_session=True,
        )
        os.close(theirs)
        self.send(setup)
        self.send(f'eval "$(pfs completion {name})"; printf "%s" re; echo ady\n')
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
def shell(request: pytest.FixtureRequest, filled: Path, tmp_path: Path) -> Iterator[Shell]:
    need(request.param)
    shell = Shell(request.param, tmp_path)
    yield shell
    shell.close()


def test_a_name_that_would_not_come_through_is_not_offered(filled: Path, pfs, capsys) -> None:
    pfs("put-file", "data@master:/one\t1", stdin=b"1")
    capsys.readouterr()
    main(["words", "get-file", "data@master:/o"])
    assert capsys.readouterr().out == "word\tdata@master:/one.txt\t\n"


EVERYWHERE = [
    ("pfs inspect pi", "pfs inspect pipeline "),
    ("pfs get-file data@m", "pfs get-file data@master"),
    ("pfs get-file data@master:/o", "pfs get-file data@master:/one.txt "),
    ("pfs get-file data@master:/dir/a", "pfs get-file data@master:/dir/a\\ b.txt "),
    ("pfs get-file data@master:/dir/d", "pfs get-file data@master:/dir/deep/"),
    ("pfs put-file data@master:/x -f loc", "pfs put-file data@master:/x -f local\\ file "),
    ("pfs backup root", "pfs backup rootfs/"),
    ("pfs get-file data@master:/a\\ b/", "pfs get-file data@master:/a\\ b/it\\'s\\ \\$1 "),
    ("pfs get-file 'data@master:/dir/a", "pfs get-file 'data@master:/dir/a b.txt' "),
]
IN_BASH = [
    ("pfs get-file data@master:'/dir/a b", "pfs get-file data@master:'/dir/a b.txt' "),
    ("pfs get-file 'data@master:/dir/d", "pfs get-file 'data@master:/dir/deep/"),
    ("pfs get-file 'data@master:/a b/", "pfs get-file 'data@master:/a b/it'\\''s $1' "),
    ('pfs get-file "data@master:/a b/i', 'pfs get-file "data@master:/a b/it\'s \\$1" '),
    ("pfs get-file 'data@master:/a b/'i", "pfs get-file data@master:/a\\ b/it\\'s\\ \\$1 "),
    ("pfs get-file data@master:/o > loc", "pfs get-file data@master:/o > local\\ file "),
    ("pfs get-file 2>loc data@m", "pfs get-file 2>loc data@master"),
]


@pytest.mark.parametrize(
    ("shell", "typing"),
    [("bash", [*EVERYWHERE, *IN_BASH]), ("zsh", EVERYWHERE)],
    indirect=["shell"],
    ids=["bash", "zsh"],
)
def test_a_real_shell(shell: Shell, typing: list[tuple[str, str]], pfs) -> None:
    pfs("put-file", "data@master:/a b/it's $1", "--no-run", stdin=b"1")
    Path("local file").touch()
    for typed, line in typing:
        assert shell.complete(typed) == line


def test_a_real_fish(filled: Path, tmp_path: Path) -> None:
    need("fish")
    Path("local file").touch()
    offered = {
        "pfs inspect pi": ["pipeline\tShow one pipeline."],
        "pfs get-file data@m": ["data@master"],
        "pfs get-file data@master:/dir/": ["data@master:/dir/a b.txt", "data@master:/dir/deep/"],
        "pfs get-file data@master:/dir/a\\ ": ["data@master:/dir/a b.txt"],
        "pfs get-file 'data@master:/dir/a ": ["data@master:/dir/a b.txt"],
        'pfs get-file "data@master:/dir/a ': ["data@master:/dir/a b.txt"],
        "pfs put-file data@master:/x -f loc": ["local file"],
        "pfs backup root": ["rootfs/\tDirectory"],
    }
    asked = "".join(f"complete -C {shlex.quote(line)}; echo ==\n" for line in offered)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"pfs completion fish | source\n{asked}"],
        env=environ_with_pfs(tmp_path),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = [part.strip("\n").split("\n") for part in done.stdout.split("==\n")[:-1]]
    assert dict(zip(offered, answers, strict=True)) == offered
