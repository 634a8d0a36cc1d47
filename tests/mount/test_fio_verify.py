"""fio's own verification: blocks that carry their checksum, read back through a mount."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import pfslib

SIZE = ["--size=6m", "--nrfiles=3", "--filename_format=block.$filenum", "--name=verify"]
VERIFY = ["--verify=crc32c", "--verify_fatal=1", "--bs=4k"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fio is started, it leaves what it knows of its blocks."""
    monkeypatch.chdir(tmp_path)


def fio(directory: Path, *options: str) -> None:
    command = ["fio", f"--directory={directory}", *SIZE, *VERIFY, *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verify" not in done.stderr, done.stderr


@pytest.mark.mount
def test_fio_finds_every_block_as_it_wrote_it(
    store: pfslib.Store, repo: pfslib.Repo, tmp_path: Path
):
    if shutil.which("fio") is None:
        pytest.skip("fio is not installed (package fio)")
    host = tmp_path / "host"
    host.mkdir()
    fio(host, "--rw=write", "--do_verify=0", "--ioengine=psync")
    with repo.commit() as commit:
        commit.put_file("/", host)
    assert commit.commit is not None
    with commit.commit.mount() as mounted:
        for engine in (["psync"], ["mmap"], ["psync", "--direct=1"]):
            reading = ["--rw=read", "--readonly", "--allow_file_create=0"]
            fio(mounted, *reading, f"--ioengine={engine[0]}", *engine[1:])


@pytest.mark.mount
def test_fio_would_notice_a_wrong_block(repo: pfslib.Repo, tmp_path: Path):
    if shutil.which("fio") is None:
        pytest.skip("fio is not installed (package fio)")
    host = tmp_path / "host"
    host.mkdir()
    fio(host, "--rw=write", "--do_verify=0", "--ioengine=psync")
    with repo.commit() as commit:
        commit.put_file("/", host)
        commit.write_at("/block.1", 100_000, b"wrong")
    assert commit.commit is not None
    with commit.commit.mount() as mounted, pytest.raises(AssertionError, match="verify"):
        reading = ["--rw=read", "--readonly", "--allow_file_create=0"]
        fio(mounted, *reading, "--ioengine=psync")
