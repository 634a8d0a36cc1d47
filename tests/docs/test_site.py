"""The site can be built, and cannot when a link of a page or a docstring leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "docs/site"


def build(staged: Path, lay_out: str = "") -> subprocess.CompletedProcess[str]:
    """Let Sphinx read a directory, after something was laid out there, and write nothing."""
    program = f"from pathlib import Path; import build; staged = Path({str(staged)!r}); {lay_out}\n"
    program += "raise SystemExit(build.run_sphinx(staged, staged / 'out', 'dummy'))"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=SITE,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_no_link_of_the_site_leads_nowhere(tmp_path):
    done = build(tmp_path, "build.lay_out(staged)")
    assert (done.returncode, done.stderr) == (0, "")


def test_links_that_lead_nowhere_fail_it(tmp_path):
    (tmp_path / "index.md").write_text(
        "# Page\n\n[no page](none.md), [no heading](index.md#none), [none here](#nowhere)\n\n"
        "```{eval-rst}\nSee `pfslib.NoSuchName`.\n```\n"
    )
    done = build(tmp_path)
    assert done.returncode != 0
    for name in ("none.md", "'none'", "'nowhere'", "pfslib.NoSuchName"):
        assert name in done.stderr


def test_a_public_name_without_a_docstring_fails_it(tmp_path):
    bare = "type('Extra', (pfslib.FileInfo,), {})"  # what it inherits is no docstring of its own
    done = build(
        tmp_path,
        f"import pfslib; pfslib.__all__.append('Extra'); pfslib.Extra = {bare}; "
        "build.lay_out(staged)",
    )
    assert done.returncode != 0
    assert "Extra has no docstring" in done.stderr
