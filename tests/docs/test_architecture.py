"""docs/architecture.md has a line for every module, and none for a module that is not there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
FOLDERS = sorted(
    {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("pfslib/*/*.py")}
    | {"fuse/pfsfuse"}
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_map_of_a_folder(folder: str):
    section = re.search(rf"^### {folder}: .*?\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"docs/architecture.md has no map of {folder}"
    cells = re.findall(r"^\| ([^|]+) \|", section[1], re.MULTILINE)
    described = {name for cell in cells for name in re.findall(r"`(\w+\.py)`", cell)}
    there = {path.name for path in (ROOT / folder).glob("*.py")} - {"__init__.py"}
    assert there - {"__main__.py"} - described == set(), "modules without a line"
    assert described - there == set(), "lines without a module"


def test_the_layers_are_those_that_import_linter_holds():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    held = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    drawing = re.search(r"^## 1\. Layers\n\n```\n(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert drawing
    assert [re.split(r"  +", line.strip())[0] for line in drawing[1].splitlines()] == held
