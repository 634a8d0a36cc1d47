"""T10: processes that LMDB could not tell apart are kept apart, with a sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

import pfslib

Start = Callable[..., subprocess.Popen[str]]

NEW_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")

HOLD = """
import os, sys
import pfslib
with pfslib.open(sys.argv[1]) as store:
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    with store.repo("repo").commit("master") as commit:
        commit.put_file("/held", "by the first")
"""

TRY = """
import os, sys, time
import pfslib
print(os.getpid())
began = time.monotonic()
try:
    with pfslib.open(sys.argv[1]) as store:
        with store.repo("repo").commit("other") as commit:
            commit.put_file("/tried", "by the second")
        print("committed")
except pfslib.BusyError as error:
    print(error)
assert time.monotonic() - began < 5
"""


@pytest.fixture(autouse=True)
def _namespaces(impossible: Callable[[str], NoReturn]) -> None:
    tried = subprocess.run([*NEW_NAMESPACE, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        impossible(f"no new PID namespace: {tried.stderr}")


def test_two_processes_with_the_id_1_do_not_share_a_store(
    filled: Path, start: Start, run: Callable[..., str]
) -> None:
    first = start(HOLD, filled, before=NEW_NAMESPACE)
    assert first.stdout is not None
    assert first.stdout.readline() == "1\n"

    pid, said = run(TRY, filled, before=NEW_NAMESPACE).splitlines()
    assert pid == "1"
    assert "is open in another PID namespace" in said
    with pytest.raises(pfslib.BusyError, match="PID namespace") as found:
        pfslib.open(filled)
    assert "docker run --pid" in found.value.hint

    _, errors = first.communicate("go on\n", timeout=30)
    assert first.returncode == 0, errors
    _, said = run(TRY, filled, before=NEW_NAMESPACE).splitlines()
    assert said == "committed"
    with pfslib.open(filled) as store:
        assert store.get_file("repo", "master", "/held") == b"by the first"
        assert store.get_file("repo", "other", "/tried") == b"by the second"


def test_within_one_namespace_they_do(filled: Path, start: Start) -> None:
    """Two processes of the namespace of a third, which is its first."""
    both = f"""
import subprocess, sys
import pfslib
with pfslib.open(sys.argv[1]):
    command = [sys.executable, "-c", {TRY!r}, sys.argv[1]]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
"""
    output, errors = start(both, filled, before=NEW_NAMESPACE).communicate(timeout=60)
    assert "committed" in output, errors


def test_a_killed_first_opener_leaves_the_store_to_any_namespace(
    filled: Path, start: Start, run: Callable[..., str]
) -> None:
    first = start(HOLD, filled, before=NEW_NAMESPACE)
    assert first.stdout is not None
    assert first.stdout.readline() == "1\n"
    first.kill()  # and by --kill-child its child
    first.wait()
    assert run(TRY, filled).splitlines()[1] == "committed"


def test_a_child_in_a_namespace_of_its_own_that_does_not_use_the_store_disturbs_nobody(
    filled: Path,
) -> None:
    """As the commands of pipelines are."""
    with pfslib.open(filled) as store:
        listed = subprocess.run([*NEW_NAMESPACE, "ls", filled], check=True, capture_output=True)
        assert b"data.mdb" in listed.stdout
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/on", b"on")
