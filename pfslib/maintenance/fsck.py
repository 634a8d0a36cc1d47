"""Check a store, in a process of its own, and say what is wrong. Nothing is repaired."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from pfslib.maintenance.check import Checked, Progress
from pfslib.maintenance.findings import Problem
from pfslib.maintenance.fsck_child import End, Found, Message, Step
from pfslib.model.errors import PfsError

_DAMAGE: Final = (signal.SIGBUS, signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
_TAIL: Final = 2000
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pfslib.maintenance.fsck_child import main; main(sys.argv[2:])"
)


class FsckReport(msgspec.Struct, frozen=True):
    """What a check found."""

    problems: tuple[Problem, ...]
    """The first thousand; ``checked.problems`` counts all."""

    checked: Checked
    """How much of everything was looked at."""

    read_data: bool
    """Whether contents were read, too; without it, damage in them is not seen."""

    seconds: float
    """How long it took."""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __iter__(self) -> Iterator[Problem]:
        """The problems, one after the other."""
        return iter(self.problems)


def fsck(
    store_dir: Path, *, read_data: bool = False, progress: Progress | None = None
) -> FsckReport:
    """Check a store: every record, history, all trees, where contents lie, jobs.

    Runs beside everything else. It is read in another process, because reading a file that was cut
    short ends in a signal.

    Args:
        store_dir: Its directory; need not be open here.
        read_data: Also read all contents and compare them with their digests.
        progress: Told what is being checked and how much of it is.

    Raises:
        PfsError: The check itself could not go on.

    Cost: reads every node and chunk; memory of about 400 bytes a node, and 50 MB.
    """
    started = time.monotonic()
    reader = _Reader(progress or (lambda _what, _done: None))
    with tempfile.TemporaryFile() as errors, _child(store_dir, errors, read_data) as child:
        assert child.stdout is not None
        for line in child.stdout:
            reader.take(msgspec.json.decode(line, type=Message))
        child.wait()
        if reader.checked is None:
            reader.died(child.returncode, errors)
    return FsckReport(
        problems=tuple(reader.problems),
        checked=reader.checked or Checked(problems=len(reader.problems)),
        read_data=read_data,
        seconds=time.monotonic() - started,
    )


class _Reader:
    """Takes in what the child says."""

    def __init__(self, progress: Callable[[str, int], None]) -> None:
        self.problems: list[Problem] = []
        self.checked: Checked | None = None
        self._progress = progress
        self._step = Step("start", 0)

    def take(self, message: Message) -> None:
        match message:
            case Found(problem):
                self.problems.append(problem)
            case Step(what, done):
                self._step = message
                self._progress(what, done)
            case End(checked):
                self.checked = checked

    def died(self, code: int, errors: IO[bytes]) -> None:
        """Judge an end that came too soon."""
        if -code in _DAMAGE:
            name = signal.Signals(-code).name
            at = f"step {self._step.what}, after {self._step.done}"
            what = f"reading the store ended in {name} ({at}): its file is cut short or damaged"
            self.problems.append(Problem("file", what))
            return
        errors.seek(0)
        said = errors.read()[-_TAIL:].decode(errors="replace").strip()
        raise PfsError(f"the check of the store ended with code {code}: {said}")


@contextmanager
def _child(
    store_dir: Path,
    errors: IO[bytes],
    read_data: bool,  # noqa: FBT001 - of a private function
) -> Iterator[subprocess.Popen[bytes]]:
    if not sys.executable:
        raise PfsError("this Python cannot name its own interpreter, which is to read the store")
    options = ["read-data"] if read_data else []
    order = [sys.executable, "-c", _START, json.dumps(sys.path), str(store_dir.absolute())]
    child = subprocess.Popen([*order, *options], stdout=subprocess.PIPE, stderr=errors)
    with child:
        try:
            yield child
        except BaseException:
            child.kill()
            raise
