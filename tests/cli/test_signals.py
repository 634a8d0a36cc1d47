"""Interrupts and SIGTERM, from the first moment on; and what a terminal sees meanwhile."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = "import pfslib.cli.entry as entry; entry.main()"
SLOW = (
    "import sys, time\n"
    "class Slow:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name == 'click':\n"
    "            print('importing', flush=True); time.sleep(20)\n"
    "sys.meta_path.insert(0, Slow())\n"
)
PFS = [sys.executable, "-m", "pfslib.cli"]
CODES = pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated")],
)


@CODES
def test_while_it_is_being_imported(number: int, code: int, word: bytes) -> None:
    command = [sys.executable, "-c", SLOW + START, "--version"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, b"pfs: " + word + b"\n")


@CODES
def test_while_it_works(store: Path, pfs, number: int, code: int, word: bytes) -> None:
    pfs("create-repo", "data")
    command = [*PFS, "put-file", "data@master:/x"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        while not pfs("stats", "--json").json["open_commits"]:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.stderr is not None
        assert process.stderr.read().endswith(b"pfs: " + word + b"\n")
    assert pfs("stats", "--json").json["open_commits"] == 0
    assert pfs("list-commit", "data", "--json").stdout == b""


def test_what_is_ignored_stays_so(store: Path) -> None:
    script = 'trap "" INT TERM; "$@" & sleep 0; wait $!'
    command = ["sh", "-c", script, "sh", sys.executable, "-c",
               "import os, signal, pfslib.cli.entry as entry\n"
               "entry._handle(entry._leave, entry._leave)\n"
               "os.kill(os.getpid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGTERM)\n"
               "print('alive')"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"alive\n", b"")


def on_terminal(*words: str, **environment: str) -> bytes:
    """What a command writes to standard error when that is a terminal."""
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        [*PFS, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=secondary,
        env={**os.environ, "TERM": "xterm", **environment},
    ) as process:  # fmt: skip
        os.close(secondary)
        seen = b""
        try:
            while block := os.read(primary, 4096):
                seen += block
        except OSError:  # the other end is closed
            pass
        assert process.wait(30) == 0
    os.close(primary)
    return seen


def test_progress_is_for_a_terminal(store: Path, pfs, tmp_path: Path) -> None:
    pfs("create-repo", "data")
    Path("tree").mkdir()
    Path("tree/big").write_bytes(os.urandom(3_000_000))
    put = ["put-file", "data@master:/", "-r", "-f", "tree"]
    for words in (put, ["export", "data@master", "out"], ["fsck"], ["gc"]):
        seen = on_terminal(*words)
        line, _, after = seen.rpartition(b"\r\x1b[K")
        assert line.startswith(b"\r\x1b[K"), words
        assert after.startswith(b"wrote 1 file, " if words[0] == "export" else b""), words
    assert b"read 0 files, " in on_terminal(*put, "--reread")
    assert b"\x1b" not in on_terminal(*put, "--reread", TERM="dumb")
    assert pfs(*put, "--reread").stderr.count("\r") == 0
