"""What only a process of its own can show: pipes, locales, full disks and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PFS = [sys.executable, "-m", "pfslib.cli"]


@pytest.fixture
def repo(store: Path, pfs) -> None:
    pfs("create-repo", "data")


def start(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PFS, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )


def test_a_reader_that_goes_away_is_no_error(repo, pfs) -> None:
    pfs("put-file", "data@master:/big", stdin=bytes(10_000_000))
    with start("get-file", "data", "master", "big") as process:
        assert process.stdout is not None
        assert process.stdout.read(10) == bytes(10)
        process.stdout.close()
        assert process.wait(30) == -signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_full_disk_is(repo, pfs) -> None:
    pfs("put-file", "data@master:/x", stdin=b"x")
    with Path("/dev/full").open("wb") as full:
        for words in (["list-file", "data", "master"], ["get-file", "data@master:/x"]):
            done = subprocess.run(
                [*PFS, *words], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
            )
            assert done.returncode == 1
            assert done.stderr == b"pfs: No space left on device\n"


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_a_name_is_printed_in_any_locale(locale: dict[str, str], repo, pfs) -> None:
    pfs("put-file", "data@master:/café\udce9", stdin=b"x")
    with start("list-file", "data", "master", **locale) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert out.splitlines()[1].startswith((rb"/caf\xe9\xe9 ", "/café\\xe9 ".encode()))
    with start("get-file", "data", "master", "café\udce9", **locale) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"x", b"")


def test_a_file_that_keeps_changing_is_named(repo, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(bytes(8 << 20))
    with log.open("r+b") as file, start("put-file", "data@master:/log", "-f", str(log)) as process:
        while process.poll() is None:
            file.seek(0)
            file.write(os.urandom(8))
            file.flush()
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (0, f"pfs: {log} changed while it was read\n".encode())


def test_without_standard_input_there_is_nothing_to_put(repo) -> None:
    command = 'exec "$@" <&-'
    words = ["put-file", "data@master:/x"]
    done = subprocess.run(
        ["sh", "-c", command, "sh", *PFS, *words], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"pfs: standard input is closed")


def closed(*words: str) -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *PFS, *words]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30, check=False
    )


@pytest.mark.parametrize(
    "words",
    [
        ["get-file", "data@master:/x"],
        ["get-file", "data@master:/big"],
        ["list-file", "data@master"],
        ["list-file", "data@master", "--json"],
        ["export-archive", "data@master"],
        ["inspect-repo", "data"],
        ["--help"],
    ],
)
def test_what_a_closed_standard_output_does_not_take_is_not_delivered(
    words: list[str], repo, pfs
) -> None:
    pfs("put-file", "data@master:/x", stdin=b"x")
    pfs("put-file", "data@master:/big", stdin=bytes(3_000_000))
    done = closed(*words)
    assert (done.returncode, done.stderr) == (1, b"pfs: standard output is closed\n")


def test_what_prints_nothing_needs_no_standard_output(repo, pfs) -> None:
    done = closed("create-repo", "other")
    assert (done.returncode, done.stderr) == (0, b"")
    assert pfs("inspect-repo", "other").stdout


@pytest.mark.mount
@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated")],
)
def test_an_interrupt_leaves_the_job_to_the_next_run(
    repo, pfs, tmp_path: Path, number: int, code: int, word: bytes
) -> None:
    go_on = tmp_path / "go-on"
    document = {
        "pipeline": {"name": "slow"},
        "transform": {"cmd": ["sh"], "stdin": [f"test -e {go_on} || sleep 600"]},
        "input": {"pfs": {"repo": "data", "glob": "/"}},
    }
    pfs("create-pipeline", stdin=json.dumps(document).encode())
    (tmp_path / "x").write_text("x")
    with start("put-file", "data@master:/x", "-f", "x") as process:
        deadline = time.monotonic() + 30
        while [row["STATE"] for row in pfs("list-job").rows] != ["running"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert b"commit data/master/0 is safe; `pfs run` goes on with the jobs" in err
    assert err.endswith(b"pfs: " + word + b"\n")
    assert pfs("get-file", "data@master:/x").text == "x"
    assert [row["STATE"] for row in pfs("list-job").rows] == ["pending"]
    go_on.touch()
    assert [row["STATE"] for row in pfs("run").rows] == ["success"]


def test_several_processes_put_into_one_open_commit(repo, pfs) -> None:
    commit = pfs("start-commit", "data", "master").text.strip()
    for name in "abc":
        Path(name).write_text(name)
    processes = [start("put-file", f"data@{commit}:/{name}", "-f", name) for name in "abc"]
    for process in processes:
        with process:
            assert (process.communicate(timeout=30), process.returncode) == ((b"", b""), 0)
    pfs("finish-commit", "data", commit)
    files = pfs("list-file", "data", "master", "--json").json_lines
    assert [file["path"] for file in files] == ["/a", "/b", "/c"]


@pytest.mark.mount
def test_a_mount_outlives_the_command(repo, pfs, tmp_path: Path) -> None:
    pfs("put-file", "data@master:/x", stdin=b"x")
    view = tmp_path / "view"
    view.mkdir()
    with start("mount", "data/master/0", str(view)) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"")
    try:
        assert (view / "x").read_text() == "x"
        mounts = [row for row in pfs("list-mount").rows if row["DIR"] == str(view)]
        commit = pfs("inspect-commit", "data@master", "--json").json["id"]
        assert [(row["COMMIT"], row["STATE"]) for row in mounts] == [(f"data@{commit}", "running")]
    finally:
        pfs("unmount", str(view))
    assert list(view.iterdir()) == []
