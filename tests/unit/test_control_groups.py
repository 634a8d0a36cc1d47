"""Control groups of either version, as kernels and their containers lay them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfslib.runners import control_groups
from pfslib.runners.control_groups import ControlGroups, Limits, find_places, groups_of

CPU_AND_MEMORY = Limits(64 << 20, 1.5)


def laid_out(proc: Path, groups: str, mounts: str) -> Path:
    for name in ("self", "7"):
        (proc / name).mkdir(parents=True)
        (proc / name / "cgroup").write_text(groups)
    others = b"99 1 0:99 / /not-utf-8-\xff\xc2\x85 rw - tmpfs tmpfs rw\n"
    (proc / "self/mountinfo").write_bytes(others + mounts.encode())
    return proc


def test_groups_of_version_1_are_in_several_hierarchies(tmp_path: Path) -> None:
    proc = laid_out(
        tmp_path,
        "5:memory:/a/b\n4:cpu,cpuacct:/c\n3:freezer:/\n0::/\n",
        "30 1 0:1 / /sys/cg/memory rw - cgroup cgroup rw,memory\n"
        "31 1 0:2 /c /sys/cg/cpu rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n"
        "32 1 0:3 / /proc rw - proc proc rw\n",
    )
    found = {(str(own.directory), own.unified) for own in groups_of(7, proc)}
    assert found == {("/sys/cg/memory/a/b", False), ("/sys/cg/cpu", False)}
    assert list(groups_of(8, proc)) == [], "there is no such process"


def test_a_group_of_version_2_is_made_where_controllers_are_handed_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "cg"
    (top / "slice/scope").mkdir(parents=True)
    (top / "slice/cgroup.subtree_control").write_text("memory pids cpu io\n")
    (top / "slice/scope/cgroup.subtree_control").write_text("\n")
    proc = laid_out(
        tmp_path / "proc",
        "0::/slice/scope\n",
        f"30 1 0:1 / {top} rw - cgroup2 cgroup2 rw,nsdelegate\n",
    )
    monkeypatch.setattr(control_groups, "groups_of", lambda pid: groups_of(pid, proc))
    monkeypatch.setattr(control_groups, "_remove", lambda _: None)  # the files are no kernel's
    (place,) = find_places()
    assert (place.directory, place.unified) == (top / "slice", True)
    groups = ControlGroups(CPU_AND_MEMORY)
    assert groups.memory
    with groups.group() as group:
        directory = Path(group.doors[0]).parent
        assert {path.name: path.read_text() for path in directory.iterdir()} == {
            "memory.max": str(64 << 20),
            "memory.swap.max": "0",
            "cpu.max": "150000 100000",
            "pids.max": "4096",
        }
        assert group.memory_kills == 0
        (directory / "memory.events").write_text("low 0\noom 1\noom_kill 1\noom_group_kill 0\n")
        assert group.memory_kills == 1


def test_what_a_dead_process_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = control_groups.Place(tmp_path, frozenset({"pids"}), unified=True)
    monkeypatch.setattr(control_groups, "find_places", lambda: [place])
    mine = f"pfslib~{control_groups.this_process()}~1"
    for name in ("pfslib~another-boot:1:2:3~4", mine, "somebody"):
        (tmp_path / name).mkdir()
    ControlGroups(Limits(0, 0)).close()
    left = {path.name for path in tmp_path.iterdir()}
    assert left & {mine, "somebody", "pfslib~another-boot:1:2:3~4"} == {mine, "somebody"}
