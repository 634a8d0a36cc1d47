"""While a command runs, the next datum is laid out; its command waits for its turn."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from pfslib.kv.tables import Table
from pfslib.pipelines import datum_run
from pfslib.testing.runner_workbench import wait_until
from pfslib.testing.scripted_bench import Bench, copy
from pfslib.testing.scripted_runner import Call, Files
from pfslib.testing.shell_pipelines import commit_files


def test_one_datum_is_laid_out_while_another_runs(bench: Bench) -> None:
    running = threading.Semaphore(1)
    ahead: list[int] = []

    def leased() -> int:
        with bench.store.kv.read() as txn:
            return sum(1 for _ in txn.scan(Table.LEASES))

    def one_alone(call: Call) -> Files | int:
        if not running.acquire(blocking=False):
            return 1
        if not ahead:
            wait_until(lambda: leased() == 2)
            ahead.append(leased())
        running.release()
        return copy(call)

    bench.pipeline("p", one_alone, "data")
    commit_files(bench.store, "data", {f"/{number}": str(number) for number in range(8)})
    [job] = bench.run()
    assert job.counts.processed == 8
    assert ahead == [2]


def test_the_datum_ahead_is_not_begun_when_its_job_is_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(bench.runner, "close", ended.set)

    def until_ended(call: Call) -> Files:
        [job] = bench.store.list_job()
        bench.store.cancel_job(job.id)
        assert ended.wait(20)
        return copy(call)

    bench.pipeline("p", until_ended, "data")
    commit_files(bench.store, "data", {f"/{number}": str(number) for number in range(8)})
    [job] = bench.run()
    assert (job.state, job.counts.processed, len(bench.runner.calls)) == ("killed", 1, 1)


def test_none_overtakes_another(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[str] = []

    def slow_at_first(*args: Any) -> Any:
        if not began:
            began.append("the first is laid out")
            time.sleep(0.2)  # the second would be ready by then
        return datum_edits(*args)

    datum_edits = datum_run.input_edits
    monkeypatch.setattr(datum_run, "input_edits", slow_at_first)

    def noting(call: Call) -> Files:
        began.extend(copy(call))
        return copy(call)

    bench.pipeline("p", noting, "data")
    commit_files(bench.store, "data", {f"/{number}": str(number) for number in range(8)})
    bench.run()
    assert began[1:] == [f"/{number}" for number in range(8)]
