"""What pipelines cost, beside what they run: one command, one table, JSON beside it.

    python benchmarks/pipelines.py [--scale small|full] [--only CASE ...] [--json FILE]

Overheads are measured against the bare loop of the same command in the same run. Where it is counted
what a job costs for its datums, the datums are run by a function in this process: what is measured is
all else. Nothing is fetched; without Docker its cases are named and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from measure import Step, in_child

import pfslib
from pfslib.pipelines.docker_runner import docker_available
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted

Case = Callable[[Path, bool], Iterator[Step]]


def spec(name: str = "p", cmd: str = "true", **more: Any) -> dict[str, Any]:
    return {
        "pipeline": {"name": name},
        "transform": {"cmd": [cmd], **more.pop("transform", {})},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
        **more,
    }


def store_of(top: Path, count: int) -> pfslib.Store:
    """A store with a repo of so many small files."""
    store = pfslib.init(top / "store")
    store.create_repo("data")
    with store.repo("data").commit() as commit:
        for number in range(count):
            commit.put_file(f"/{number:06}", b"%d" % number)
    return store


def copy(call: Call) -> Files:
    return {path: data for files in call.inputs.values() for path, data in files.items()}


# --- what a datum costs ----------------------------------------------------------------------


def sandbox(top: Path, full: bool) -> Iterator[Step]:
    """Datums of `true` in the sandbox, against subprocess.run in a loop."""
    count = 1000 if full else 200

    def loop() -> None:
        for _ in range(count):
            subprocess.run(["true"], check=True)

    def pipeline() -> None:
        with store_of(top, count) as store:
            store.create_pipeline(spec())
            began = time.perf_counter()
            (job,) = store.run(runner="local", notice=lambda _: None)
            assert job.counts.processed == count
            took.append(time.perf_counter() - began)

    took: list[float] = []
    yield in_child(f"{count} x subprocess.run(true)", loop)
    pipeline()
    yield Step(
        f"{count} datums of true, sandbox", took[0], extra={"ms_each": 1e3 * took[0] / count}
    )


def containers(top: Path, full: bool) -> Iterator[Step]:
    """Datums of `true` in a warm container, against `docker run` in a loop."""
    if problem := docker_available():
        print(f"left out: {problem}", file=sys.stderr)
        return
    count, loops = (1000, 20) if full else (200, 5)
    image = f"pfslib-bench-{secrets.token_hex(4)}"
    busybox = shutil.which("busybox")
    if busybox is None:
        print("left out: busybox, to make an image of, is not installed", file=sys.stderr)
        return
    (top / "image").mkdir()
    shutil.copy(busybox, top / "image/busybox")
    (top / "image/Dockerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
    )
    subprocess.run(["docker", "build", "-q", "-t", image, top / "image"], check=True, stdout=-3)
    try:
        began = time.perf_counter()
        for _ in range(loops):
            subprocess.run(["docker", "run", "--rm", image, "true"], check=True)
        each = (time.perf_counter() - began) / loops
        yield Step(f"{loops} x docker run true", each * loops, extra={"ms_each": 1e3 * each})
        with store_of(top, count) as store:
            store.create_pipeline(spec(transform={"image": image}))
            began = time.perf_counter()
            (job,) = store.run(runner="docker", notice=lambda _: None)
            took = time.perf_counter() - began
            assert job.counts.processed == count
        yield Step(
            f"{count} datums of true, container", took, extra={"ms_each": 1e3 * took / count}
        )
    finally:
        subprocess.run(["docker", "rmi", "-f", image], check=False, stdout=-3)


def latency(top: Path, full: bool) -> Iterator[Step]:
    """From the finish of a commit to the first process of its job, under a watching process."""
    mark = top / "mark"
    with store_of(top, 1) as store:
        date = f"date +%s.%N > {mark}.new; mv {mark}.new {mark}"
        store.create_pipeline(spec(transform={"cmd": ["sh"], "stdin": [date]}))
        argv = [sys.executable, "-m", "pfslib.cli", "--store", str(store.path), "run", "--watch"]
        watcher = subprocess.Popen([*argv, "--runner", "local"], stderr=-3)
        try:
            times = []
            for number in range(20 if full else 5):
                while not mark.exists():
                    time.sleep(0.01)
                time.sleep(0.3)
                mark.unlink()
                with store.repo("data").commit() as commit:
                    commit.put_file("/000000", b"again %d" % number)
                finished = time.time()
                while not mark.exists():
                    time.sleep(0.001)
                times.append(float(mark.read_text()) - finished)
            while any(not job.finished_ns for job in store.list_job()):
                time.sleep(0.01)
        finally:
            watcher.terminate()
            watcher.wait()
    times.sort()
    yield Step(
        "commit to first process, median", times[len(times) // 2], extra={"worst": times[-1]}
    )


# --- what a job costs ------------------------------------------------------------------------


def one_changed(top: Path, full: bool) -> Iterator[Step]:
    """A job with one changed datum among many, besides the datum."""
    for merge in ("refuse", "append"):
        for count in (1000, 10_000, 100_000) if full else (100, 1000, 10_000):
            with tempfile.TemporaryDirectory(dir=top) as folder:
                yield _one_changed(Path(folder), count, merge)


def _one_changed(top: Path, count: int, merge: str) -> Step:
    def script(call: Call) -> Files:
        return copy(call) if merge == "refuse" else {"/all": b"".join(copy(call).values())}

    with store_of(top, count) as store:
        runner = ScriptedRunner(store, script)
        store.create_pipeline(spec(output_merge=merge))
        run_scripted(store, runner)
        times = []
        for number in range(7):
            runner.calls.clear()
            with store.repo("data").commit() as commit:
                commit.put_file(f"/{number * 17 % count:06}", b"changed %d" % number)
            began = time.perf_counter()
            (job,) = run_scripted(store, runner)
            times.append(time.perf_counter() - began)
            assert (job.counts.processed, job.counts.skipped) == (1, count - 1)
    times.sort()
    return Step(
        f"1 of {count} changed, {merge}", times[len(times) // 2], extra={"worst": times[-1]}
    )


def many_commits(top: Path, full: bool) -> Iterator[Step]:
    """Commits with one new datum each: the time of a tenth of them, from the first to the last."""
    count = 10_000 if full else 500
    with store_of(top, 1) as store:
        runner = ScriptedRunner(store, copy)
        store.create_pipeline(spec())
        run_scripted(store, runner)
        for tenth in range(10):
            began = time.perf_counter()
            for number in range(count // 10):
                with store.repo("data").commit() as commit:
                    commit.put_file(f"/{tenth}-{number}", b"new")
                runner.calls.clear()
            runs = run_scripted(store, runner)
            assert len(runs) == count // 10
            yield Step(
                f"commits {tenth * count // 10} to {(tenth + 1) * count // 10}",
                time.perf_counter() - began,
                extra={"rss_mib": _rss_mib()},
            )


def _rss_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


CASES: dict[str, Case] = {
    "sandbox": sandbox,
    "containers": containers,
    "latency": latency,
    "one_changed": one_changed,
    "many_commits": many_commits,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    steps: list[dict[str, Any]] = []
    for name in args.only:
        with tempfile.TemporaryDirectory(prefix=f"pfs-bench-{name}-") as folder:
            for step in CASES[name](Path(folder), args.scale == "full"):
                extra = ", ".join(f"{key} {value:.4g}" for key, value in step.extra.items())
                print(f"{name:13} {step.name:45} {step.seconds:9.3f} s  {extra}", flush=True)
                steps.append({"case": name, **asdict(step)})
    if args.json:
        args.json.write_text(json.dumps({"cores": os.cpu_count(), "steps": steps}, indent=2))


if __name__ == "__main__":
    main()
