"""What a job costs besides its datums: flat in their number, and in that of commits before.

The datums are run by a function in this process, so that all else is what is measured.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pfslib
from benchmarks.measure import Step
from benchmarks.pipelines import spec, store_of
from benchmarks.report import Row, row
from benchmarks.scales import Scale
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted

_AT_MOST_MS = 100.0


def run(top: Path, scale: Scale) -> Iterator[Row]:
    """Jobs with one changed datum of many; many commits with one new datum each."""
    for merge, script in (("refuse", _copy), ("append", _append)):
        for count in scale.job_datums:
            here = top / f"{merge}-{count}"
            with store_of(here, count) as store:
                yield _one_changed(store, ScriptedRunner(store, script), count, merge)
            shutil.rmtree(here)
    with store_of(top / "commits", 1) as store:
        yield from _many_commits(store, ScriptedRunner(store, _copy), scale.job_commits)


def _copy(call: Call) -> Files:
    return {path: data for files in call.inputs.values() for path, data in files.items()}


def _append(call: Call) -> Files:
    return {"/all": b"".join(_copy(call).values())}


def _one_changed(store: pfslib.Store, runner: ScriptedRunner, count: int, merge: str) -> Row:
    store.create_pipeline(spec("f", output_merge=merge))
    run_scripted(store, runner)
    seconds = []
    for number in range(7):
        runner.calls.clear()
        with store.repo("data").commit() as commit:
            commit.put_file(f"/{number * 17 % count:06}", b"changed %d" % number)
        began = time.perf_counter()
        (job,) = run_scripted(store, runner)
        seconds.append(time.perf_counter() - began)
        assert (job.counts.processed, job.counts.skipped) == (1, count - 1)
    middle = sorted(seconds)[3]
    found = row(f"1 datum of {count} changed, {merge}", Step(middle, 0.0, 0.0))
    found.note = f"{1000 * middle:.0f} ms, at worst {1000 * max(seconds):.0f}"
    found.goal, found.met = f"≤ {_AT_MOST_MS:g} ms", 1000 * middle <= _AT_MOST_MS
    return found


def _many_commits(store: pfslib.Store, runner: ScriptedRunner, count: int) -> Iterator[Row]:
    store.create_pipeline(spec("f"))
    run_scripted(store, runner)
    first = 0.0
    for tenth in range(10):
        runner.calls.clear()
        began = time.perf_counter()
        for number in range(count // 10):
            with store.repo("data").commit() as commit:
                commit.put_file(f"/{tenth}-{number}", b"new")
        assert len(run_scripted(store, runner)) == count // 10
        seconds = time.perf_counter() - began
        first = first or seconds
        memory = _anonymous_mib()
        found = row(f"commits and jobs {tenth + 1}/10 of {count}", Step(seconds, 0.0, memory))
        found.against, found.ratio = "the first", seconds / first
        yield found


def _anonymous_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0
