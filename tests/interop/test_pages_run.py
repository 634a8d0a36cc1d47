"""The examples of docs/fsspec.md and docs/embedding.md run, and print what the pages say.

`python` blocks of a page are one program, in order; a `python script` is a program of its own, and
a `python app` is served by gunicorn. A `text prints` block is what the block before it prints.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pfslib

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(
    r"^```python( script| app|)\n(.*?)^```\n(?:\n```text prints\n(.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: str, kind: str) -> list[tuple[str, str]]:
    """Code and expected output of the blocks of one kind."""
    found = FENCE.findall((DOCS / page).read_text("utf-8"))
    return [(code, printed) for label, code, printed in found if label.strip() == kind]


def run(program: str, home: Path) -> str:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PFS_")}
    (home / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number", range(len(blocks("embedding.md", "script"))))
def test_programs(number, tmp_path):
    program, printed = blocks("embedding.md", "script")[number]
    assert printed, "a program shows that it works"
    assert run(program, tmp_path) == printed


def test_the_page_about_fsspec(tmp_path):
    program, expected = [], ""
    for code, printed in blocks("fsspec.md", ""):
        program.append(code)
        expected += printed
    assert len(program) > 5
    assert run("\n".join(program), tmp_path).split() == expected.split()


class OverSocket(http.client.HTTPConnection):
    """HTTP to a server on a socket of the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def get(path: Path, target: str) -> tuple[bytes, str]:
    connection = OverSocket(path)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.read(), answer.getheader("X-Commit", "")
    finally:
        connection.close()


@pytest.mark.parametrize("preload", [True, False])
def test_forked_workers_of_gunicorn(tmp_path, preload):
    ((app, _),) = blocks("embedding.md", "app")
    (tmp_path / "app.py").write_text(app)
    with pfslib.init(tmp_path / "lake") as store:
        site = store.create_repo("site")
        with site.commit() as commit:
            commit.put_file("/page", b"x" * 100_000)
        command = [sys.executable, "-m", "gunicorn", "-w", "3", "-b", "unix:sock", "app:app"]
        options = ["--preload"] if preload else []
        server = subprocess.Popen(
            [*command, *options, "--log-level", "warning", "--worker-tmp-dir", "."], cwd=tmp_path
        )
        try:
            deadline = time.monotonic() + 30
            while not (tmp_path / "sock").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            for number in range(5):
                for _ in range(6):
                    body, commit_id = get(tmp_path / "sock", "/page")
                    assert len(body) == 100_000 + number
                    assert commit_id == site["master"].id
                with site.commit() as commit:
                    commit.put_file("/page", b"x" * (100_001 + number))
        finally:
            server.terminate()
            server.wait(20)
