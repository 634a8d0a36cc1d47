"""`pfs` called in this process, on a store of the test's own."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pfslib.cli.main import main
from pfslib.mounts.mountinfo import kernel_mounts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without /dev/fuse there is nothing to test, but in CI that is a failure of its own."""
    if Path("/dev/fuse").exists() or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("mount"):
            item.add_marker(pytest.mark.skip(reason="no /dev/fuse"))


class Result(NamedTuple):
    """What a command left."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def rows(self) -> list[dict[str, str]]:
        """The rows of a table, cut where its header says."""
        header, *lines = self.text.splitlines()
        names = header.split()
        starts = [*(header.index(name) for name in names), None]
        return [
            {
                name: line[start:end].strip()
                for name, start, end in zip(names, starts, starts[1:], strict=False)
            }
            for line in lines
        ]

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.stdout.splitlines()]


Pfs = Callable[..., Result]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Pfs:
    """Run a command, whatever comes of it."""

    def run(*args: str, stdin: bytes = b"") -> Result:
        out = io.TextIOWrapper(io.BytesIO(), "utf-8")
        err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(args)
        out.flush()
        err.flush()
        code = ended.value.code or 0
        return Result(code, out.buffer.getvalue(), err.buffer.getvalue().decode())

    return run


@pytest.fixture
def pfs(call: Pfs) -> Pfs:
    """Run a command that has to succeed."""

    def run(*args: str, stdin: bytes = b"") -> Result:
        result = call(*args, stdin=stdin)
        assert result.code == 0, result.stderr
        return result

    return run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pfs: Pfs) -> Path:
    """An empty store, which PFS_STORE names; the working directory is beside it."""
    monkeypatch.setenv("PFS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PFS_RUNNER", "local")
    monkeypatch.chdir(tmp_path)
    pfs("init")
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def no_mount_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert [found.path for found in kernel_mounts() if found.path.is_relative_to(tmp_path)] == []
