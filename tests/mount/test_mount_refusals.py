"""What cannot be mounted or unmounted is refused in a sentence that says what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pfsfuse
import pfslib
from pfslib.mounts import checks, mount_zygote, server_process
from pfslib.mounts.mounting import BINDING_VARIABLE, Mounted, mount
from pfslib.mounts.unmounting import unmount

pytestmark = pytest.mark.mount

Make = Callable[..., Mounted]


def refused(call: Callable[[], object]) -> tuple[str, str]:
    """Message and hint of the MountError that the call raises."""
    with pytest.raises(pfslib.MountError) as caught:
        call()
    return caught.value.message, caught.value.hint


def test_missing_mount_point(mount_source: Make, tmp_path: Path) -> None:
    message, hint = refused(lambda: mount_source(tmp_path / "nope"))
    assert message == f"mount point {tmp_path}/nope does not exist"
    assert hint == f"`mkdir -p {tmp_path}/nope` makes it"


def test_mount_point_is_a_file(mount_source: Make, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert refused(lambda: mount_source(path))[0] == f"mount point {path} is not a directory"


def test_mount_point_is_not_empty(mount_source: Make, mountpoint: Path) -> None:
    (mountpoint / "precious").touch()
    message, _ = refused(lambda: mount_source(mountpoint))
    assert message == f"mount point {mountpoint} is not empty: it has precious"
    assert [path.name for path in mountpoint.iterdir()] == ["precious"]


def test_mounted_already(mount_source: Make, mountpoint: Path) -> None:
    mount_source(mountpoint, fsname="images@master")
    message, hint = refused(lambda: mount_source(mountpoint))
    assert message == (
        f"{mountpoint} is a mount point already: images@master (fuse.pfs) is mounted there"
    )
    assert hint == f"`pfs unmount {mountpoint}` takes it away"
    assert (mountpoint / "run.sh").exists()


def test_another_file_system_is_mounted_there(mount_source: Make) -> None:
    message, _ = refused(lambda: mount_source(Path("/proc")))
    assert message == "/proc is a mount point already: proc (proc) is mounted there"


def test_a_directory_inside_a_mount(mount_source: Make, mounted: Path) -> None:
    message, _ = refused(lambda: mount_source(mounted / "files"))
    assert "is not empty" in message


def test_no_fuse_in_the_kernel(
    mount_source: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "_DEVICE", tmp_path / "fuse")
    message, hint = refused(mount_source)
    assert message == "the kernel offers no /dev/fuse"
    assert "modprobe fuse" in hint
    assert "--device /dev/fuse --cap-add SYS_ADMIN" in hint


@pytest.mark.parametrize(
    ("binding", "message", "hint"),
    [
        ("fusepy", "libfuse 2", "apt install libfuse2 fuse (libfuse2t64 on newer releases)"),
        ("mfusepy", "libfuse 3", "apt install fuse3 (which brings libfuse3-3, or libfuse3-4 "),
    ],
    indirect=["binding"],
)
def test_missing_library(
    mount_source: Make, monkeypatch: pytest.MonkeyPatch, binding: str, message: str, hint: str
) -> None:
    """The server itself tells, since only it loads libfuse; here it is sent to a wrong file."""
    monkeypatch.setenv("FUSE_LIBRARY_PATH", "/nonexistent/libfuse.so")
    mount_zygote.end()
    found = refused(mount_source)
    assert (found[0], found[1][: len(hint)]) == (f"{message} is missing", hint), binding


def test_no_store(source, tmp_path: Path) -> None:
    message, _ = refused(lambda: mount(tmp_path / "nope", source.view, None, fsname="x"))
    assert str(tmp_path / "nope") in message


def test_no_such_tree(mount_source: Make) -> None:
    message, _ = refused(lambda: mount_source(view="tree:" + "ab" * 32))
    assert "ab" * 6 in message


def test_no_such_view(mount_source: Make) -> None:
    assert refused(lambda: mount_source(view="branch"))[0] == "view 'branch' invalid"


@pytest.mark.parametrize("is_gone", [False, True])
def test_server_that_crashes_shows_its_last_words(
    mount_source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    """Also when it is gone before it has its order."""
    send = mount_zygote.MountZygote.send

    def send_late(zygote: mount_zygote.MountZygote, *order: Any) -> None:
        if is_gone:
            os.waitid(os.P_PID, zygote.pid, os.WEXITED | os.WNOWAIT)
        send(zygote, *order)

    monkeypatch.setattr(mount_zygote.MountZygote, "send", send_late)
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\necho 'no more memory' >&2\nexit 7\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    assert refused(mount_source)[0] == (
        "the mount server ended before the mount was up: exit code 7: no more memory"
    )


def test_server_that_cannot_be_started(mount_source: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert refused(mount_source)[0].startswith("the mount server cannot be started: ")


def test_server_that_does_not_come_up_is_ended(
    mount_source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "python"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\necho waiting >&2\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    message, _ = refused(lambda: mount_source(timeout_s=0.5))
    assert message == "the mount server was not up after 0.5 seconds: waiting"
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_interrupted_while_waiting_leaves_nothing(
    mount_source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during a mount; the autouse fixture looks for servers and mounts."""

    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(server_process.ServerProcess, "_read_answer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mount_source()


def test_unmount_of_what_is_no_mount(tmp_path: Path) -> None:
    message, _ = refused(lambda: unmount(tmp_path))
    assert message == f"{tmp_path} is no mount point"


def test_unmount_of_what_is_not_ours() -> None:
    message, _ = refused(lambda: unmount(Path("/proc")))
    assert message == "/proc is no mount of pfs: proc (proc) is mounted there"


# --- as an ordinary user ---------------------------------------------------------------------

NOBODY = 65534

AS_USER = """
import sys
from pathlib import Path
from pfslib.mounts.mounting import mount
from pfslib.model.errors import MountError
store, view = sys.argv[1:3]
with mount(Path(store), view, None, fsname="user") as path:
    print((path / "run.sh").stat().st_uid, len((path / "files/1000003.bin").read_bytes()))
    file = (path / "run.sh").open("rb")
print(path.exists(), file.read(3))
try:
    mount(Path(store), view, None, fsname="user", allow_other=True)
except MountError as error:
    print(error, "|", error.hint)
"""


@pytest.fixture
def fuse_for_users() -> Iterator[None]:
    """Let every user open /dev/fuse, as most distributions do, for the time of a test."""
    device = Path("/dev/fuse")
    mode = stat.S_IMODE(device.stat().st_mode)
    device.chmod(0o666)
    yield
    device.chmod(mode)


AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def user_python() -> str:
    """A Python of this version that the user nobody can run."""
    asking = "import sys; print(sys.version_info[:2])"
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(PermissionError, FileNotFoundError):
            said = subprocess.check_output([python, "-c", asking], cwd="/", **AS_NOBODY)
            if said.decode().strip() == str(sys.version_info[:2]):
                return python
    pytest.skip("no Python of this version that another user may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.usefixtures("fuse_for_users")
def test_an_ordinary_user_can_mount(source) -> None:
    """Through fusermount, for both the mount and the unmount of a mount still in use."""
    command = [user_python(), "-B", "-c", AS_USER]
    theirs = Path(tempfile.mkdtemp(prefix="nobody-", dir="/tmp"))
    try:
        store = shutil.copytree(source.store, theirs / "store")
        for path in (theirs, store, *store.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        search = [str(Path(module.__file__).parents[1]) for module in (pfslib, pfsfuse, msgspec)]
        done = subprocess.run(
            [*command, store, source.view],
            capture_output=True,
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "TMPDIR": str(theirs),
                "PYTHONPATH": os.pathsep.join(search),
            },
            check=False,
            **AS_NOBODY,
        )
        assert done.stdout.decode().splitlines() == [
            f"{NOBODY} 1000003",
            "False b'#!/'",
            "/etc/fuse.conf does not let users show their mounts to others | "
            "add the line user_allow_other to /etc/fuse.conf",
        ], done.stderr.decode()
    finally:
        shutil.rmtree(theirs)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_who_may_not_open_the_device_is_told_so(source) -> None:
    code = (
        "import os; os.setuid(65534)\n"
        "from pathlib import Path\n"
        "from pfslib.mounts.mounting import mount\n"
        "mount(Path('/x'), 'roots', None, fsname='x')"
    )
    preloaded = "import pfslib.mounts.mounting\n" + code
    device = Path("/dev/fuse")
    mode = device.stat().st_mode & 0o777
    device.chmod(0o600)
    try:
        done = subprocess.run([sys.executable, "-c", preloaded], capture_output=True, check=False)
    finally:
        device.chmod(mode)
    assert b"MountError: this user may not open /dev/fuse" in done.stderr


def test_a_binding_that_is_none_is_named(source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BINDING_VARIABLE, "bogus")
    with pytest.raises(pfslib.MountError, match="PFS_MOUNT_BINDING is 'bogus'"):
        mount(source.store, source.view, None, fsname="x")


def test_without_a_directory_for_temporary_files(
    source, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(mountpoint / "missing"))
    mount_zygote.end()
    with mount(source.store, source.view, mountpoint, fsname="x") as path:
        assert (path / "run.sh").exists()
    with pytest.raises(pfslib.MountError, match="no directory to mount on can be made"):
        mount(source.store, source.view, None, fsname="x")
