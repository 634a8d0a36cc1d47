"""Sandboxes end with their attempt, session and owner, whoever dies first; and for any user."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import pfslib.runners.sandbox_runner
from pfslib.model.errors import RunnerError
from pfslib.runners.control_groups import find_places
from pfslib.runners.runner import Attempt
from pfslib.runners.sandbox_runner import SandboxRunner, sandbox_available
from pfslib.testing.runner_workbench import (
    Workbench,
    mounts_below,
    processes_with,
    unique_duration,
    wait_until,
)

pytestmark = pytest.mark.sandbox

PROJECT = Path(pfslib.runners.sandbox_runner.__file__).parents[2]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can")


@pytest.fixture(scope="module", autouse=True)
def possible(needed) -> None:
    needed(sandbox_available())


@pytest.fixture
def scratch(tmp_path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def workbench(scratch, tmp_path):
    with SandboxRunner().session(None, scratch=scratch) as session:
        yield Workbench(session, tmp_path)


def zygotes(owner: int) -> list[int]:
    """The sandbox processes that descend from a process: guards, zygotes, inits; older first."""
    parents, started = {}, {}
    for pid in processes_with("pfslib.runners.sandbox_zygote"):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            parents[pid], started[pid] = int(fields[1]), int(fields[19])
    found = [owner]
    for above in found:  # which grows; ids begin anew at some time, so they tell no age
        found += [pid for pid, parent in parents.items() if parent == above and pid not in found]
    return sorted(found[1:], key=lambda pid: (started[pid], found.index(pid)))


# --- nothing is left behind ------------------------------------------------------------------


def test_a_session_outlives_the_thread_that_opened_it(scratch, tmp_path):
    sessions = []
    thread = threading.Thread(
        target=lambda: sessions.append(SandboxRunner().session(None, scratch=scratch))
    )
    thread.start()
    thread.join()
    time.sleep(0.1)
    with sessions[0] as session:
        assert Workbench(session, tmp_path).run("true").outcome.exit_code == 0


def test_closing_ends_the_zygote(scratch):
    before = zygotes(os.getpid())
    session = SandboxRunner().session(None, scratch=scratch)
    assert len(zygotes(os.getpid())) == len(before) + 2
    session.close()
    assert zygotes(os.getpid()) == before


OWNER = """
import os, sys, time
from pathlib import Path
from pfslib.runners.sandbox_runner import SandboxRunner
from pfslib.testing.runner_workbench import Workbench
place, mark, fork = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
session = SandboxRunner().session(None, scratch=place)
if fork == "forked" and os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
Workbench(session, place).sh(f"setsid sleep {mark} & sleep {mark}")
"""


@pytest.mark.parametrize("fork", ["alone", "forked"])
def test_nothing_outlives_the_owner(tmp_path, fork):
    mark = unique_duration()
    command = [sys.executable, "-c", OWNER, str(tmp_path), mark, fork]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as owner:
        child = int(owner.stdout.readline()) if fork == "forked" else None
        try:
            assert wait_until(lambda: len(processes_with(mark)) >= 3)
            assert wait_until(lambda: len(zygotes(owner.pid)) == 3)
            theirs = zygotes(owner.pid)
            assert groups_of_owner(owner.pid) or os.geteuid() != 0 or not find_places()
            owner.kill()
            assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in theirs))
            assert wait_until(lambda: processes_with(mark) == ([child] if child else []))
        finally:
            owner.kill()
            if child:
                os.kill(child, signal.SIGKILL)
    assert mounts_below(tmp_path) == []
    assert groups_of_owner(owner.pid) == []


def groups_of_owner(pid: int) -> list[Path]:
    return [group for place in find_places() for group in place.directory.glob(f"pfslib~*:{pid}:*")]


@pytest.mark.parametrize("which", [0, 1], ids=["guard", "zygote"])
def test_losing_a_process_of_the_sandbox_is_an_error(workbench, which):
    mark = unique_duration()
    victim = zygotes(os.getpid())[-2:][which]
    errors = []

    def attempt() -> None:
        try:
            workbench.sh(f"sleep {mark}")
        except RunnerError as error:
            errors.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    assert wait_until(lambda: bool(processes_with(mark)))
    os.kill(victim, signal.SIGKILL)
    thread.join(10)
    assert len(errors) == 1
    assert wait_until(lambda: processes_with(mark) == [])
    with pytest.raises(RunnerError):
        workbench.run("true")


def test_an_attempt_killed_from_outside_is_an_outcome(workbench):
    mark = unique_duration()
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(workbench.sh(f"sleep {mark}").outcome))
    thread.start()
    assert wait_until(lambda: len(processes_with(mark)) > 0)
    os.kill(zygotes(os.getpid())[-1], signal.SIGKILL)
    thread.join(10)
    assert outcomes[0].exit_code == 137
    assert "outside" in outcomes[0].reason
    assert workbench.run("true").outcome.exit_code == 0


def test_an_input_that_is_not_there_is_an_error_and_the_session_goes_on(workbench, tmp_path):
    attempt = Attempt(
        inputs={"in": tmp_path / "absent"},
        out=tmp_path,
        cmd=("true",),
        stdin=b"",
        env={},
        log=tmp_path / "log",
    )
    with pytest.raises(RunnerError, match="absent"):
        workbench.session.run(attempt)
    assert workbench.run("true").outcome.exit_code == 0


SHARED = """
import sys
from pathlib import Path
from pfslib.runners.sandbox_runner import SandboxRunner
from pfslib.testing.runner_workbench import Workbench
table, place = Path("/proc/self/mountinfo"), Path(sys.argv[1])
def ours():  # others on the machine mount, too
    mounts = table.read_text().splitlines()
    return [mount for mount in mounts if str(place) in mount or " /pfs " in mount]
before = ours()
assert " / " in table.read_text() and "shared:" in table.read_text()
with SandboxRunner(hidden=[place / "in"]).session(None, scratch=place) as session:
    ran = Workbench(session, place).sh("touch /pfs/out/f; grep -c shared: /proc/self/mountinfo")
print(ran.log.strip(), ours() == before)
"""


@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare of util-linux")
def test_nothing_shows_on_a_host_whose_mounts_are_shared(tmp_path):
    """As they are under systemd."""
    (tmp_path / "in").mkdir()
    command = ["unshare", "--mount", "--propagation", "shared", sys.executable, "-c", SHARED]
    done = subprocess.run(
        [*command, tmp_path], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "0 True\n", done.stdout + done.stderr


# --- other users, other kernels --------------------------------------------------------------


@needs_root
def test_what_is_mounted_later_is_seen(workbench, tmp_path):
    late = tmp_path / "late"
    late.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "late", late], check=True)
    try:
        (late / "file").write_text("late")
        assert workbench.sh(f"cat {late}/file").log == "late"
    finally:
        subprocess.run(["umount", late], check=True)


@needs_root
def test_all_of_it_holds_for_an_ordinary_user(nobody):
    # fmt: off
    done = nobody.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(nobody.home / "tmp"),
        "-c", str(PROJECT / "pyproject.toml"), __file__,
        str(Path(__file__).with_name("test_sandbox_runner.py")),
    )
    # fmt: on
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv of util-linux")
def test_a_kernel_that_forbids_it_is_told_with_the_cure():
    python = (
        "from pfslib.runners.sandbox_runner import sandbox_available; print(sandbox_available())"
    )
    script = (
        "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all"
        f" {shlex.quote(sys.executable)} -c {shlex.quote(python)}"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sysctl -w user.max_user_namespaces" in done.stdout
    assert "--runner docker" in done.stdout
