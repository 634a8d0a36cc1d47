"""What the kernel says is mounted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from threading import Thread

import pytest

import pfslib
from pfsfuse import kernel_mount
from pfsfuse.kernel_loop import KernelLoop
from pfsfuse.kernel_mount import Mount
from pfsfuse.operations import Operations
from pfsfuse.views import open_view
from pfslib.mounts import mountinfo
from pfslib.mounts.mountinfo import find_mount, kernel_mounts, list_mounts, state_of
from pfslib.mounts.mounting import Mounted

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


@pytest.mark.usefixtures("lines")
def test_all_servers_are_asked_before_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or each that is hung would take two seconds."""
    events: list[str] = []

    class Noted(mountinfo._Question):
        def _ask(self) -> None:
            events.append("asked")

        def wait(self, deadline: float) -> mountinfo.MountState:
            super().wait(deadline)
            events.append("waited")
            return self._state

    monkeypatch.setattr(mountinfo, "_Question", Noted)
    monkeypatch.setattr(mountinfo, "_ANSWER_S", 0.2)
    assert [record.state for record in list_mounts()] == ["hung", "hung"]
    assert sorted(events[:2]) == ["asked", "asked"]


def test_nothing_is_mounted_in_an_ordinary_directory(tmp_path: Path) -> None:
    assert find_mount(tmp_path) is None
    assert find_mount(tmp_path / "missing") is None


def test_the_kernels_own_table_can_be_read() -> None:
    found = {mount.path: mount for mount in kernel_mounts()}
    assert found[Path("/proc")].file_system == "proc"
    assert not found[Path("/proc")].is_pfs


# --- mounts of other users, as root and the other way round -----------------------------------

NOBODY = 65534


@pytest.fixture
def theirs(mountpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileIO]:
    """The device of a mount that the user nobody has made, and that nobody serves yet."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount for another user")
    monkeypatch.setattr(mountinfo, "_ANSWER_S", 0.5)
    with monkeypatch.context() as patch:
        for name in ("geteuid", "getegid"):
            patch.setattr(os, name, lambda: NOBODY)
        mount = Mount(bytes(mountpoint), "theirs", allow_other=False)
        device = FileIO(kernel_mount.mount(mount), "r+")
    yield device
    device.close()
    kernel_mount.detach(bytes(mountpoint))


@pytest.mark.mount
def test_root_sees_a_dead_mount_of_another_user_and_clears_it(
    theirs: FileIO, mountpoint: Path, mount_source: Callable[..., Mounted]
) -> None:
    """The kernel answers strangers itself, as if all were well."""
    assert os.statvfs(mountpoint).f_bsize == 0
    theirs.close()
    assert state_of(mountpoint) == "dead"
    with mount_source(mountpoint) as path:
        assert (path / "run.sh").exists()


@pytest.mark.mount
def test_root_sees_how_it_is_with_a_server_of_another_user(
    theirs: FileIO, mountpoint: Path, source
) -> None:
    assert state_of(mountpoint) == "hung"
    with pfslib.open_trees(source.store) as store:
        operations = Operations(open_view(store, source.view))
        loop = KernelLoop(theirs.fileno(), operations, on_live=lambda: None)
        serving = Thread(target=loop.serve)
        serving.start()
        assert state_of(mountpoint) == "running"
        kernel_mount.detach(bytes(mountpoint))
        serving.join()


AS_NOBODY = """
import os, sys
from pathlib import Path
from pfslib.mounts import mountinfo, mounting
mountinfo.kernel_mounts(), sys.stdout.flush()
os.setgid(65534)
os.setuid(65534)
print(mountinfo.state_of(Path(sys.argv[1])))
"""


@pytest.mark.mount
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_mount_that_is_closed_to_this_user_is_unknown(
    mount_source: Callable[..., Mounted],
) -> None:
    with tempfile.TemporaryDirectory(prefix="public-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (point := Path(folder) / "mnt").mkdir()
        states = []
        for allow_other in (False, True):
            with mount_source(point, allow_other=allow_other):
                command = [sys.executable, "-c", AS_NOBODY, point]
                states.append(subprocess.check_output(command, text=True).strip())
        assert states == ["unknown", "running"]
