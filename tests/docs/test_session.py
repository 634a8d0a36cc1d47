"""docs/session.svg shows what `pfs` prints: its text is that of a session run now."""

from __future__ import annotations

import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
VARIES = {
    r"\b[0-9a-f]{32}\b": "ID",
    r"(About an? |Less than a |\d+ )(second|minute)s?( ago)?": "TIME",
    r"[ \t]+": " ",
}


def settled(lines: list[str]) -> list[str]:
    """The lines without what is different in each run."""
    text = "\n".join(lines)
    for pattern, name in VARIES.items():
        text = re.sub(pattern, name, text)
    return text.splitlines()


@pytest.mark.mount
@pytest.mark.sandbox
def test_the_picture_of_the_readme_is_a_real_session():
    picture = ET.parse(DOCS / "session.svg").iter("{http://www.w3.org/2000/svg}text")
    shown = [row.text or "" for row in picture]
    session = runpy.run_path(str(DOCS / "site/session.py"))
    printed = [line for line in session["run_session"]() if line]
    assert settled(shown) == settled(printed), "make picture draws it anew"
    assert "docs/session.svg" in (DOCS.parent / "README.md").read_text("utf-8")
