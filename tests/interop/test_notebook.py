"""The tutorial notebook, run by a real kernel; what a browser would be shown is there."""

from __future__ import annotations

import asyncio
import copy
import importlib
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PAGE = Path(__file__).parents[2] / "docs/tutorial.ipynb"

pytestmark = [
    pytest.mark.mount,
    pytest.mark.sandbox,
    pytest.mark.filterwarnings("default"),  # theirs are not ours to mend
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> nbformat.NotebookNode:
    """What a second run gave, in the kernel of a first that was not ended. No cell may raise."""
    home = tmp_path_factory.mktemp("notebook")
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PFS_")}
    environ |= {
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    (home / "work").mkdir()
    notebook = nbformat.read(PAGE, as_version=4)
    again = copy.deepcopy(notebook.cells)
    notebook.cells = notebook.cells[:-1] + again
    client = NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(home / "work")}}
    )
    asyncio.run(client.async_execute(env=environ))
    notebook.cells = again
    if kept := os.environ.get("PFS_KEEP_NOTEBOOK"):  # to be looked at
        nbformat.write(notebook, kept)
    return notebook


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if kind in output.get("data", {})
    ]


def test_it_shows_what_it_talks_about(executed):
    shown = " ".join(outputs(executed, "text/html"))
    for words in ("Store ", "Commit of sales", "+ added", "~ changed", "Jobs", "Job of totals"):
        assert words in shown
    assert "'monday': 10, 'thursday': 9" in " ".join(outputs(executed, "text/plain"))
    (drawing,) = outputs(executed, "image/svg+xml")
    assert "totals" in drawing
    assert outputs(executed, "text/vnd.mermaid")[0].startswith("flowchart")


def test_jobs_were_shown_while_they_ran(executed):
    """The board is one output, drawn anew each time a job moved on."""
    (board,) = [html for html in outputs(executed, "text/html") if "<strong>Jobs" in html]
    assert "success" in board
    assert "3 of 3" in board


def test_it_is_kept_without_what_one_run_gave():
    for cell in nbformat.read(PAGE, as_version=4).cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


def test_its_page_on_the_site_shows_the_same(executed, monkeypatch):
    monkeypatch.syspath_prepend(PAGE.parent / "site")
    page = "\n\n".join(
        part
        for cell in executed.cells
        for part in importlib.import_module("tutorial_page").parts_of(cell)
    )
    for shown in outputs(executed, "text/html"):
        assert f"\n{shown}\n" in page
    assert "<svg" in page
    assert page.count("````") % 2 == 0
