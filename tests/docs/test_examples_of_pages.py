"""Every example of the README and of the how-to pages is run, and prints what the page says.

The Python blocks of a page share one namespace and one working directory, and so do its shell
sessions, each in the order of the page. The words after the language of a block say what it needs:
`mount`, `sandbox`, `docker`. A `text prints` block is what the Python block before it prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import pfslib
from pfslib.interop.filesystem import PfsFileSystem
from pfslib.mounts.mountinfo import list_mounts
from pfslib.mounts.unmounting import unmount
from pfslib.runners.docker_runner import docker_available
from pfslib.runners.sandbox_runner import sandbox_available

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/howto/*.md"))]
IMAGE = "busybox"  # of pages about containers: made here when there is none


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    line: int
    """Of its first line of content."""

    language: str
    needs: tuple[str, ...]
    text: str

    @property
    def where(self) -> str:
        """What it is called when it fails."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    found: list[Block] = []
    fence = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    text = page.read_text("utf-8")
    for match in fence.finditer(text):
        line = text[: match.start(3)].count("\n") + 1
        found.append(Block(page, line, match[1], tuple(match[2].split()), match[3]))
    return found


def of_language(language: str) -> list[object]:
    return [
        pytest.param(
            block,
            id=f"{page.stem}-{block.line}",
            marks=[getattr(pytest.mark, need) for need in block.needs],
        )
        for page in PAGES
        for block in blocks_of(page)
        if block.language == language
    ]


@pytest.fixture(scope="module")
def image() -> Iterator[None]:
    """The image of the pages, unless the engine has it: of the commands that are here."""
    if docker_available():
        yield
        return
    import docker

    client = docker.APIClient(**docker.utils.kwargs_from_env())
    missing = not client.images(IMAGE)
    if missing:
        make = runpy.run_path(str(ROOT / "tests/contract/conftest.py"))["image_archive"]
        archive = make(("sh", "sort", "basename", "cat"))
        client.import_image_from_data(archive, repository=IMAGE, tag="latest")
    yield
    if missing:
        client.remove_image(IMAGE, force=True)
    client.close()


def provide(needs: tuple[str, ...]) -> None:
    """Skip if the machine lacks what a block needs."""
    lacking = "no /dev/fuse" if "mount" in needs and not Path("/dev/fuse").exists() else ""
    lacking = lacking or (sandbox_available() if "sandbox" in needs else "")
    lacking = lacking or (docker_available() if "docker" in needs else "")
    if lacking:
        pytest.skip(lacking)


def test_the_readme_says_what_its_examples_need_besides():
    text = (ROOT / "README.md").read_text("utf-8")
    code = "".join(block.text for block in blocks_of(ROOT / "README.md") if "py" in block.language)
    needed = set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE))
    needed -= {"pfslib", *sys.stdlib_module_names}
    assert needed == set(re.findall(r"`pip install (\w+)`", text))


class Places:
    """A working directory, a namespace and a shell for each page."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._shells: dict[Path, Shell] = {}
        self._namespaces: dict[Path, dict[str, object]] = {}

    def work(self, page: Path) -> Path:
        """A directory with the examples, as in a checkout."""
        work = self.top / page.stem
        if not work.exists():
            shutil.copytree(ROOT / "examples", work / "examples")
        return work

    def namespace(self, page: Path) -> dict[str, object]:
        """What the Python blocks of a page share; the stores of the page before are closed."""
        if page not in self._namespaces:
            self._close_stores()
            self._namespaces = {page: {"__name__": "__main__"}}
        return self._namespaces[page]

    def shell(self, page: Path) -> Shell:
        """What its shell sessions share."""
        if page not in self._shells:
            self._shells[page] = Shell(self.work(page))
        return self._shells[page]

    def clear(self) -> None:
        """End the shells, close the stores, and unmount what they left."""
        self._close_stores()
        for shell in self._shells.values():
            shell.close()
        for mount in list_mounts():
            if mount.path.is_relative_to(self.top):
                unmount(mount.path, lazy=True)

    def _close_stores(self) -> None:
        PfsFileSystem.clear_instance_cache()
        for namespace in self._namespaces.values():
            for value in namespace.values():
                if isinstance(value, pfslib.Store):
                    value.close()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    places = Places(tmp_path_factory.mktemp("pages"))
    yield places
    places.clear()


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
    assert same, "\n".join([where, "the page shows:", *shown, "what came was:", *printed])


# --- Python ----------------------------------------------------------------------------------


def printed_by(block: Block) -> list[str] | None:
    """What the page says that a block prints; None if it does not say."""
    following = [other for other in blocks_of(block.page) if other.line > block.line]
    if following and following[0].language == "text" and following[0].needs == ("prints",):
        return following[0].text.splitlines()
    return None


@pytest.mark.parametrize("block", of_language("python"))
def test_python(
    block: Block,
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
):
    provide(block.needs)
    if "docker" in block.needs:
        request.getfixturevalue("image")
    code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
    monkeypatch.chdir(places.work(block.page))
    monkeypatch.setattr(tempfile, "tempdir", str(places.top))  # run_here leaves what it made
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, places.namespace(block.page))
    expected = printed_by(block)
    if expected is not None:
        check(expected, printed.getvalue().splitlines(), Ids(), block.where)


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
def test_shell(block: Block, places: Places):
    provide(block.needs)
    shell = places.shell(block.page)
    for command, shown in steps(block.text):
        printed = shell.run(shell.ids.in_command(command))
        check(shown, printed, shell.ids, f"{block.where}: $ {command}")


def test_every_block_is_run_or_only_shown():
    languages = {block.language for page in PAGES for block in blocks_of(page)}
    assert languages <= {"python", "console", "sh", "text"}
