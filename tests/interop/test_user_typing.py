"""Strict type checkers of other people's projects understand the library, as it is installed.

The programs of the documents are such projects: what a reader copies passes, too.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from enum import Enum
from pathlib import Path
from textwrap import dedent

import pytest

import pfslib

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/howto/*.md")]
FENCE = re.compile(r"^```python([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Pages leave out the types of their own functions, and not everybody's library has types.
OF_PAGES = "# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code=import-untyped\n"

GOOD = """
    from pathlib import Path

    import pfslib


    def use(directory: Path) -> list[str]:
        with pfslib.open(directory, create=True) as store:
            repo = store.create_repo("repo", description="of a user")
            with repo.commit("master", message="why") as open_commit:
                skipped: list[str] = open_commit.put_file("/a", b"1")
                open_commit.put_file("/b", "text", append=True)
                open_commit.write_at("/a", 0, b"2")
                open_commit.delete_file("/b", missing_ok=True)
            commit = repo["master"]
            names = [info.path for info in commit.walk()] + skipped
            text: str = (commit / "a").read_text()
            data: bytes = commit.get_file("/a", 0, 10)
            with commit.open("/a") as file:
                data += file.read(3)
            with commit.open("/a", "r", encoding="utf-8") as lines:
                text += lines.readline()
            names += [entry.op + entry.path for entry in commit.diff()]
            names += [move.branch for move in store.reflog()]
            try:
                store.commit("x@y")
            except pfslib.RepoNotFoundError as error:
                names += [error.hint, error.repo]
            either = store["repo@master"]
            if isinstance(either, pfslib.Commit):
                names.append(either.id)
            names += [job.state for job in store.run()]
            with commit.mount() as mounted:
                text += (mounted / "a").read_text()
            names += [pipeline.name for pipeline in store.create_pipeline({})]
            print(store.gc(dry_run=True), text, data)
            return names
"""

OURS = ("good.py", "bad.py", "every.py")

BAD = """
    import pfslib

    store = pfslib.open(1.5)
    count: int = store.path
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """An environment that has the library as pip would put it there, not as a checkout."""
    home = tmp_path_factory.mktemp("user")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    (packages,) = (home / "venv/lib").glob("python*/site-packages")
    (packages / "pfslib").symlink_to(ROOT / "pfslib")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))
    (home / "good.py").write_text(dedent(GOOD))
    (home / "bad.py").write_text(dedent(BAD))
    (home / "every.py").write_text(every_name())
    return home


def every_name() -> str:
    """A program that looks at each public name, and at each public member of an instance."""
    common = {name for kind in (Exception, OSError, Enum, int, str) for name in dir(kind)}
    lines = ["import pfslib"]
    for name in set(pfslib.__all__) - {"__version__"}:
        lines.append(f"print(pfslib.{name})")
        if isinstance(kind := getattr(pfslib, name), type):
            members = sorted(set(dir(kind)) - common)
            lines.append(f"def look_at_{name}(it: pfslib.{name}) -> None:")
            lines += [f"    print(it.{member})" for member in members if member[0] != "_"]
            lines.append("    print(it)")
    return "\n".join([*lines, ""])


def programs() -> dict[str, str]:
    """What the pages show: the blocks of one together, unless they say that they stand alone."""
    found: dict[str, str] = {}
    for page in PAGES:
        for number, (words, code) in enumerate(FENCE.findall(page.read_text("utf-8"))):
            alone = f"_{number}" if {"script", "app"} & set(words.split()) else ""
            name = f"page_{page.stem.replace('-', '_')}{alone}.py"
            found[name] = found.get(name, OF_PAGES) + code
    cells = json.loads((ROOT / "docs/tutorial.ipynb").read_text("utf-8"))["cells"]
    code_cells = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return found | {"tutorial.py": "\n".join([OF_PAGES, *code_cells])}


def output_of(home: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_mypy(installed):
    python = installed / "venv/bin/python"
    shown = programs()
    assert len(shown) > 10
    for name, code in shown.items():
        (installed / name).write_text(code)
    strict = ("--strict", "--config-file=", "--python-executable", python)
    rows = output_of(installed, "mypy", *strict, *OURS, *shown).splitlines()
    assert [row.split(":")[0] for row in rows if "error:" in row] == ["bad.py"] * 2, rows


def test_pyright(installed):
    settings = {"typeCheckingMode": "strict", "venvPath": ".", "venv": "venv"}
    (installed / "pyrightconfig.json").write_text(json.dumps(settings))
    found = json.loads(output_of(installed, "basedpyright", "--outputjson", *OURS))
    errors = [row for row in found["generalDiagnostics"] if row["severity"] == "error"]
    assert [Path(row["file"]).name for row in errors] == ["bad.py"] * 2, errors
