"""The local sandbox keeps the runners' contract, and some promises of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import sys
import threading
from pathlib import Path

import pytest

import pfslib.runners.sandbox_runner
from pfslib.kv.process import this_process
from pfslib.model.errors import RunnerError
from pfslib.runners import control_groups
from pfslib.runners.control_groups import ControlGroups, Limits
from pfslib.runners.runner import Attempt, Confinement, Runner
from pfslib.runners.sandbox_runner import SandboxRunner, sandbox_available
from pfslib.testing.runner_contract import RunnerContract
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


class TestSandboxRunner(RunnerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls) -> Runner:
        return SandboxRunner()


@pytest.fixture
def scratch(tmp_path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def workbench(scratch, tmp_path):
    with SandboxRunner().session(None, scratch=scratch) as session:
        yield Workbench(session, tmp_path)


# --- what is seen ----------------------------------------------------------------------------


def test_the_host_is_seen_as_it_is(workbench, tmp_path):
    (tmp_path / "there").write_text("there")
    seen = workbench.sh(f"ls -A /; cat {tmp_path}/there").log.split()
    assert set(seen) == {*(path.name for path in Path("/").iterdir()), "pfs", "there"}


def host_mounts() -> set[str]:
    """What is mounted, but for what others on the machine may be mounting meanwhile."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {mount for mount in mounts if " fuse.pfs " not in mount and "/docker/" not in mount}


def test_pfs_shows_nowhere_on_the_host_even_while_it_is_used(workbench, tmp_path):
    mark = unique_duration()
    before = host_mounts()
    thread = threading.Thread(
        target=workbench.sh, args=(f"touch /pfs/out/f; sleep {mark}",), kwargs={"timeout_s": 1.0}
    )
    thread.start()
    assert wait_until(lambda: bool(processes_with(mark)))
    assert mounts_below(tmp_path) == []
    assert host_mounts() <= before
    thread.join()


def test_without_a_command_nothing_is_run(workbench):
    assert workbench.run().outcome.exit_code == 127


def test_only_the_standard_descriptors_are_open(workbench):
    ran = workbench.sh("exec ls /proc/self/fd")
    assert ran.log.split() == ["0", "1", "2", "3"], "3 is the directory that ls reads"


def test_signals_and_umask_and_session_are_fresh(workbench):
    ran = workbench.sh(
        "umask; grep -E 'Sig(Blk|Ign)' /proc/self/status; cut -d' ' -f6 /proc/self/stat"
    )
    umask, *masks, session = ran.log.splitlines()
    assert umask == "0022"
    blocked, ignored = (int(line.split()[1], 16) for line in masks)
    of_the_c_library = 1 << 31 | 1 << 32
    assert (blocked, ignored & ~of_the_c_library) == (0, 0)
    assert int(session) > 1, "the command leads a session of its own"


def test_the_command_sees_only_its_own_processes(workbench):
    numbers = [int(entry) for entry in workbench.sh("ls /proc").log.split() if entry.isdecimal()]
    assert numbers
    assert max(numbers) < 10


def test_the_processes_that_rule_it_are_closed_to_the_command(workbench):
    ran = workbench.sh("cat /proc/1/mem; cat /proc/1/environ; ls /proc/1/cwd/")
    assert ran.log.count("Permission denied") == 3


def test_root_has_no_more_privileges_than_in_a_container(workbench):
    log = workbench.sh("grep -E 'Cap(Inh|Prm|Eff|Amb|Bnd)' /proc/self/status").log
    held = {line.split()[0]: int(line.split()[1], 16) for line in log.splitlines()}
    docker_default = 0xA80425FB
    assert not any(capabilities & ~docker_default for capabilities in held.values()), log
    assert held["CapInh:"] == held["CapAmb:"] == 0


def test_a_daemon_may_die_unwaited_for(workbench):
    ran = workbench.sh("for i in 1 2 3; do (true &); done; sleep 0.1; cat /proc/[0-9]*/stat")
    assert " Z " not in ran.log


