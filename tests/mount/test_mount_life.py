"""Mounts come up, go down, and leave nothing behind, whoever dies first."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread

import pytest

import pfslib
from pfslib.cli.main import main
from pfslib.kv.tables import Table
from pfslib.mounts import mountinfo
from pfslib.mounts.mountinfo import find_mount, is_alive, kernel_mounts, list_mounts
from pfslib.mounts.mounting import Mounted, mount
from pfslib.mounts.turns import claim
from pfslib.mounts.unmounting import unmount
from pfslib.testing.runner_workbench import is_running, wait_until

pytestmark = pytest.mark.mount

Make = Callable[..., Mounted]


def is_stopped(pid: int) -> bool:
    """Whether every thread of a process has stopped."""
    states = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(path.read_text().rpartition(")")[2].split()[0] == "T" for path in states)


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def record_of(path: Path) -> list[str]:
    return [str(record.state) for record in list_mounts() if record.path == path]


def said_by(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command prints, and what it says beside."""
    with pytest.raises(SystemExit):
        main(words)
    return capsys.readouterr()


# --- the ordinary life -----------------------------------------------------------------------


def test_private_mount_point_goes_with_the_mount(mount_source: Make) -> None:
    with mount_source() as path:
        assert path.stat().st_mode & 0o777 == 0o555
        assert path.parent.stat().st_mode
        assert (path / "run.sh").exists()
    assert not path.exists()


def test_given_mount_point_stays_and_can_be_used_again(
    mount_source: Make, mountpoint: Path
) -> None:
    for _ in range(2):
        with mount_source(mountpoint) as path:
            assert path == mountpoint
            assert (path / "run.sh").exists()
        assert not any(mountpoint.iterdir())


def test_mount_point_by_a_symbolic_link(mount_source: Make, mountpoint: Path) -> None:
    link = mountpoint.with_name("link")
    link.symlink_to(mountpoint)
    with mount_source(link) as path:
        assert path == mountpoint
    assert not any(link.iterdir())


def test_server_is_gone_and_reaped_after_the_unmount(mount_source: Make) -> None:
    made = mount_source()
    assert is_running(made.pid)
    made.unmount()
    assert wait_until(lambda: not exists(made.pid))


def test_unmount_twice_is_unmount_once(mount_source: Make) -> None:
    made = mount_source()
    made.unmount()
    made.unmount()


def test_unmount_after_somebody_else_unmounted(mount_source: Make, mountpoint: Path) -> None:
    made = mount_source(mountpoint)
    unmount(mountpoint)
    assert wait_until(lambda: not exists(made.pid))
    made.unmount()


def test_unmount_leaves_a_later_mount_at_the_same_place_alone(
    mount_source: Make, mountpoint: Path
) -> None:
    first = mount_source(mountpoint)
    unmount(mountpoint)
    second = mount_source(mountpoint)
    first.unmount()
    assert (second.path / "run.sh").exists()


def test_mounts_are_listed_with_what_they_show(mount_source: Make, mountpoint: Path) -> None:
    name = "a b,c\\d é@x"
    with mount_source(mountpoint, fsname=name):
        assert [(r.fsname, r.state) for r in list_mounts() if r.path == mountpoint] == [
            (name, "running")
        ]
    assert record_of(mountpoint) == []


