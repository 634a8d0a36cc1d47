"""Stores to be damaged, disks to be filled, and processes to be stopped or killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

import pytest

import pfslib

CONTENTS = {"/a": b"alpha\n", "/d/b": bytes(range(256)) * 512, "/d/c": b"gamma\n"}

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def impossible() -> Callable[[str], NoReturn]:
    """Skip the test for a reason; but CI has what the tests need, and there it fails."""

    def give_up(reason: str) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"cannot be tested, in CI: {reason}")
        pytest.skip(reason)

    return give_up


@pytest.fixture
def strace(impossible: Callable[[str], NoReturn]) -> str:
    found = shutil.which("strace")
    if found is None:
        impossible("strace is not installed (package strace)")
    tried = subprocess.run([found, "-qq", "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        impossible(f"strace: {tried.stderr}")
    return found


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python code as a process with arguments; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(code: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        with process:  # closes its pipes and waits
            pass


@pytest.fixture
def run(start: Start) -> Callable[..., str]:
    """Run Python code with arguments in a process of its own; what it printed."""

    def to_the_end(code: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
        process = start(code, *arguments, before=before)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, (process.returncode, output, errors)
        return output

    return to_the_end


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A closed store with three commits on repo@master, the last of which holds CONTENTS."""
    path = tmp_path / "filled"
    with pfslib.init(path) as store:
        repo = store.create_repo("repo")
        for number, (name, data) in enumerate(CONTENTS.items(), 1):
            with repo.commit("master") as commit:
                commit.put_file(name, data)
                commit.put_file("/number", str(number))
    return path


@pytest.fixture
def disk(tmp_path: Path, impossible: Callable[[str], NoReturn]) -> Iterator[Callable[..., Path]]:
    """Mount a new file system: a tmpfs with options, or one of another kind in a file.

    Call it with the kind, the size in MiB and mount options; it gives the directory.
    """
    if os.getuid() != 0:
        impossible("mounting needs root")
    with ExitStack() as undo:
        made = 0

        def mount(kind: str, mib: int, *options: str, image: Path | None = None) -> Path:
            nonlocal made
            made += 1
            directory = tmp_path / f"disk-{made}"
            directory.mkdir()
            if kind == "tmpfs":
                what = ["-t", "tmpfs", "-o", ",".join([f"size={mib}m", *options]), "none"]
            else:
                if image is None:
                    image = tmp_path / f"image-{made}"
                    with image.open("wb") as file:
                        file.truncate(mib << 20)
                    subprocess.run([f"mkfs.{kind}", "-q", "-F", image], check=True)
                what = ["-o", ",".join(["loop", *options]), str(image)]
            mounted = subprocess.run(
                ["mount", *what, directory], capture_output=True, text=True, check=False
            )
            if mounted.returncode:
                impossible(f"mount: {mounted.stderr}")
            undo.callback(_unmount, directory)
            return directory

        yield mount


def _unmount(directory: Path) -> None:
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(["umount", directory], check=False, capture_output=True, timeout=30)
        return
    subprocess.run(["umount", "-l", directory], check=True)
