"""A process without standard streams: no file of a store becomes one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pfslib

USE = """
import os, sys
for fd in (0, 1, 2):
    os.close(fd)
import pfslib
with pfslib.open(sys.argv[1], create=True) as store:
    repo = store.create_repo("repo")
    for number in range(3):
        with repo.commit("master") as commit:
            commit.put_file(f"/{number}", os.urandom(100_000))
        for stream in (sys.stdout, sys.stderr):
            print(200 * "all of this would go into a file of the store\\n", file=stream, flush=True)
    for fd in (0, 1, 2):
        assert os.readlink(f"/proc/self/fd/{fd}") == os.devnull, os.readlink(f"/proc/self/fd/{fd}")
    store.gc(compact=True)
    assert store.fsck().clean
"""


def test_nothing_is_printed_into_a_store(tmp_path: Path) -> None:
    command = [sys.executable, "-c", USE, str(tmp_path / "store")]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    with pfslib.open(tmp_path / "store") as store:
        assert store.fsck(read_data=True).clean
        assert len(list(store.list_commit("repo"))) == 3


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_the_command_prints_into_nothing(filled: Path, closed: str) -> None:
    before = {path: path.read_bytes() for path in filled.iterdir() if path.is_file()}
    words = [sys.executable, "-m", "pfslib.cli", "--store", str(filled), "list-repo"]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *words], timeout=30, check=False
    )
    prints_nowhere = " >&-" in f" {closed}"  # which nobody should take for success
    assert done.returncode == int(prints_nowhere)
    names = ("anchor", "format", "data.mdb", "write.lock")
    assert all((filled / name).read_bytes() == before[filled / name] for name in names)
