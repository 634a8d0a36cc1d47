"""The server's command line, which is all that the library knows of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pfslib.mounts.mountinfo import find_mount

pytestmark = pytest.mark.mount


class Server:
    """A server started by hand."""

    def __init__(self, *options: str, listen: bool = True) -> None:
        ready, theirs = os.pipe()
        command = [sys.executable, "-P", "-m", "pfsfuse", *options, f"--ready-fd={theirs}"]
        if not listen:
            os.close(ready)
        self.process = subprocess.Popen(
            command, pass_fds=[theirs], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        os.close(theirs)
        self.ready = os.fdopen(ready, "rb") if listen else None

    def answer(self) -> str:
        assert self.ready is not None
        return os.read(self.ready.fileno(), 10_000).decode()

    def end(self) -> int:
        self.process.terminate()
        code = self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self.ready is not None:
            self.ready.close()
        return code


@pytest.fixture
def options(source, mountpoint: Path) -> list[str]:
    return [f"--store={source.store}", f"--view={source.view}", f"--mountpoint={mountpoint}"]


@pytest.fixture
def start() -> Iterator[type[Server]]:
    started: list[Server] = []

    class Started(Server):
        def __init__(self, *options: str, listen: bool = True) -> None:
            super().__init__(*options, listen=listen)
            started.append(self)

    yield Started
    for server in started:
        server.end()


def test_ready_means_that_the_mount_answers(start, options: list[str], mountpoint: Path) -> None:
    server = start(*options)
    assert server.answer() == "ready\n"
    assert (mountpoint / "run.sh").exists()
    assert server.answer() == ""
    assert server.end() == 0
    assert find_mount(mountpoint) is None


def test_failure_is_a_sentence_and_a_hint(start, options: list[str], tmp_path: Path) -> None:
    server = start(*options, f"--store={tmp_path}")
    error, hint = server.answer().splitlines()
    assert error == f"error: {tmp_path} holds no store"
    assert hint.startswith("hint: ")
    assert server.process.wait(10) == 1


def test_nobody_waits_any_more(start, options: list[str], mountpoint: Path) -> None:
    """Whoever started it has died in the meantime: nobody would ever unmount."""
    server = start(*options, listen=False)
    assert server.process.wait(10) == 0
    assert find_mount(mountpoint) is None


def test_owner_that_is_dead_already(start, options: list[str], mountpoint: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    server = start(*options, f"--owner-pid={gone.pid}")
    assert server.process.wait(10) == 0
    assert find_mount(mountpoint) is None


def test_second_signal_is_as_good_as_the_first(start, options: list[str], mountpoint: Path) -> None:
    server = start(*options)
    server.answer()
    file = os.open(mountpoint / "run.sh", os.O_RDONLY)  # keeps the server waiting for a moment
    for _ in range(5):
        server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert find_mount(mountpoint) is None
    with contextlib.suppress(OSError):  # nobody is there to be told
        os.close(file)


def test_detached_server_spares_what_is_mounted_in_its_place(
    start, options: list[str], mountpoint: Path
) -> None:
    first = start(*options)
    first.answer()
    file = os.open(mountpoint / "run.sh", os.O_RDONLY)
    subprocess.run(["umount", "--lazy", mountpoint], check=True)
    second = start(*options)
    second.answer()
    first.process.terminate()
    assert first.process.wait(10) == 0
    os.close(file)
    assert (mountpoint / "run.sh").exists()


@pytest.mark.parametrize("wrong", ["--what", "--ready-fd=x"])
def test_wrong_options(options: list[str], wrong: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pfsfuse", *options, wrong], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"usage: python -m pfsfuse" in done.stderr
