"""Two commits and their jobs are run again and again, and each time another write fails."""

from __future__ import annotations

import itertools
from pathlib import Path

import pfslib
from pfslib.kv.memory import MemoryKV
from pfslib.testing.faults import FaultyKV
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted
from pfslib.testing.shell_pipelines import commit_files
from pfslib.trees.nodestore import TreeCache

FIRST: dict[str, str | None] = {"/a": "1", "/b": "2"}
SECOND: dict[str, str | None] = {"/a": None, "/b": "3", "/c": "4"}


def script(call: Call) -> Files:
    files = {path: data for found in call.inputs.values() for path, data in found.items()}
    return {**files, "/all": b"".join(files.values())}


def spec(name: str, repo: str) -> dict[str, object]:
    return {
        "pipeline": {"name": name},
        "transform": {"cmd": [name]},
        "input": {"pfs": {"repo": repo, "glob": "/*"}},
        "output_merge": "append",
    }


def run_all(store: pfslib.Store, runner: ScriptedRunner) -> None:
    """Run to the end, as often as it takes."""
    for _ in range(20):
        try:
            run_scripted(store, runner)
        except pfslib.StoreFullError:
            continue
        return
    raise AssertionError


def test_whatever_fails_jobs_are_made_once_and_come_to_their_end(tmp_path: Path) -> None:
    with pfslib.init(tmp_path / "store") as store:
        for fail_at in itertools.count(1):
            store.kv.close()
            store.kv = faults = FaultyKV(MemoryKV())
            store.cache = TreeCache()
            store.create_repo("data")
            store.create_pipeline(spec("p", "data"))
            store.create_pipeline(spec("q", "p"))
            runner = ScriptedRunner(store, script)
            for number, files in enumerate((FIRST, SECOND)):
                commit_files(store, "data", files)
                faults.arm(fail_at if number else 0)
                run_all(store, runner)
                failed = faults.failed
                faults.disarm()
            assert [job.state for job in store.list_job()] == ["success"] * 4
            assert [c.number for c in store.list_commit("q")] == [0, 1]
            p, q = store.commit("p@master"), store.commit("q@master")
            assert p.get_file("/all") == b"34"
            assert [f.path for f in q.list_file()] == ["/all", "/b", "/c"]
            assert q.get_file("/all") == b"3434"
            if not failed:
                assert fail_at > 60
                break
