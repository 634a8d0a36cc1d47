"""T1: when power fails, what was acknowledged is on the disk.

A file system in a file; the file, copied while a writer is stopped in the middle of its work, holds
what had reached the disk and nothing of the kernel's memory: what a power loss would leave.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pfslib

Mount = Callable[..., Path]

WRITER = """
import os, random, sys
import pfslib
number = 0
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with pfslib.open(sys.argv[1]) as store:
    repo = store.repo("repo")
    while True:
        with repo.commit("master") as commit:
            commit.put_file("/number", str(number))
            commit.put_file("/data", random.Random(number).randbytes(number * 7919 % 60_000))
        os.write(log, b".")
        number += 1
"""

LOSSES = 8


def test_what_was_acknowledged_survives_a_power_loss(
    tmp_path: Path, disk: Mount, start: Callable[..., subprocess.Popen[str]]
) -> None:
    # Nothing but the store's own syncs makes the kernel write: no commit of the journal by time.
    directory = disk("ext4", 64, "commit=300")
    with pfslib.init(directory / "store") as store:
        store.create_repo("repo")
    log = tmp_path / "log"  # on another disk
    log.touch()
    image = next(tmp_path.glob("image-*"))
    chance = random.Random(5)
    images = []
    writer = start(WRITER, directory / "store", log)
    for loss in range(LOSSES):
        before = log.stat().st_size
        while log.stat().st_size < before + 3:
            assert writer.poll() is None, writer.communicate()
            time.sleep(0.002)
        time.sleep(chance.random() * 0.1)
        os.kill(writer.pid, signal.SIGSTOP)
        wait_until_stopped(writer.pid)
        copy = tmp_path / f"lost-{loss}"
        acknowledged = log.stat().st_size
        shutil.copyfile(image, copy)
        images.append((copy, acknowledged))
        os.kill(writer.pid, signal.SIGCONT)
    writer.kill()
    writer.wait()

    for copy, acknowledged in images:
        restored = disk("ext4", 0, image=copy)
        with pfslib.open(restored / "store") as store:
            history = list(store.list_commit("repo", "master"))
            assert acknowledged <= len(history) <= acknowledged + 1
            for number, commit in enumerate(history):
                data = random.Random(number).randbytes(number * 7919 % 60_000)
                assert commit.get_file("/number") == str(number).encode()
                assert commit.get_file("/data") == data
            with store.repo("repo").commit("master") as open_commit:
                open_commit.put_file("/on", b"on")
        subprocess.run(["umount", restored], check=True)


def wait_until_stopped(pid: int) -> None:
    for _ in range(1000):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "tT":
            return
        time.sleep(0.001)
    raise AssertionError(f"process {pid} does not stop")
