"""What docs/reliability.md names is there: modules, test files and test functions."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py|test_\w+)`", PAGE)


def test_all_that_is_named_is_there() -> None:
    functions = {
        name
        for file in (*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "pfslib/testing").glob("*.py"))
        for name in re.findall(r"^(?:    )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    files = [name for name in NAMED if name.endswith(".py")]
    missing = [name for name in NAMED if not name.endswith(".py") and name not in functions]
    places = [ROOT, ROOT / "tests", ROOT / "pfslib", ROOT / "fuse"]
    missing += [name for name in files if not any((place / name).is_file() for place in places)]
    assert missing == []


def test_each_threat_has_a_line_with_a_test() -> None:
    numbers = [f"T{number}" for number in range(1, 21)] + ["N1", "N2", "N3", "N4", "N5", "N6"]
    numbers += [f"J{number}" for number in range(1, 9)]
    numbers += [f"F{number}" for number in range(1, 6)]
    for number in numbers:
        (line,) = re.findall(rf"^\| {number} \|(.+)\|$", PAGE, re.MULTILINE)
        assert re.search(r"`(\w+/)?test_\w+", line.split("|")[-1]), number
