"""Other processes: a script that runs to its end, and one that is told when to go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from textwrap import dedent

import pytest

PRELUDE = """
import os, sys
import pfslib
from pfslib.kv.tables import Table

def say(*words):
    print(*words, flush=True)

def wait():
    sys.stdin.readline()

"""

RunScript = Callable[..., str]
StartScript = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def run_script() -> RunScript:
    """Run Python code, with arguments, in a process of its own; what it printed."""

    def run(code: str, *arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + dedent(code), *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def start_script() -> Iterator[StartScript]:
    """Start Python code; it waits, where it calls wait(), for a line; killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + dedent(code), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