@pytest.mark.parametrize(
    "name", ["with blank", "new\nline", "tab\t", "back\\slash", "é", "-o", "a,b", "\udcff"]
)
def test_mount_points_of_any_name(mount_source: Make, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir()
    with mount_source(path):
        assert (path / "run.sh").exists()
        assert record_of(path) == ["running"]
    assert not any(path.iterdir())


def test_relative_paths(
    source, tmp_path: Path, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Path(os.path.relpath(source.store))
    with mount(store, source.view, Path(mountpoint.name), fsname="test") as path:
        assert path == mountpoint


def test_mount_works_when_the_directory_is_hostile(
    source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules that happen to lie in the current directory are not the server's."""
    for name in ("fuse", "pfslib", "pfsfuse", "logging", "argparse"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    with mount(source.store, source.view, None, fsname="test") as path:
        assert (path / "run.sh").exists()


def test_a_relative_search_path_still_leads_to_the_packages(
    source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parts = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    relative = [os.path.relpath(part) for part in parts if part]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", *relative, "no/such"]))
    with mount(source.store, source.view, None, fsname="test") as path:
        assert (path / "run.sh").exists()


def test_ten_mounts_at_once(mount_source: Make) -> None:
    paths = [mount_source().path for _ in range(10)]
    assert len({path.stat().st_dev for path in paths}) == 10
    assert all((path / "run.sh").exists() for path in paths)


# --- others at the same place ----------------------------------------------------------------


@pytest.mark.parametrize("before", ["nothing", "dead"])
def test_of_many_that_mount_at_once_one_does(
    source, mount_source: Make, mountpoint: Path, before: str
) -> None:
    """The others are refused; none is mounted on top of it, nor takes it for the dead one."""
    if before == "dead":
        os.kill((dead := mount_source(mountpoint)).pid, signal.SIGKILL)
        assert wait_until(lambda: not is_running(dead.pid))
    start = Barrier(6)

    def try_it() -> Mounted | str:
        start.wait()
        try:
            return mount(source.store, source.view, mountpoint, fsname="test")
        except pfslib.MountError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        results = [future.result() for future in [pool.submit(try_it) for _ in range(6)]]
    made = [result for result in results if isinstance(result, Mounted)]
    try:
        assert len(made) == 1
        refusals = [result for result in results if isinstance(result, str)]
        assert all("is a mount point already" in refusal for refusal in refusals)
        assert [m.path for m in kernel_mounts() if m.path == mountpoint] == [mountpoint]
        assert (mountpoint / "run.sh").exists()
    finally:
        for one in made:
            one.unmount()


def test_the_turn_of_another_is_not_waited_for_for_ever(
    mount_source: Make, mountpoint: Path
) -> None:
    with claim(mountpoint, 1.0), pytest.raises(pfslib.MountError, match="somebody else"):
        mount_source(mountpoint, timeout_s=0.1)
    mount_source(mountpoint)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tmpfs")
def test_unmount_of_a_mount_that_another_covers_says_so(
    mount_source: Make, mountpoint: Path
) -> None:
    made = mount_source(mountpoint)
    subprocess.run(["mount", "-t", "tmpfs", "on-top", mountpoint], check=True)
    try:
        with pytest.raises(pfslib.MountError, match=r"on-top \(tmpfs\) is mounted on top of it"):
            made.unmount()
    finally:
        subprocess.run(["umount", mountpoint], check=True)
    assert (mountpoint / "run.sh").exists()
    made.unmount()
    assert find_mount(mountpoint) is None


@pytest.mark.parametrize("how", ["unmount", "terminate"])
def test_a_mount_is_found_when_a_directory_above_was_renamed(
    mount_source: Make, mountpoint: Path, how: str
) -> None:
    made = mount_source(mountpoint / ".." / "mnt")
    elsewhere = mountpoint.parent.with_name(mountpoint.parent.name + " moved")
    mountpoint.parent.rename(elsewhere)
    assert (elsewhere / "mnt/run.sh").exists()
    if how == "unmount":
        made.unmount()
    else:
        os.kill(made.pid, signal.SIGTERM)
    assert wait_until(lambda: find_mount(elsewhere / "mnt") is None and not is_running(made.pid))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave a mount namespace")
def test_a_mount_point_that_is_deleted_takes_the_mount_with_it(
    mount_source: Make, mountpoint: Path
) -> None:
    """As a container can, in which nothing is mounted there."""
    made = mount_source(mountpoint)
    code = f"umount {mountpoint} && rm -r {mountpoint.parent}"
    elsewhere = ["unshare", "--mount", "--propagation", "private", "sh", "-c", code]
    subprocess.run(elsewhere, check=True)
    assert wait_until(lambda: not is_running(made.pid))
    made.unmount()
    with pytest.raises(pfslib.MountError, match=f"{mountpoint} does not exist"):
        mount_source(mountpoint)


def test_the_working_directory_of_the_owner_is_deleted(
    mount_source: Make, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = mountpoint.with_name("gone")
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for path in (mountpoint, None):
        with mount_source(path) as mounted:
            assert (mounted / "run.sh").exists()
    for call in (mount_source, unmount):
        with pytest.raises(pfslib.MountError, match="mnt leads nowhere") as caught:
            call(Path("mnt"))
        assert caught.value.hint == "give a path that begins with /"


# --- open files ------------------------------------------------------------------------------


def test_open_files_stay_readable_after_the_unmount(
    mount_source: Make, mountpoint: Path, source
) -> None:
    """A memory map whose pages vanish would kill the process: the server waits for the last one."""
    made = mount_source(mountpoint)
    with (made.path / "files/1000003.bin").open("rb") as file:
        made.unmount()
        assert find_mount(mountpoint) is None
        assert file.read() == (source.host / "files/1000003.bin").read_bytes()
        assert is_running(made.pid)
    assert wait_until(lambda: not exists(made.pid))


def test_unmount_of_a_busy_mount_says_so(mount_source: Make, mountpoint: Path) -> None:
    mount_source(mountpoint)
    with (mountpoint / "run.sh").open("rb"):
        with pytest.raises(pfslib.MountError, match="is in use"):
            unmount(mountpoint)
        assert find_mount(mountpoint) is not None
        unmount(mountpoint, lazy=True)
        assert find_mount(mountpoint) is None


# --- deaths ----------------------------------------------------------------------------------

OWNER = """
    import os, sys, time
    from pathlib import Path
    from pfslib.mounts.mounting import mount
    store, view, path, tied = sys.argv[1:]
    path = Path(path) if path else None
    made = mount(Path(store), view, path, fsname="test", tied=tied == "tied")
    print(made.pid, made.path, flush=True)
    time.sleep(60)
"""


def start_owner(
    source, mountpoint: Path | None, tied: str = "tied"
) -> tuple[subprocess.Popen, int, Path]:
    """Another process that mounts and waits; it, the server's pid and the path."""
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(OWNER),
            source.store,
            source.view,
            mountpoint or "",
            tied,
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(source.store.parent)},
        start_new_session=True,
    )
    assert owner.stdout is not None
    pid, path = owner.stdout.readline().decode().split()
    return owner, int(pid), Path(path)


def end(owner: subprocess.Popen, number: int) -> None:
    owner.send_signal(number)
    owner.wait()
    owner.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_owner_killed(source, mountpoint: Path, number: int) -> None:
    owner, pid, path = start_owner(source, mountpoint)
    assert (path / "run.sh").exists()
    end(owner, number)
    assert wait_until(lambda: find_mount(mountpoint) is None and not is_running(pid))
    assert not any(mountpoint.iterdir())


def test_owner_killed_with_a_private_mount_point(source) -> None:
    owner, pid, path = start_owner(source, None)
    end(owner, signal.SIGKILL)
    assert wait_until(lambda: not is_running(pid) and not path.exists())


def test_owner_killed_while_a_file_is_open(source, mountpoint: Path) -> None:
    """The mount goes all the same; whoever still reads gets an error, not a hang."""
    owner, pid, path = start_owner(source, mountpoint)
    file = os.open(path / "files/1000003.bin", os.O_RDONLY)
    end(owner, signal.SIGKILL)
    assert wait_until(lambda: find_mount(mountpoint) is None and not is_running(pid))
    with pytest.raises(OSError, match=rf"Errno {errno.ENOTCONN}\]"):
        os.read(file, 100)
    with contextlib.suppress(OSError):
        os.close(file)


def test_an_untied_mount_outlives_whoever_made_it(source, mountpoint: Path) -> None:
    owner, pid, path = start_owner(source, mountpoint, tied="untied")
    end(owner, signal.SIGKILL)
    time.sleep(0.3)
    assert (path / "run.sh").read_text().startswith("#!")
    assert is_running(pid)
    unmount(mountpoint)
    assert wait_until(lambda: not is_running(pid))


def test_an_untied_server_holds_no_pipe_of_its_starter(source, mountpoint: Path) -> None:
    """``pfs mount DIR | cat`` must end, although the server goes on."""
    code = textwrap.dedent(OWNER).replace("time.sleep(60)", "")
    command = [sys.executable, "-c", code, source.store, source.view, mountpoint, "untied"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=True)
        assert done.stderr == b""
        assert (mountpoint / "run.sh").exists()
    finally:
        unmount(mountpoint)
    assert wait_until(lambda: not is_running(int(done.stdout.split()[0])))


def test_ctrl_c_in_the_terminal_leaves_the_mount_to_its_owner(mount_source: Make) -> None:
    """The server is in another session, so that a signal to the terminal's group passes it by."""
    made = mount_source()
    assert os.getsid(made.pid) == made.pid != os.getsid(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_server_asked_to_stop_unmounts(mount_source: Make, mountpoint: Path, number: int) -> None:
    made = mount_source(mountpoint)
    os.kill(made.pid, number)
    assert wait_until(lambda: find_mount(mountpoint) is None and not is_running(made.pid))
    assert not any(mountpoint.iterdir())


def test_server_killed(mount_source: Make, mountpoint: Path) -> None:
    made = mount_source(mountpoint)
    os.kill(made.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_running(made.pid))
    for ask in (
        (mountpoint / "run.sh").read_bytes,
        lambda: list(mountpoint.iterdir()),
        lambda: os.statvfs(mountpoint),
    ):
        with pytest.raises(OSError, match=rf"Errno {errno.ENOTCONN}\]"):
            ask()
    assert record_of(mountpoint) == ["dead"]
    unmount(mountpoint)
    assert not any(mountpoint.iterdir())
    assert (mount_source(mountpoint).path / "run.sh").exists()


def test_server_killed_and_the_mount_point_mounted_again_without_cleaning(
    mount_source: Make, mountpoint: Path
) -> None:
    made = mount_source(mountpoint)
    os.kill(made.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_running(made.pid))
    again = mount_source(mountpoint)
    made.unmount()
    assert (again.path / "run.sh").exists()


def test_the_owner_is_told_what_a_server_died_of(
    mount_source: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    """As of a store that was cut short in the middle of a read."""
    made = mount_source()
    os.kill(made.pid, signal.SIGBUS)
    assert wait_until(lambda: not is_running(made.pid))
    assert "Bus error" in capfd.readouterr().err


def test_dead_mount_is_taken_down_by_its_owner(mount_source: Make) -> None:
    made = mount_source()
    os.kill(made.pid, signal.SIGKILL)
    made.unmount()
    assert not made.path.exists()
    assert wait_until(lambda: not exists(made.pid))


@pytest.fixture
def hung(
    mount_source: Make, mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mounted]:
    """A mount whose server was stopped; it goes on after the test."""
    monkeypatch.setattr(mountinfo, "_ANSWER_S", 0.2)
    made = mount_source(mountpoint)
    mountpoint.stat()  # which the kernel remembers: one can stand in it
    os.kill(made.pid, signal.SIGSTOP)
    assert wait_until(lambda: is_stopped(made.pid))
    yield made
    os.kill(made.pid, signal.SIGCONT)
    assert wait_until(lambda: find_mount(mountpoint) is not None or not is_running(made.pid))


def test_hung_server_is_no_dead_one(
    hung: Mounted, mount_source: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may only be slow: whoever waits for it gets an answer in the end, and nobody is let in."""
    assert record_of(hung.path) == ["hung"]
    row = next(line for line in said_by(capsys, "list-mount")[0].splitlines() if "mnt" in line)
    assert row.split()[-1] == "hung"
    with pytest.raises(pfslib.MountError, match="its server lives, but does not answer") as caught:
        mount_source(hung.path)
    assert f"`pfs unmount {hung.path}`" in caught.value.hint
    assert is_alive(hung.path)
    os.kill(hung.pid, signal.SIGCONT)
    assert (hung.path / "run.sh").exists()
    assert record_of(hung.path) == ["running"]


def test_a_stopped_server_keeps_nobody_from_closing(mount_source: Make, mountpoint: Path) -> None:
    """Not even the first who closes a file of the mount: it could not be killed."""
    made = mount_source(mountpoint)
    file = os.open(mountpoint / "run.sh", os.O_RDONLY)
    os.kill(made.pid, signal.SIGSTOP)
    assert wait_until(lambda: is_stopped(made.pid))
    time.sleep(0.05)  # all of its threads
    closing = Thread(target=os.close, args=[file])
    closing.start()
    closing.join(2)
    is_kept = closing.is_alive()
    os.kill(made.pid, signal.SIGCONT)
    closing.join()
    assert not is_kept


def test_hung_server_that_nobody_uses_is_unmounted(
    hung: Mounted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_by(capsys, "unmount", str(hung.path))[1] == ""
    assert find_mount(hung.path) is None


def test_hung_or_dead_server_in_use_is_unmounted_and_that_said(
    hung: Mounted, mount_source: Make, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=hung.path) as standing:
        said = said_by(capsys, "unmount", str(hung.path))[1]
        standing.kill()
    assert "though in use: its server does not answer" in said
    assert find_mount(hung.path) is None
    (tmp_path / "dead").mkdir()
    dead = mount_source(tmp_path / "dead")
    with subprocess.Popen(["sleep", "60"], cwd=dead.path) as standing:
        os.kill(dead.pid, signal.SIGKILL)
        assert wait_until(lambda: not is_running(dead.pid))
        assert "its server was dead" in said_by(capsys, "unmount", str(dead.path))[1]
        standing.kill()
    assert find_mount(dead.path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="without fusectl only root can force it")
@pytest.mark.parametrize("how", ["unmount", "unmount --force", "in Python"])
def test_whoever_waits_for_a_hung_server_is_let_go(
    hung: Mounted, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unmounted lazily they would go on waiting, and nobody could find what for."""
    command = ["cat", hung.path / "files/1000003.bin"]
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, env={"LC_ALL": "C"})
    waits_in = Path(f"/proc/{waiting.pid}/wchan")
    assert wait_until(lambda: waits_in.read_text() == "request_wait_answer")
    if how == "in Python":
        hung.unmount()
    else:
        said = said_by(capsys, *how.split(), str(hung.path))[1]
        assert "though in use" in said
        assert "whoever uses it gets errors from now on" in said
    assert b"onnection abort" in waiting.communicate(timeout=5)[1]
    assert find_mount(hung.path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="without fusectl only root can force it")
def test_by_force_even_a_served_mount_is_aborted(
    mount_source: Make, mountpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mount_source(mountpoint)
    with (mountpoint / "files/1000003.bin").open("rb", buffering=0) as file:
        said = said_by(capsys, "unmount", "--force", str(mountpoint))[1]
        assert "whoever uses it gets errors from now on" in said
        with pytest.raises(OSError, match=r"not connected|onnection abort"):
            file.read(10)
    assert find_mount(mountpoint) is None


def test_a_forked_child_leaves_the_mount_alone(mount_source: Make) -> None:
    made = mount_source()
    child = os.fork()
    if child == 0:
        try:
            made.unmount()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (made.path / "run.sh").exists()


def test_a_forgotten_mount_goes_with_the_process(source) -> None:
    code = textwrap.dedent(OWNER).replace("time.sleep(60)", "del made")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code, source.store, source.view, "", "tied"],
        capture_output=True,
        check=True,
        env={**os.environ, "TMPDIR": str(source.store.parent)},
    )
    pid, path = done.stdout.split()
    assert wait_until(lambda: not is_running(int(pid)) and not Path(os.fsdecode(path)).exists())


def test_no_warning_about_servers_left_to_themselves(mount_source: Make) -> None:
    made = mount_source(tied=False)
    made.unmount()
    gc.collect()


# --- the roots view --------------------------------------------------------------------------


def test_roots_view_shows_trees_that_come_later(mount_source: Make, source, tmp_path: Path) -> None:
    made = mount_source(view="roots")
    assert not any(made.path.iterdir())
    assert (made.path / source.root / "run.sh").exists()
    assert not (made.path / ("ab" * 32)).exists()
    later = tmp_path / "later"
    later.mkdir()
    (later / "new").write_text("new")
    with pfslib.open(source.store) as store:
        with store.create_repo("later").commit("master") as commit:
            commit.put_file("/", later)
        root = commit.commit.tree.root.node.hex()
    assert (made.path / root / "new").read_text() == "new"
    assert not any(made.path.iterdir())


def test_a_root_asked_for_too_early_is_not_remembered_as_missing(
    mount_source: Make, source, tmp_path: Path
) -> None:
    """The kernel is told to remember missing names in the other view, but not in this.

    A root is known beforehand by committing elsewhere and copying its nodes over.
    """
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "file").write_text("early")
    with pfslib.init(tmp_path / "elsewhere") as store:
        with store.create_repo("early").commit("master") as commit:
            commit.put_file("/", tmp_path / "early")
        assert commit.commit is not None
        root = commit.commit.tree.root.node.hex()
        with store.kv.read() as txn:
            nodes = list(txn.scan(Table.NODES))
    made = mount_source(view="roots")
    for _ in range(2):
        assert not (made.path / root).exists()
    with pfslib.open(source.store) as store, store.kv.write() as txn:
        for key, value in nodes:
            txn.add(Table.NODES, key, value)
    assert (made.path / root / "file").read_text() == "early"
