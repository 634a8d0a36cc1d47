"""docs/glossary.md knows every public class, and every word of its own once."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

import pfslib
from pfslib.api import info

PAGE = (Path(__file__).parents[2] / "docs/glossary.md").read_text("utf-8")
PUBLIC = [name for name in pfslib.__all__ if inspect.isclass(getattr(pfslib, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_class_is_there(name: str):
    assert f"`{name}`" in PAGE, f"docs/glossary.md does not say what {name} is"


def test_every_class_of_the_page_exists():
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]*)*)`", PAGE))
    known = {*PUBLIC, *(name for name, _ in inspect.getmembers(info, inspect.isclass))}
    assert named - known == set()


def test_every_word_has_one_meaning():
    words = [
        word.strip()
        for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:5]
        for row in re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
        for word in row.split(",")
        if word != "Word"
    ]
    assert [word for word, count in Counter(words).items() if count > 1] == []