# --- what is hidden --------------------------------------------------------------------------


@pytest.fixture
def secrets(tmp_path):
    """A store to be hidden, reached through a symbolic link, and two of its parts."""
    store = tmp_path / "real" / "store"
    (store / "input").mkdir(parents=True)
    (store / "data").write_text("secret")
    (store / "input" / "file").write_text("given")
    (tmp_path / "link").symlink_to("real")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        yield tmp_path


def test_hidden_things_are_hidden(secrets, scratch):
    hidden = [secrets / "link" / "store", secrets / "socket", secrets / "absent"]
    with SandboxRunner(hidden=hidden).session(None, scratch=scratch) as session:
        ran = Workbench(session, secrets).sh(
            f"ls -A {secrets}/real/store {secrets}/link/store {scratch}; cat {secrets}/socket;"
            f"test -S {secrets}/socket && echo connectable;"
            f"touch {secrets}/link/store/new && echo writable"
        )
    store = secrets / "real" / "store"
    assert ran.log.split() == [
        *(f"{secrets}/link/store:", f"{secrets}/real/store:", f"{scratch}:"),
        *ran.log.split()[3:],
    ]
    assert "secret" not in ran.log
    assert "connectable" not in ran.log
    assert "writable" not in ran.log
    assert (store / "data").read_text() == "secret"


def test_an_input_may_lie_in_what_is_hidden(secrets, scratch):
    store = secrets / "real" / "store"
    (store / "out").mkdir()
    attempt = Attempt(
        inputs={"in": store / "input"},
        out=store / "out",
        cmd=("cp", "/pfs/in/file", "/pfs/out/file"),
        stdin=b"",
        env={},
        log=store / "log",
    )
    with SandboxRunner(hidden=[store]).session(None, scratch=scratch) as session:
        assert session.run(attempt).exit_code == 0
    assert (store / "out" / "file").read_text() == "given"


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare of util-linux")
def test_covers_cannot_be_taken_off(secrets, scratch):
    store = secrets / "real" / "store"
    with SandboxRunner(hidden=[store]).session(None, scratch=scratch) as session:
        script = f"umount {store}; umount -l {store}; ls -A {store}"
        ran = Workbench(session, secrets).sh(
            f"({script}); unshare --user --map-root-user --mount sh -c {shlex.quote(script)}"
        )
    assert "data" not in ran.log.split()
    assert ran.outcome.exit_code == 0, ran.log


# --- images ----------------------------------------------------------------------------------


@pytest.fixture
def image(tmp_path) -> Path:
    image = tmp_path / "im:a,g\\e"
    (image / "pfs-new-directory").mkdir(parents=True)
    (image / "pfs-new-directory" / "tool").write_text("#!/bin/sh\necho tool\n")
    (image / "pfs-new-directory" / "tool").chmod(0o755)
    (image / "pfs-new-file").write_text("file")
    (image / "pfs-new-link").symlink_to("pfs-new-file")
    (image / "etc").mkdir()
    (image / "etc" / "pfs-new").write_text("new")
    (image / "etc" / "passwd").write_text("replaced")
    (image / "bin").mkdir()
    (image / "bin" / "pfs-new-tool").symlink_to("/pfs-new-directory/tool")
    for empty in ("tmp", "proc", "pfs"):
        (image / empty).mkdir()
    return image


def test_an_image_is_laid_over_the_host(image, scratch, tmp_path):
    runner = SandboxRunner(overlays={"mine": image}, digests={"mine": "abc"})
    with runner.session("mine", scratch=scratch) as session:
        assert session.image_digest == "abc"
        ran = Workbench(session, tmp_path).sh(
            "/pfs-new-directory/tool; pfs-new-tool; cat /pfs-new-link /etc/pfs-new /etc/passwd;"
            "echo; ls /etc/group; ls -A /pfs; touch /tmp || echo read-only"
        )
    assert ran.log.split() == ["tool", "tool", "filenewreplaced", "/etc/group", "out"]
    assert not Path("/pfs-new-file").exists()
    assert not Path("/etc/pfs-new").exists()


