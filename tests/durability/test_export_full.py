"""An export to a disk that has no room: it says where, and what to do, and goes on afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib


def fill(disk: Path, left: int) -> Path:
    """Leave so much room in a file system."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - left)
    return ballast


@pytest.mark.parametrize("left", [0, 8192])
def test_a_full_disk_is_named_and_the_export_goes_on(
    filled: Path, disk: Callable[..., Path], left: int
) -> None:
    there = disk("tmpfs", 1)
    target = there / "out"
    target.mkdir()
    ballast = fill(there, left)
    command = [sys.executable, "-m", "pfslib.cli", "--store", str(filled)]
    done = subprocess.run(
        [*command, "export", "repo", "master", "/", str(target)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    said, hint = done.stderr.splitlines()
    assert said.startswith(f"pfs: {target}")
    assert said.endswith("No space left on device")
    assert "make room there" in hint
    assert all(path.stat().st_size for path in target.rglob("*")), "no empty note"
    ballast.unlink()
    with pfslib.open(filled) as store:
        store.commit("repo@master").export(target)
    assert sorted(path.name for path in target.rglob("*")) == ["a", "b", "c", "d", "number"]
