"""Every relative link of every page leads somewhere, to the heading if it names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/**/*.md")
    for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    """A page without its code, in which brackets are no links."""
    code = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
    return code.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page: Path):
    broken = []
    for link in LINK.findall(text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_no_two_decisions_have_one_number():
    numbers = [page.name[:3] for page in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda p: p.name
)
def test_a_decision_has_its_parts(page: Path):
    text = page.read_text("utf-8")
    assert re.match(rf"# {int(page.name[:3])}\. .+\n\n\d{{4}}-\d\d-\d\d\. ", text)
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Also weighed", "Consequences"]