def test_an_image_is_read_only(image, scratch, tmp_path):
    with SandboxRunner(overlays={"mine": image}).session("mine", scratch=scratch) as session:
        ran = Workbench(session, tmp_path).sh(
            "touch /pfs-new-directory/x || touch /etc/x || echo x > /pfs-new-file"
        )
    assert ran.outcome.exit_code != 0
    assert not (image / "etc" / "x").exists()


def directory_with_mounts() -> Path:
    """A directory, not of the kernel's own, with something mounted in it."""
    points = [
        Path(line.split(" ")[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    places = {Path("/", point.parts[1]) for point in points if len(point.parts) > 2}
    return min(places - {Path("/proc"), Path("/sys"), Path("/dev")}, default=Path("/"))


def test_what_is_mounted_inside_a_merged_directory_stays(image, scratch, tmp_path):
    directory = directory_with_mounts()
    if directory == Path("/"):
        pytest.skip("nothing is mounted below the top directories")
    (image / directory.name).mkdir(exist_ok=True)
    (image / directory.name / "pfs-new").write_text("new")
    with SandboxRunner(overlays={"mine": image}).session("mine", scratch=scratch) as session:
        ran = Workbench(session, tmp_path).sh(
            f"cat {directory}/pfs-new; ls -A {directory}; touch {directory}/x || echo read-only;"
            f"grep -c ' {directory}/' /proc/self/mountinfo"
        )
    found = ran.log.split()
    assert found[0].startswith("new")
    assert {path.name for path in directory.iterdir()} - {"pfs-new"} <= {*found, found[0][3:]}
    assert "read-only" in found
    assert int(found[-1]) > 0


def test_other_names_mean_the_bare_host(image, scratch, tmp_path):
    with SandboxRunner(overlays={"mine": image}).session("other", scratch=scratch) as session:
        assert session.image_digest == ""
        assert Workbench(session, tmp_path).run("ls", "/pfs-new-file").outcome.exit_code != 0


def test_an_image_that_clashes_with_the_host_is_told_of_at_once(scratch, tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "usr").write_text("a file where the host has a directory")
    runner = SandboxRunner(overlays={"mine": tmp_path / "image"})
    with pytest.raises(RunnerError, match="/usr"):
        runner.session("mine", scratch=scratch)
    assert list(scratch.iterdir()) == []


def test_the_root_may_be_written_to_and_is_forgotten(scratch, tmp_path):
    """A script that leaves a file where it starts works, as it does in a container."""
    with SandboxRunner().session(None, scratch=scratch) as session:
        bench = Workbench(session, tmp_path)
        assert bench.sh("echo x > left-behind && cat /left-behind").log == "x\n"
        assert bench.sh("ls /left-behind").outcome.exit_code != 0
    assert not Path("/left-behind").exists()


def test_nothing_is_lost_beside_the_output(scratch, tmp_path):
    with SandboxRunner().session(None, scratch=scratch) as session:
        ran = Workbench(session, tmp_path).sh("echo x > /pfs/output || echo read-only")
    assert "read-only" in ran.log


# --- what it may use -------------------------------------------------------------------------


def test_a_user_that_cannot_be_had_is_refused(scratch):
    confined = Confinement(user="no-such-user")
    with pytest.raises(RunnerError, match="no user no-such-user"):
        SandboxRunner().session(None, scratch=scratch, confinement=confined)
    if os.geteuid() != 0:
        with pytest.raises(RunnerError, match="only root can be somebody else"):
            SandboxRunner().session(None, scratch=scratch, confinement=Confinement(user="0"))


def test_one_may_be_oneself(scratch, tmp_path):
    oneself = Confinement(user=f"{os.geteuid()}:{os.getegid()}")
    with SandboxRunner().session(None, scratch=scratch, confinement=oneself) as session:
        ran = Workbench(session, tmp_path).sh("id -u; echo $HOME; echo > /pfs/out/f")
        assert ran.log.split() == [str(os.geteuid()), os.environ["HOME"]]


@pytest.fixture
def limited(scratch, tmp_path):
    """A workbench of little memory, where control groups can be had."""
    confined = Confinement(memory_limit=64 << 20, cpu_limit=0.5)
    with SandboxRunner().session(None, scratch=scratch, confinement=confined) as session:
        if not groups_here():
            pytest.skip("no control groups can be made here")
        yield Workbench(session, tmp_path)


def groups_here() -> list[Path]:
    groups = ControlGroups(Limits(1 << 30, 1.0))
    groups.close()
    return [place.directory for place in groups.places]


def own_groups() -> list[Path]:
    """Those that this process has left; others on the machine may have theirs."""
    mine = f"pfslib~{this_process()}~*"
    return [left for place in groups_here() for left in place.glob(mine)]


def test_memory_is_limited_for_all_processes_together(limited):
    eat = "import time; x = bytearray(20 << 20); time.sleep(2)"
    ran = limited.sh(
        f"for n in 1 2 3 4 5; do {shlex.quote(sys.executable)} -S -c '{eat}' & done; wait; exit 3"
    )
    assert (ran.outcome.exit_code, ran.outcome.reason) == (3, ""), "it was not the command itself"
    assert "out of memory" in ran.outcome.remark


def test_processors_are_limited_by_the_fraction(limited):
    ran = limited.sh("timeout 0.8 sh -c 'while :; do :; done'; times")
    used = [60 * int(m) + float(s) for m, s in re.findall(r"(\d+)m([\d.]+)s", ran.log)]
    assert 0 < sum(used[2:]) < 0.6, "half a processor for 0.8 s"


ON_WHICH = "grep Cpus_allowed_list /proc/self/status | cut -f2"


def test_processors_are_not_chosen_where_their_time_is_limited(limited):
    assert limited.sh(ON_WHICH).log.strip() == on_which_here()


def on_which_here() -> str:
    return re.findall(r"Cpus_allowed_list:\t(.*)", Path("/proc/self/status").read_text())[0]


def test_without_control_groups_processors_are_given_by_turns(scratch, tmp_path, monkeypatch):
    monkeypatch.setattr(control_groups, "find_places", list)
    confined = Confinement(cpu_limit=0.5)
    here = os.sched_getaffinity(0)
    with SandboxRunner().session(None, scratch=scratch, confinement=confined) as session:
        workbench = Workbench(session, tmp_path)
        used = [int(workbench.sh(ON_WHICH).log) for _ in here]
    assert set(used) == here


def test_limits_cannot_be_lifted_nor_groups_outlive_their_attempt(limited):
    ran = limited.sh(
        "find /sys/fs/cgroup -name 'memory.limit_in_bytes' -o -name memory.max -o -name pids.max"
        " | while read f; do echo 9 > $f && echo lifted; done; cat /proc/self/cgroup"
    )
    assert "pfslib~" in ran.log
    assert "lifted\n" not in ran.log
    assert own_groups() == []


def test_a_fork_bomb_ends_in_itself(scratch, tmp_path, monkeypatch):
    monkeypatch.setattr(control_groups, "PROCESSES_MAX", 20)
    with SandboxRunner().session(None, scratch=scratch) as session:
        if not groups_here():
            pytest.skip("no control groups can be made here")
        workbench = Workbench(session, tmp_path)
        assert "fork" in workbench.sh("for i in $(seq 100); do sleep 60 & done; exit 0").log
        assert workbench.sh("true & wait").outcome.exit_code == 0
    assert own_groups() == []


def test_without_control_groups_the_limit_is_each_process_own(scratch, tmp_path, monkeypatch):
    monkeypatch.setattr(control_groups, "find_places", list)
    confined = Confinement(memory_limit=64 << 20)
    with SandboxRunner().session(None, scratch=scratch, confinement=confined) as session:
        outcome = Workbench(session, tmp_path).sh("x=x; while :; do x=$x$x; done").outcome
    assert outcome.exit_code != 0
    assert outcome.remark == "each of its processes may have 64 MiB of address space"
