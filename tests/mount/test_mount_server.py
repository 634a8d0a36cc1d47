"""The orders that mount servers are forked for, which are all that the library knows of them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pfslib
from pfslib.mounts import mount_zygote
from pfslib.mounts.mountinfo import find_mount
from pfslib.mounts.server_process import start_server
from pfslib.testing.runner_workbench import is_running, wait_until

pytestmark = pytest.mark.mount


class Server:
    """A server ordered by hand."""

    def __init__(
        self, settings: dict[str, object], *, listen: bool = True, log: int | None = None
    ) -> None:
        report, theirs = os.pipe()
        self.report: int | None = report
        if not listen:
            self.close()
        with tempfile.TemporaryFile() as errors:
            order = msgspec.msgpack.encode(settings)
            logs = [log] if log is not None else []
            mount_zygote.order(order, [theirs, errors.fileno(), *logs])
        os.close(theirs)
        if listen:
            self.pid = int(self.answer())

    def answer(self) -> str:
        """The next line; empty when the server has ended."""
        line = b""
        while not line.endswith(b"\n") and (said := os.read(self.report, 1)):
            line += said
        return line.decode()

    def close(self) -> None:
        if self.report is not None:
            os.close(self.report)
            self.report = None

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> None:
        while self.answer():
            pass


@pytest.fixture
def settings(source, mountpoint: Path) -> dict[str, object]:
    return {"store": str(source.store), "view": source.view, "mountpoint": bytes(mountpoint)}


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(settings: dict[str, object], **options: Any) -> Server:
        started.append(Server(settings, **options))
        return started[-1]

    yield start
    for server in started:
        if server.report is not None:
            server.terminate()
            server.wait()
            server.close()


def test_ready_means_that_the_mount_answers(start, settings, mountpoint: Path) -> None:
    server = start(settings)
    answer = server.answer()
    found = find_mount(mountpoint)
    assert answer == f"ready {found.device}\n"
    assert (mountpoint / "run.sh").exists()
    server.terminate()
    assert server.answer() == ""
    assert find_mount(mountpoint) is None


def test_failure_is_a_sentence_and_a_hint(start, settings, tmp_path: Path) -> None:
    server = start({**settings, "store": str(tmp_path)})
    assert server.answer() == f"error: {tmp_path} holds no store\n"
    assert server.answer().startswith("hint: ")
    assert server.answer() == ""


def test_nobody_waits_any_more(start, settings, mountpoint: Path) -> None:
    """Whoever started it has died in the meantime: nobody would ever unmount."""
    start(settings, listen=False)
    time.sleep(0.05)
    assert wait_until(lambda: find_mount(mountpoint) is None)


def test_owner_that_is_dead_already(start, settings, mountpoint: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    start({**settings, "owner_pid": gone.pid}).wait()
    assert find_mount(mountpoint) is None


def test_second_signal_is_as_good_as_the_first(start, settings, mountpoint: Path) -> None:
    server = start(settings)
    server.answer()
    file = os.open(mountpoint / "run.sh", os.O_RDONLY)  # keeps the server waiting for a moment
    for _ in range(5):
        server.terminate()
    server.wait()
    assert find_mount(mountpoint) is None
    with contextlib.suppress(OSError):  # nobody is there to be told
        os.close(file)


def test_detached_server_spares_what_is_mounted_in_its_place(
    start, settings, mountpoint: Path
) -> None:
    first = start(settings)
    first.answer()
    file = os.open(mountpoint / "run.sh", os.O_RDONLY)
    subprocess.run(["umount", "--lazy", mountpoint], check=True)
    second = start(settings)
    second.answer()
    first.terminate()
    first.wait()
    os.close(file)
    assert (mountpoint / "run.sh").exists()


def test_a_log_that_nobody_reads_holds_nobody_up(
    start, settings, mountpoint: Path, tmp_path: Path
) -> None:
    """Neither the readers of the mount, nor the server when it is to end."""
    with pfslib.init(tmp_path / "store") as store:
        with store.create_repo("r").commit() as making:
            making.put_file("/hurt", b"x")
        root = making.commit.tree.root.node.hex()
    unread, log = os.pipe()
    os.set_blocking(log, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(log, bytes(4096))
    os.set_blocking(log, True)
    server = start({**settings, "store": str(tmp_path / "store"), "view": "store"}, log=log)
    assert server.answer().startswith("ready ")
    shutil.rmtree(tmp_path / "store")  # nothing can be kept from gc any more, and that is logged
    code = """if True:
        import os, sys
        for name in sys.argv[2:]:
            try: os.stat(sys.argv[1] + "/r/" + name)
            except OSError as error: print(error.errno)
    """
    names = ["master", making.commit.id, root]
    command = [sys.executable, "-c", code, mountpoint, *names]
    said = subprocess.check_output(command, timeout=5).split()
    assert said == [b"%d" % number for number in (errno.EIO, errno.EIO, errno.ENOENT)]
    server.terminate()
    assert wait_until(lambda: not is_running(server.pid))
    for fd in (unread, log):
        os.close(fd)


def test_zygote_that_was_killed_is_replaced(start, settings, mountpoint: Path) -> None:
    mount_zygote.prepare()
    before = mount_zygote.zygote_pid()
    os.kill(before, signal.SIGKILL)
    while is_running(before):
        time.sleep(0.001)
    assert start(settings).answer().startswith("ready ")
    assert mount_zygote.zygote_pid() != before


def test_servers_outlive_the_zygote(start, settings, mountpoint: Path) -> None:
    server = start(settings)
    server.answer()
    os.kill(mount_zygote.zygote_pid(), signal.SIGKILL)
    assert (mountpoint / "run.sh").exists()


def test_zygote_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = """
        import os, signal
        from pfslib.mounts import mount_zygote
        mount_zygote.prepare()
        print(mount_zygote.zygote_pid(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False
    )
    pid = int(said.stdout)
    assert wait_until(lambda: not is_running(pid))


def test_a_forked_child_starts_a_zygote_of_its_own() -> None:
    mount_zygote.prepare()
    ours = mount_zygote.zygote_pid()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            none = mount_zygote.zygote_pid() is None
            mount_zygote.prepare()
            code = 0 if none and mount_zygote.zygote_pid() != ours else 2
            mount_zygote.end()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert mount_zygote.zygote_pid() == ours


def test_zygote_whose_socket_somebody_closed_is_replaced(start, settings) -> None:
    """As programs do that become daemons."""
    mount_zygote.prepare()
    mount_zygote._current._control.close()
    assert start(settings).answer().startswith("ready ")


CHROOT = """
import os, subprocess, sys
from pathlib import Path
from pfslib.mounts.mounting import mount
store, view, root, mountpoint = sys.argv[1:]
with mount(Path(store), view, None, fsname="before") as path:
    assert (path / "run.sh").exists()
subprocess.run(["mount", "--rbind", "/", root], check=True)
os.chroot(root)
with mount(Path(store), view, Path(mountpoint), fsname="after") as path:
    print((path / "run.sh").exists(), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its root directory")
def test_zygote_from_before_a_chroot_is_replaced(source, mountpoint: Path, tmp_path: Path) -> None:
    """Its servers would mount where the process cannot look. It is told by more than the inode."""
    (tmp_path / "root").mkdir()
    arguments = [source.store, source.view, tmp_path / "root", mountpoint]
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", CHROOT]
    assert subprocess.check_output([*command, *arguments], timeout=20) == b"True\n"


DROPPED = """
import os, sys
import msgspec
from pfslib.mounts import mount_zygote
mount_zygote.prepare()
os.setgid(65534)
os.setuid(65534)
report, theirs = os.pipe()
errors = os.memfd_create("errors")
settings = {"store": sys.argv[1], "view": "store", "mountpoint": sys.argv[1].encode()}
mount_zygote._current.send(msgspec.msgpack.encode(settings), [theirs, errors])
os.close(theirs)
print(os.read(report, 100))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_zygote_takes_no_orders_of_a_process_that_has_dropped_its_privileges(
    tmp_path: Path,
) -> None:
    """Or root would mount for it what it may not see, wherever it likes."""
    code = [sys.executable, "-c", DROPPED, tmp_path]
    assert subprocess.check_output(code, timeout=20) == b"b''\n"


OF_A_THREAD = """
import ctypes, sys
from pathlib import Path
from threading import Thread
from pfslib.mounts.mounting import mount
def work():
    assert ctypes.CDLL(None).unshare(0x20000) == 0  # CLONE_NEWNS
    with mount(Path(sys.argv[1]), sys.argv[2], None, fsname="x") as path:
        print((path / "run.sh").exists())
thread = Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can unshare mounts")
def test_a_thread_with_a_mount_namespace_of_its_own_can_mount(source) -> None:
    inside = ["unshare", "--mount", "--propagation", "private"]
    command = [*inside, sys.executable, "-c", OF_A_THREAD, source.store, source.view]
    assert subprocess.check_output(command, timeout=20) == b"True\n"


def test_a_start_that_fails_in_an_unforeseen_way_leaves_a_traceback(
    source, mountpoint: Path
) -> None:
    where = {"store": str(source.store), "view": source.view, "mountpoint": bytes(mountpoint)}
    with pytest.raises(pfslib.MountError, match=r"(?s)ended before .*Error"):
        start_server({**where, "owner_pid": 1 << 40}, tied=False, timeout_s=10)
