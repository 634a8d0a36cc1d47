"""Run a step in a process of its own and say what it took: wall, CPU, peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

Work = Callable[[], object]
_PAUSE_S = 0.02


@dataclass
class Step:
    """One measured step."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    """What it allocated (RssAnon), that of its children added, looked at every 20 ms. Pages of files
    that are mapped are the kernel's to take back, and not counted."""


def command(
    argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Step:
    """A command, start-up included, as its user waits for it; its output goes nowhere."""
    began = time.perf_counter()
    with subprocess.Popen(
        [str(arg) for arg in argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
    ) as process:
        assert process.stderr is not None
        with _watched(process.pid) as peak:
            words = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        msg = f"{argv[0]}: {words.decode(errors='replace')[-500:]}"
        raise RuntimeError(msg)
    return Step(seconds, used.ru_utime + used.ru_stime, peak[0])


def in_child(work: Work) -> Step:
    """A function, in a forked child, timed inside it: no imports, no start-up."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as report:
                json.dump(asdict(_measured(work)), report)
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as report:
        text = report.read()
    _, status = os.waitpid(pid, 0)
    if status:
        msg = "a measured function failed"
        raise RuntimeError(msg)
    return Step(**json.loads(text))


def fastest(rounds: int, *steps: Callable[[], Step]) -> list[Step]:
    """Each step's fastest run; the steps take turns, so that noise meets all of them."""
    runs = [[step() for step in steps] for _ in range(rounds)]
    return [min(of_step, key=lambda step: step.seconds) for of_step in zip(*runs, strict=True)]


def drop_caches() -> bool:
    """Make the next reads come from the disk; whether that is allowed here."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def disk_bytes(path: Path) -> int:
    """What a file or tree takes on the disk."""
    if path.is_file():
        return path.stat().st_blocks * 512
    return sum(entry.lstat().st_blocks * 512 for entry in path.rglob("*") if not entry.is_dir())


def _measured(work: Work) -> Step:
    with _watched(os.getpid()) as peak:
        cpu, began = time.process_time(), time.perf_counter()
        work()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Step(seconds, cpu, peak[0])


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Look at a process in the block; the peak of what it has allocated, in MiB, is in the list."""
    peak = [_anonymous_mib(pid)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PAUSE_S):
            peak[0] = max(peak[0], _anonymous_mib(pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        peak[0] = max(peak[0], _anonymous_mib(pid))
        over.set()
        watcher.join()


def _anonymous_mib(pid: int) -> float:
    """Of a process and all below it; of those that have ended, nothing."""
    mib = 0.0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                mib += int(line.split()[1]) / 1024
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        mib += sum(_anonymous_mib(int(child)) for child in children)
    return mib
