"""What a datum costs beside what it runs, and how soon a commit's job begins."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pfslib
from benchmarks import measure
from benchmarks.measure import Step
from benchmarks.report import Row, each, row
from benchmarks.scales import Scale
from pfslib.runners.docker_runner import docker_available

_OVERHEAD_MS = 10.0
_LATENCY_MS = 50.0
_COMMANDS = ("sh", "env", "true")
"""Of this machine, for an image: nothing is pulled."""


def run(top: Path, scale: Scale) -> Iterator[Row]:
    """Datums of `true`, in each runner, beside the bare loop; from a commit to its first process."""
    count = scale.datums
    loop = measure.in_child(partial(_loop, ["true"], count))
    yield each(f"{count} x subprocess.run(true)", loop, count)
    step = measure.in_child(partial(_datums, top / "sandbox", count, "local", ""))
    yield each(f"{count} datums of true, sandbox", step, count, at_most_ms=_OVERHEAD_MS)
    yield from _in_containers(top, count)
    yield _latency(top / "latency", scale.changes)


def _loop(command: list[str], count: int) -> None:
    for _ in range(count):
        subprocess.run(command, check=True)


def spec(cmd: str, *stdin: str, image: str = "", **more: Any) -> dict[str, object]:
    """A pipeline with one datum a file."""
    return {
        "pipeline": {"name": "p"},
        "transform": {"cmd": [cmd], "stdin": list(stdin), "image": image},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
        **more,
    }


def store_of(path: Path, count: int) -> pfslib.Store:
    """A store with so many small files."""
    store = pfslib.init(path)
    store.create_repo("data")
    with store.repo("data").commit() as commit:
        for number in range(count):
            commit.put_file(f"/{number:06}", b"%d" % number)
    return store


def _datums(path: Path, count: int, runner: str, image: str) -> None:
    with store_of(path, count) as store:
        store.create_pipeline(spec("true", image=image))
        (job,) = store.run(runner=runner, notice=lambda _: None)
        assert (job.reason, job.counts.processed) == ("", count)


def _in_containers(top: Path, count: int) -> Iterator[Row]:
    if problem := docker_available():
        yield Row("datums of true, container", note=f"left out: {problem}")
        return
    image = f"pfslib-bench-{secrets.token_hex(4)}"
    with (top / "image.tar").open("wb") as archive:
        _write_image(archive)
    measure.command(["docker", "import", top / "image.tar", image])
    try:
        loops = min(count, 10)
        loop = measure.in_child(partial(_loop, ["docker", "run", "--rm", image, "true"], loops))
        yield each(f"{loops} x docker run true", loop, loops)
        step = measure.in_child(partial(_datums, top / "container", count, "docker", image))
        yield each(f"{count} datums of true, container", step, count, at_most_ms=_OVERHEAD_MS)
    finally:
        measure.command(["docker", "rmi", "-f", image])


def _write_image(archive: BinaryIO) -> None:
    """Some commands with the libraries that they are linked to."""
    files = set()
    for name in _COMMANDS:
        found = shutil.which(name)
        assert found is not None, name
        files.add(found)
        linked = subprocess.run(["ldd", found], check=False, capture_output=True, text=True)
        files.update(word for word in linked.stdout.split() if word.startswith("/"))
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        for path in sorted(files):
            tar.add(path)


def _latency(path: Path, rounds: int) -> Row:
    """Finish of a commit to the first process of its job, under a process that watches."""
    mark = path.with_suffix(".mark")
    with store_of(path, 1) as store:
        store.create_pipeline(spec("sh", f"date +%s.%N > {mark}.new; mv {mark}.new {mark}"))
        argv = [sys.executable, "-m", "pfslib.cli", "--store", str(path), "run", "--watch"]
        watcher = subprocess.Popen([*argv, "--runner", "local"], stderr=subprocess.DEVNULL)
        try:
            _wait(mark.exists)
            seconds = sorted(_one_latency(store, mark, number) for number in range(rounds))
        finally:
            watcher.terminate()
            watcher.wait()
    middle = seconds[len(seconds) // 2]
    found = row("commit to first process, median", Step(middle, 0.0, 0.0))
    found.note = f"{1000 * middle:.0f} ms, at worst {1000 * seconds[-1]:.0f}"
    found.goal, found.met = f"≤ {_LATENCY_MS:g} ms", 1000 * middle <= _LATENCY_MS
    return found


def _one_latency(store: pfslib.Store, mark: Path, number: int) -> float:
    _wait(lambda: all(job.finished_ns for job in store.list_job()))
    time.sleep(0.1)
    mark.unlink()
    with store.repo("data").commit() as commit:
        commit.put_file("/000000", b"again %d" % number)
    finished = time.time()
    _wait(mark.exists)
    return float(mark.read_text()) - finished


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
