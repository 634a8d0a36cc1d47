"""Stores to be damaged, disks to be filled, and processes to be stopped or killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

import pfslib

CONTENTS = {"/a": b"alpha\n", "/d/b": bytes(range(256)) * 512, "/d/c": b"gamma\n"}

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def impossible() -> Callable[[str], NoReturn]:
    """Skip the test for a reason; but CI has what the tests need, and there it fails."""

    def give_up(reason: str) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"cannot be tested, in CI: {reason}")
        pytest.skip(reason)

    return give_up


@pytest.fixture
def strace(impossible: Callable[[str], NoReturn]) -> str:
    found = shutil.which("strace")
    if found is None:
        impossible("strace is not installed (package strace)")
    tried = subprocess.run([found, "-qq", "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        impossible(f"strace: {tried.stderr}")
    return found


FORKING = """
import ctypes, json, os, signal, sys, traceback
import pfslib

with pfslib.init(sys.argv[1]) as store:  # which imports what is imported when it is needed
    with store.create_repo("repo").commit("master") as commit:
        commit.put_file("/a", b"a" * 100_000)
    store.gc()
print("ready", flush=True)

def print_into(output):
    to = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(to, 1)
    os.dup2(to, 2)
    os.close(to)

for line in sys.stdin:
    wish, subject, *words = json.loads(line)
    if wish == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(subject, 0)[1]), flush=True)
    elif pid := os.fork():
        if wish == "stopped":
            os.waitpid(pid, os.WUNTRACED)
        print(pid, flush=True)
    else:
        code = 1
        try:
            print_into(words[0])
            sys.argv[1:] = words[1:]
            if wish == "stopped":
                ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # for strace
                os.kill(os.getpid(), signal.SIGSTOP)
            exec(subject, {"__name__": "__main__"})
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
"""


class Forks:
    """Processes that are forked from one which has imported pfslib: a tenth of a start each."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._template = subprocess.Popen(
            [sys.executable, "-c", FORKING, place / "first"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._template.stdout is not None
        assert self._template.stdout.readline() == "ready\n"
        self._running: set[int] = set()

    def _ask(self, *words: object) -> int:
        assert self._template.stdin is not None
        assert self._template.stdout is not None
        self._template.stdin.write(json.dumps(words) + "\n")
        self._template.stdin.flush()
        return int(self._template.stdout.readline())

    def start(self, code: str, *arguments: object, stopped: bool = False) -> int:
        """Run Python code with arguments; its process, which may wait until it is continued."""
        wish = "stopped" if stopped else "start"
        output = str(self._place / "output")
        pid = self._ask(wish, code, output, *map(str, arguments))
        self._running.add(pid)
        return pid

    def wait(self, pid: int) -> tuple[int, str]:
        """The exit code of a process when it has ended; what the one started last has printed."""
        code = self._ask("wait", pid)
        self._running.remove(pid)
        return code, (self._place / "output").read_text()

    def close(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        self._template.communicate()


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    forks = Forks(tmp_path_factory.mktemp("forks"))
    yield forks
    forks.close()


class Traced(NamedTuple):
    """What came of code that was run under strace."""

    code: int
    output: str
    calls: list[str]
    """Those that were traced, with what they were given and gave."""

    def fault(self, number: int, what: str) -> list[str]:
        """Options for another such run, of which this call, from 0 on, is to fail.

        A `+` at the end of the fault means all calls from that one on. As strace counts the calls
        of each name by themselves, each has its own number.
        """
        names = [call.partition("(")[0] for call in self.calls]
        before, hit = names[:number], names[number]
        hits = sorted(set(names)) if what.endswith("+") else [hit]
        once = what.removesuffix("+")
        return [
            f"--inject={name}:{once}:when={before.count(name) + 1}{what[len(once) :]}"
            for name in hits
        ]


@pytest.fixture
def trace(forks: Forks, strace: str, tmp_path: Path) -> Callable[..., Traced]:
    """Run Python code with arguments, and let some of its system calls be traced, or fail."""

    def run(calls: str, code: str, *arguments: object, faults: Sequence[str] = ()) -> Traced:
        pid, log = forks.start(code, *arguments, stopped=True), tmp_path / "strace"
        command = [strace, "-f", "-o", log, f"--trace={calls}", *faults, "-p", str(pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            attached = tracer.stderr.readline()
            os.kill(pid, signal.SIGCONT)
            assert "attached" in attached
            ended = forks.wait(pid)
        lines = [line.partition(" ")[2].lstrip() for line in log.read_text().splitlines()]
        return Traced(*ended, [line for line in lines if re.match(r"\w+\(", line)])

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python code as a process with arguments; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(code: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        with process:  # closes its pipes and waits
            pass


@pytest.fixture
def run(start: Start) -> Callable[..., str]:
    """Run Python code with arguments in a process of its own; what it printed."""

    def to_the_end(code: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
        process = start(code, *arguments, before=before)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, (process.returncode, output, errors)
        return output

    return to_the_end


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A closed store with three commits on repo@master, the last of which holds CONTENTS."""
    path = tmp_path / "filled"
    with pfslib.init(path) as store:
        repo = store.create_repo("repo")
        for number, (name, data) in enumerate(CONTENTS.items(), 1):
            with repo.commit("master") as commit:
                commit.put_file(name, data)
                commit.put_file("/number", str(number))
    return path


@pytest.fixture
def disk(tmp_path: Path, impossible: Callable[[str], NoReturn]) -> Iterator[Callable[..., Path]]:
    """Mount a new file system: a tmpfs with options, or one of another kind in a file.

    Call it with the kind, the size in MiB and mount options; it gives the directory.
    """
    if os.getuid() != 0:
        impossible("mounting needs root")
    with ExitStack() as undo:
        made = 0

        def mount(kind: str, mib: int, *options: str, image: Path | None = None) -> Path:
            nonlocal made
            made += 1
            directory = tmp_path / f"disk-{made}"
            directory.mkdir()
            if kind == "tmpfs":
                what = ["-t", "tmpfs", "-o", ",".join([f"size={mib}m", *options]), "none"]
            else:
                if image is None:
                    image = tmp_path / f"image-{made}"
                    with image.open("wb") as file:
                        file.truncate(mib << 20)
                    subprocess.run([f"mkfs.{kind}", "-q", "-F", image], check=True)
                what = ["-o", ",".join(["loop", *options]), str(image)]
            mounted = subprocess.run(
                ["mount", *what, directory], capture_output=True, text=True, check=False
            )
            if mounted.returncode:
                impossible(f"mount: {mounted.stderr}")
            undo.callback(_unmount, directory)
            return directory

        yield mount


def _unmount(directory: Path) -> None:
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(["umount", directory], check=False, capture_output=True, timeout=30)
        return
    subprocess.run(["umount", "-l", directory], check=True)
