"""The tutorial notebook as a page: run from its beginning, with what its cells show."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SHOWN = ("text/html", "image/svg+xml", "text/plain")  # the first of these that an output has


def notebook_page(notebook: Path, *, run: bool) -> str:
    """A notebook as Markdown; with outputs only if its cells are run, which needs mounts."""
    import nbformat  # only here, as nbclient: tests of other pages do without them

    read = nbformat.read(notebook, as_version=4)
    if run:
        execute(read)
    return "\n\n".join(part for cell in read["cells"] for part in parts_of(cell))


def execute(notebook: Any) -> None:  # noqa: ANN401 - nbformat has no types
    """Run all cells in an empty directory; one that raises ends the build."""
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory(prefix="pfslib-tutorial-") as home:
        environ = {name: text for name, text in os.environ.items() if not name.startswith("PFS_")}
        environ |= {"IPYTHONDIR": f"{home}/ipython", "JUPYTER_RUNTIME_DIR": f"{home}/runtime"}
        work = Path(home, "work")
        work.mkdir()
        place = {"metadata": {"path": str(work)}}
        client = NotebookClient(notebook, timeout=120, resources=place)
        asyncio.run(client.async_execute(env=environ))


def parts_of(cell: Mapping[str, Any]) -> Iterator[str]:
    """A cell, and what it shows."""
    if cell["cell_type"] == "markdown":
        yield cell["source"]
        return
    yield f"```python\n{cell['source']}\n```"
    for output in cell.get("outputs", ()):
        if output["output_type"] == "stream" and output["name"] == "stdout":
            yield f"````text\n{output['text']}````"
        data = output.get("data", {})
        kind = next((kind for kind in SHOWN if kind in data), None)
        if kind == "text/plain":
            yield f"````text\n{data[kind]}\n````"
        elif kind is not None:
            yield f"````{{raw}} html\n{data[kind]}\n````"
