"""Workbench: lays out attempts and runs them; and what tests of runners ask of the host."""

# ruff: noqa: S311 - nothing secret is drawn by lot

from __future__ import annotations

import contextlib
import itertools
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack

from pfslib.runners.runner import Attempt, Outcome, Session

_PROMPTLY_S = 10.0


class How(TypedDict, total=False):
    """How to run an attempt: as the fields of `Attempt`, except for the inputs."""

    inputs: Mapping[str, Mapping[str, str]]
    """Input name to file name to content."""

    stdin: bytes
    env: Mapping[str, str]
    working_dir: str
    timeout_s: float


class Ran(NamedTuple):
    """An attempt that has ended."""

    outcome: Outcome
    log: str
    out: Path
    inputs: Mapping[str, Path]

    def wrote(self, name: str = "result") -> str:
        """The content of a file of ``/pfs/out``."""
        return (self.out / name).read_text()


class Workbench:
    """Lays out attempts below a directory, and runs them in a session."""

    def __init__(self, session: Session, directory: Path) -> None:
        self.session = session
        self._directory = directory
        self._numbers = itertools.count()

    def run(self, *cmd: str, **how: Unpack[How]) -> Ran:
        """Run a command."""
        inputs = how.get("inputs", {})
        place = self._directory / f"attempt-{next(self._numbers)}"
        out = place / "out"
        out.mkdir(parents=True)
        for name, files in inputs.items():
            (place / "in" / name).mkdir(parents=True)
            for file, content in files.items():
                (place / "in" / name / file).write_text(content)
        attempt = Attempt(
            inputs={name: place / "in" / name for name in inputs},
            out=out,
            cmd=cmd,
            stdin=how.get("stdin", b""),
            env=how.get("env", {}),
            log=place / "log",
            working_dir=how.get("working_dir"),
            timeout_s=how.get("timeout_s", 60.0),
        )
        outcome = self.session.run(attempt)
        log = attempt.log.read_text(errors="replace") if attempt.log.exists() else ""
        return Ran(outcome, log, out, attempt.inputs)

    def sh(self, script: str, **how: Unpack[How]) -> Ran:
        """Run a shell script."""
        return self.run("sh", "-c", script, **how)


def unique_duration() -> str:
    """Seconds to sleep for, long, and told from all others by `processes_with`."""
    return str(random.randrange(10**7, 10**9))


def processes_with(argument: str) -> list[int]:
    """The living processes that were started with an argument; zombies have none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended meanwhile
                if os.fsencode(argument) in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def mounts_below(directory: Path) -> list[str]:
    """The lines of this process's mount table that name a directory or ``/pfs``."""
    lines = os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).split("\n")
    return [line for line in lines if str(directory) in line or " /pfs" in line]


def wait_until(condition: Callable[[], bool], *, seconds: float = _PROMPTLY_S) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    """Whether a process, or any thread of it, still runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False
