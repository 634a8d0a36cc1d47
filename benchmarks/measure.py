"""Run a step in a process of its own and say what it took: wall, CPU, peak memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Step:
    """One measured step."""

    name: str
    seconds: float
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    """Peak anonymous memory: what the step allocated, without the mapped data file."""

    extra: dict[str, Any] = field(default_factory=dict)


def command(name: str, argv: Sequence[str | Path], **more: Any) -> Step:
    """A command, start-up included, as its user waits for it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [str(arg) for arg in argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        **more,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        msg = f"{name}: {done.stderr.decode(errors='replace')[-500:]}"
        raise RuntimeError(msg)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Step(name, seconds, cpu)


def in_child(name: str, work: Callable[[], dict[str, Any] | None]) -> Step:
    """A function, in a forked child, timed inside it: no imports, no start-up."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as report:
                json.dump(asdict(_measured(name, work)), report)
            status = 0
        except BaseException as error:
            print(f"{name}: {error!r}", file=sys.stderr)
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as report:
        text = report.read()
    _, status = os.waitpid(pid, 0)
    if status:
        msg = f"{name} failed"
        raise RuntimeError(msg)
    return Step(**json.loads(text))


def _measured(name: str, work: Callable[[], dict[str, Any] | None]) -> Step:
    peak = _anonymous_mib()
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.02):
            peak = max(peak, _anonymous_mib())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    cpu, began = time.process_time(), time.perf_counter()
    extra = work() or {}
    seconds = time.perf_counter() - began
    cpu = time.process_time() - cpu
    peak = max(peak, _anonymous_mib())
    over.set()
    watcher.join()
    return Step(name, seconds, cpu, peak, extra)


def _anonymous_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def drop_caches() -> None:
    """Make the next reads come from the disk, where this is allowed."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except PermissionError:
        print("not root: reads below are not cold", file=sys.stderr)


def disk_bytes(path: Path) -> int:
    """What a file or tree takes on the disk."""
    if path.is_file():
        return path.stat().st_blocks * 512
    return sum(entry.lstat().st_blocks * 512 for entry in path.rglob("*") if not entry.is_dir())
