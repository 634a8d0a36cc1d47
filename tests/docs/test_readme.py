"""Every example of the README is run, and prints what the README says.

Python blocks share one namespace and one working directory, and so do shell sessions, each in the
order of the page. The words after the language of a block say what it needs: `mount`, `sandbox`.
A `text prints` block is what the Python block before it prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pfslib.mounts.mountinfo import list_mounts
from pfslib.mounts.unmounting import unmount
from pfslib.pipelines.sandbox_runner import sandbox_available

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


class Block(NamedTuple):
    """A fenced block."""

    line: int
    """Of its first line of content."""

    language: str
    needs: tuple[str, ...]
    text: str


def blocks() -> list[Block]:
    found: list[Block] = []
    fence = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    page = README.read_text("utf-8")
    for match in fence.finditer(page):
        line = page[: match.start(3)].count("\n") + 1
        found.append(Block(line, match[1], tuple(match[2].split()), match[3]))
    return found


def of_language(language: str) -> list[object]:
    return [
        pytest.param(
            block,
            id=f"line-{block.line}",
            marks=[getattr(pytest.mark, need) for need in block.needs],
        )
        for block in blocks()
        if block.language == language
    ]


def provide(needs: tuple[str, ...]) -> None:
    """Skip if the machine lacks what a block needs."""
    lacking = "no /dev/fuse" if "mount" in needs and not Path("/dev/fuse").exists() else ""
    lacking = lacking or (sandbox_available() if "sandbox" in needs else "")
    if lacking:
        pytest.skip(lacking)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with the examples, as in a checkout; what was mounted in it goes."""
    work = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", work / "examples")
    yield work
    for mount in list_mounts():
        if mount.path.is_relative_to(work):
            unmount(mount.path, lazy=True)


# --- what varies -----------------------------------------------------------------------------

VARIES = re.compile(
    r"(?P<id>\b[0-9a-f]{32}\b)"
    r"|(?P<time>(?:About an? |Less than a |\d+ )(?:second|minute|hour)s?(?: ago)?)"
    r"|(?P<any>…)"
    r"|(?P<blank>[ \t]+)"
)
TIME = r"(?:About an? |Less than a |\d+ )(?:second|minute|hour)s?(?: ago)?"


class Ids:
    """Which id of a run stands for which of the page."""

    def __init__(self) -> None:
        self.real: dict[str, str] = {}

    def in_command(self, command: str) -> str:
        for shown, real in self.real.items():
            command = command.replace(shown, real)
        return command

    def match(self, shown: str, printed: str) -> bool:
        """Whether a printed line is one that the page shows; learns the ids in it."""
        pattern, at, new = "", 0, []
        for varying in VARIES.finditer(shown.rstrip()):
            pattern += re.escape(shown[at : varying.start()])
            at = varying.end()
            if varying["id"] and varying["id"] not in self.real and varying["id"] not in new:
                new.append(varying["id"])
                pattern += "([0-9a-f]{32})"
            elif varying["id"]:
                known = varying["id"]
                pattern += self.real.get(known) or rf"\{new.index(known) + 1}"
            else:
                pattern += {"time": TIME, "any": ".*", "blank": r"\s+"}[varying.lastgroup or ""]
        found = re.fullmatch(pattern + re.escape(shown.rstrip()[at:]), printed.rstrip())
        if found:
            self.real |= dict(zip(new, found.groups(), strict=True))
        return found is not None


def check(shown: list[str], printed: list[str], ids: Ids, where: str) -> None:
    same = len(shown) == len(printed) and all(
        ids.match(line, real) for line, real in zip(shown, printed, strict=True)
    )
    assert same, "\n".join([where, "the README shows:", *shown, "what came was:", *printed])


# --- Python ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def namespace(work: Path) -> Iterator[dict[str, object]]:
    with contextlib.chdir(work):
        yield {}


def printed_by(block: Block) -> list[str] | None:
    """What the page says that a block prints; None if it does not say."""
    following = [other for other in blocks() if other.line > block.line]
    if following and following[0].language == "text" and following[0].needs == ("prints",):
        return following[0].text.splitlines()
    return None


@pytest.mark.parametrize("block", of_language("python"))
def test_python(block: Block, namespace: dict[str, object]):
    provide(block.needs)
    code = compile("\n" * (block.line - 1) + block.text, str(README), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    expected = printed_by(block)
    if expected is not None:
        check(expected, printed.getvalue().splitlines(), Ids(), f"README.md:{block.line}")


# --- the shell -------------------------------------------------------------------------------

END = "--- end of the command ---"


class Shell:
    """A shell that takes one command after another."""

    def __init__(self, directory: Path) -> None:
        environ = {name: text for name, text in os.environ.items() if not name.startswith("PFS_")}
        environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
        self.ids = Ids()
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=directory,
            env=environ | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> list[str]:
        """The lines that a command prints, on either stream."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null\necho; echo '{END}'\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if line == f"{END}\n":
                break
            lines.append(line.rstrip("\n"))
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def close(self) -> None:
        try:
            self._bash.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._bash.kill()
            self._bash.communicate()


@pytest.fixture(scope="module")
def shell(work: Path) -> Iterator[Shell]:
    shell = Shell(work)
    yield shell
    shell.close()


def steps(session: str) -> list[tuple[str, list[str]]]:
    """The commands of a session, each with what it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


@pytest.mark.parametrize("block", of_language("console"))
def test_shell(block: Block, shell: Shell):
    provide(block.needs)
    for command, shown in steps(block.text):
        printed = shell.run(shell.ids.in_command(command))
        check(shown, printed, shell.ids, f"README.md:{block.line}: $ {command}")


def test_every_block_is_run_or_only_shown():
    assert {block.language for block in blocks()} == {"python", "console", "sh", "text"}
