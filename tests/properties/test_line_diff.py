"""Two texts compared: what `diff -u` would say, and never for long."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfslib.api.line_diff import common_blocks, unified_diff

lines = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=12)


@settings(max_examples=400)
@given(lines, lines)
def test_what_is_common_is_in_both_in_order_and_as_much_as_can_be(old, new):
    blocks = common_blocks(old, new)
    at_old = at_new = 0
    for block in blocks:
        assert block.size > 0
        assert block.old >= at_old
        assert block.new >= at_new
        at_old, at_new = block.old + block.size, block.new + block.size
        assert old[block.old : at_old] == new[block.new : at_new]
    assert sum(block.size for block in blocks) == longest_common(old, new)


def longest_common(old: list[str], new: list[str]) -> int:
    row = [0] * (len(new) + 1)
    for one in old:
        above = row.copy()
        for at, other in enumerate(new):
            row[at + 1] = above[at] + 1 if one == other else max(row[at], above[at + 1])
    return row[-1]


@settings(max_examples=60)
@given(lines, lines, st.sampled_from([0, 1, 3]))
def test_patch_makes_the_new_text_of_the_old(tmp_path_factory, old, new, context):
    work = tmp_path_factory.mktemp("patch")
    (work / "f").write_text("".join(old))
    text = "".join(unified_diff(old, new, "f", "f", context=context))
    assert (text == "") == (old == new)
    if text:
        command = ["git", "apply", "-p0", "--unidiff-zero", "--whitespace=nowarn"]
        subprocess.run(command, cwd=work, input=text, text=True, check=True)
        assert (work / "f").read_text() == "".join(new)


def test_it_is_what_diff_prints(tmp_path: Path):
    source = random.Random(3)
    old = [f"line {number}\n" for number in range(300)]
    new = [line for line in old if source.random() > 0.05]
    for place in source.sample(range(len(new)), 10):
        new[place] = f"changed {place}\n"
    new += ["more\n"] * 4
    (tmp_path / "old").write_text("".join(old))
    (tmp_path / "new").write_text("".join(new))
    diff = subprocess.run(
        ["diff", "--minimal", "-U3", "--label", "old", "--label", "new", "old", "new"],
        cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "".join(unified_diff(old, new, "old", "new", context=3)) == diff.stdout


@pytest.mark.parametrize("kinds", [2, 150, 10**6])
def test_no_texts_take_long(kinds):
    source = random.Random(1)
    old, new = ([f"{source.randrange(kinds)}\n" for _ in range(100_000)] for _ in range(2))
    start = time.perf_counter()
    size = sum(block.size for block in common_blocks(old, new))
    assert time.perf_counter() - start < 30
    assert 0 <= size < 100_000
