"""The benchmarks run, all of them, so that they cannot rot; their figures are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_case_gives_its_rows(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    options = ["--scale", "tiny", "--dir", tmp_path, "--json", found]
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    rows = json.loads(found.read_text())["rows"]
    assert {row["case"] for row in rows} == {
        *("big", "small", "releases", "change", "pipelines", "jobs")
    }
    for row in rows:
        assert row["what"] in run.stdout
        assert row["note"].startswith("left out") or row["seconds"] > 0
    judged = {row["what"] for row in rows if row["met"] is not None}
    for what in ("random: put", "random: get, warm", "put of 60", "put again, unchanged"):
        assert what in judged
    assert any(what.startswith("diff of 10") for what in judged)
    assert not list(tmp_path.glob(".pfs-bench-*")), "nothing is left behind"


def test_a_case_that_is_not_there_is_named(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert "nonsense" in run.stderr


WORK = """
import mmap, os, sys, time
from benchmarks.measure import command, in_child

code = (
    "import mmap, os, time; f = os.memfd_create('f'); os.ftruncate(f, 90 << 20); "
    "m = mmap.mmap(f, 0); [m.write(bytes(1 << 20)) for _ in range(90)]; "
    "x = bytearray(60 << 20); time.sleep(0.3)"
)
print(command([sys.executable, "-c", code]).peak_mib)
print(command(["sh", "-c", f'{sys.executable} -c "{code}"; true']).peak_mib)
print(in_child(lambda: exec(code, {})).peak_mib)
"""


def test_memory_of_functions_and_commands_is_measured_alike() -> None:
    """What is mapped counts in neither; what a command's child allocates does."""
    run = subprocess.run(
        [sys.executable, "-c", WORK], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert all(60 <= float(mib) < 120 for mib in run.stdout.split()), run.stdout
