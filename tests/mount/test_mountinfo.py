"""What the kernel says is mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pfslib.mounts import mountinfo
from pfslib.mounts.mountinfo import find_mount, kernel_mounts, list_mounts

LINES = (
    rb"22 27 0:21 / /proc rw,relatime - proc proc rw",
    rb"40 27 0:30 / /mnt/a\040b\011c\012d\134e rw shared:1 master:2 - fuse.pfs im\040ages@x ro",
    rb"41 27 0:31 / /mnt/under rw - ext4 /dev/sda rw",
    b"42 41 0:32 / /mnt/under rw,nosuid - fuse.pfs caf\xe9 ro,user_id=0",
    rb"43 27 0:33 /sub /mnt/none rw - nfs4 host:/x rw",
)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(b"\n".join(LINES) + b"\n")
    monkeypatch.setattr(mountinfo, "_TABLE", table)


@pytest.mark.usefixtures("lines")
def test_escapes_and_optional_fields() -> None:
    found = find_mount(Path("/mnt/a b\tc\nd\\e"))
    assert found is not None
    assert (found.device, found.file_system, found.source) == ("0:30", "fuse.pfs", "im ages@x")


@pytest.mark.usefixtures("lines")
def test_of_two_mounts_at_one_place_the_later_is_the_one_seen() -> None:
    found = find_mount(Path("/mnt/under"))
    assert found is not None
    assert (found.device, os.fsencode(found.source), found.is_pfs) == ("0:32", b"caf\xe9", True)


@pytest.mark.usefixtures("lines")
def test_only_ours_are_listed() -> None:
    listed = [record.path for record in list_mounts()]
    assert listed == [Path("/mnt/a b\tc\nd\\e"), Path("/mnt/under")]
    assert not any(record.alive for record in list_mounts())


def test_nothing_is_mounted_in_an_ordinary_directory(tmp_path: Path) -> None:
    assert find_mount(tmp_path) is None
    assert find_mount(tmp_path / "missing") is None


def test_the_kernels_own_table_can_be_read() -> None:
    found = {mount.path: mount for mount in kernel_mounts()}
    assert found[Path("/proc")].file_system == "proc"
    assert not found[Path("/proc")].is_pfs
