"""Commits written into directories of the host."""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pfslib import (
    AlreadyExistsError,
    BusyError,
    Commit,
    IsADirectoryInCommitError,
    NotADirectoryInCommitError,
    PathNotFoundError,
    Repo,
)
from pfslib.trees import hostwriter

Make = Callable[..., Commit]
BIG = random.Random(3).randbytes(3_000_000)
HOUR_NS = 3_600 * 10**9
ODD_NAME = b"caf\xe9\n*"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A host tree with all there is: modes, times, links, odd names."""
    top = tmp_path / "source"
    (top / "d" / "deep").mkdir(parents=True)
    (top / "empty.txt").write_bytes(b"")
    (top / "big").write_bytes(BIG)
    (top / "d" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (top / "d" / "run.sh").chmod(0o755)
    (top / "d" / "deep" / "x").write_bytes(b"x" * 5_000)
    (top / "d" / "link").symlink_to("run.sh")
    (top / "out").symlink_to("/etc/hostname")
    Path(os.fsdecode(os.fsencode(top) + b"/" + ODD_NAME)).write_bytes(b"odd")
    for number, path in enumerate(sorted(top.rglob("*"))):
        when = 1_700_000_000 * 10**9 + number * HOUR_NS + 123_456_789
        os.utime(path, ns=(when, when), follow_symlinks=False)
    return top


@pytest.fixture
def made(repo: Repo, source: Path) -> Commit:
    with repo.commit() as open_commit:
        open_commit.put_file("/", source)
    assert open_commit.commit is not None
    return open_commit.commit


def picture(top: Path) -> dict[bytes, tuple[object, ...]]:
    """Kind, mode, time and content of everything below a directory."""
    found: dict[bytes, tuple[object, ...]] = {}
    for path in top.rglob("*"):
        status = path.lstat()
        if path.is_symlink():
            what: tuple[object, ...] = ("link", path.readlink(), status.st_mtime_ns)
        elif path.is_dir():
            what = ("dir",)
        else:
            executable = bool(status.st_mode & 0o111)
            what = ("file", executable, status.st_mtime_ns, path.read_bytes())
        found[os.fsencode(path.relative_to(top))] = what
    return found


def test_an_export_is_what_was_put(made: Commit, source: Path, tmp_path: Path) -> None:
    done = made.export(tmp_path / "new" / "target")
    assert picture(tmp_path / "new" / "target") == picture(source)
    assert (done.files, done.skipped) == (7, 0)
    assert done.bytes == len(BIG) + 5_000 + 10 + 3


def test_only_a_part_of_a_commit(made: Commit, source: Path, tmp_path: Path) -> None:
    made.export(tmp_path / "t", "/d")
    assert picture(tmp_path / "t") == picture(source / "d")
    with pytest.raises(NotADirectoryInCommitError):
        made.export(tmp_path / "t", "/big")
    with pytest.raises(PathNotFoundError):
        made.export(tmp_path / "t", "/nothing")


def test_the_same_call_again_writes_nothing(made: Commit, tmp_path: Path) -> None:
    target = tmp_path / "t"
    made.export(target)
    before = {path: path.lstat().st_ino for path in target.rglob("*")}
    done = made.export(target)
    assert (done.files, done.bytes, done.skipped) == (0, 0, 7)
    assert {path: path.lstat().st_ino for path in target.rglob("*")} == before


def test_an_export_that_was_killed_is_resumed(made: Commit, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "t"
    script = (
        "import os, sys, pfslib\n"
        "def kill(files, size):\n"
        "    if files >= 2: os.kill(os.getpid(), 9)\n"
        "import pfslib.trees.tally as tally\n"
        "tally._PAUSE_S = 0\n"
        "store = pfslib.open(sys.argv[1])\n"
        "store.commit('data@master').export(sys.argv[2], progress=kill)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, made.store_path, target], check=False)
    assert run.returncode == -9
    assert 0 < len(picture(target)) < len(picture(source))
    (target / ".pfs-export-0~new").write_bytes(b"left over")
    done = made.export(target)
    assert done.skipped >= 1
    assert done.files + done.skipped == 7
    assert picture(target) == picture(source)


def test_a_file_that_differs_is_refused_or_replaced(made: Commit, tmp_path: Path) -> None:
    target = tmp_path / "t"
    made.export(target)
    (target / "d" / "deep" / "x").write_bytes(b"mine")
    (target / "other").write_bytes(b"stays")
    with pytest.raises(AlreadyExistsError, match="deep/x exists and is another file"):
        made.export(target)
    assert (target / "d" / "deep" / "x").read_bytes() == b"mine"
    assert made.export(target, overwrite=True).files == 1
    assert (target / "d" / "deep" / "x").read_bytes() == b"x" * 5_000
    assert (target / "other").read_bytes() == b"stays"


def test_a_file_with_the_right_content_only_gets_its_mode_and_time(
    made: Commit, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "t"
    made.export(target)
    os.utime(target / "big", (0, 0))
    (target / "d" / "run.sh").chmod(0o644)
    assert made.export(target).skipped == 7
    assert picture(target) == picture(source)


def test_what_looks_right_is_read(made: Commit, tmp_path: Path) -> None:
    target = tmp_path / "t"
    made.export(target)
    status = (target / "big").stat()
    with (target / "big").open("r+b") as file:
        file.seek(2_000_000)
        file.write(b"flip")
    os.utime(target / "big", ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert made.export(target, trust_times=True).skipped == 7
    with pytest.raises(AlreadyExistsError, match="big"):
        made.export(target)
    assert made.export(target, overwrite=True).files == 1
    assert (target / "big").read_bytes() == BIG


def test_another_commit_of_the_same_sizes_and_times(repo: Repo, tmp_path: Path) -> None:
    """As reproducible archives have them; also over what an interrupted export left."""
    tree, target, made = tmp_path / "tree", tmp_path / "t", []
    tree.mkdir()
    for version in ("1.0.1", "1.0.2"):
        for name in ("a", "VERSION"):
            (tree / name).write_text(version)
            os.utime(tree / name, (0, 0))
        with repo.commit() as open_commit:
            open_commit.put_file("/", tree, reread=True)
        made.append(open_commit.commit)
    older, newer = made
    older.export(target)
    with pytest.raises(AlreadyExistsError, match="VERSION"):
        newer.export(target)
    assert newer.export(target, overwrite=True).files == 2
    assert (target / "VERSION").read_text() == "1.0.2"

    def interrupt(files: int, size: int) -> None:
        if files:
            raise KeyboardInterrupt

    for commit in (older, newer):
        with pytest.raises(KeyboardInterrupt):
            commit.export(target, overwrite=True, progress=interrupt)
    newer.export(target, overwrite=True)
    assert {path.read_text() for path in target.iterdir()} == {"1.0.2"}


def test_a_resumed_export_does_not_read_its_own_files(
    made: Commit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, compared = tmp_path / "t", []
    holds = hostwriter.HostWriter.holds
    monkeypatch.setattr(
        hostwriter.HostWriter,
        "holds",
        lambda *args: compared.append(args[2]) or holds(*args),
    )

    def interrupt(files: int, size: int) -> None:
        if files >= 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("pfslib.trees.tally._PAUSE_S", 0)
    with pytest.raises(KeyboardInterrupt):
        made.export(target, progress=interrupt)
    assert made.export(target).skipped == 5
    assert set(compared) <= {b"link", b"out"}


def test_links_in_the_target_are_never_followed(made: Commit, tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "t"
    outside.mkdir()
    (outside / "victim").write_bytes(b"safe")
    target.mkdir()
    (target / "d").symlink_to(outside)
    (target / "big").symlink_to(outside / "victim")
    with pytest.raises(AlreadyExistsError):
        made.export(target)
    assert sorted(outside.iterdir()) == [outside / "victim"]
    made.export(target, overwrite=True)
    assert (outside / "victim").read_bytes() == b"safe"
    assert sorted(outside.iterdir()) == [outside / "victim"]
    assert not (target / "d").is_symlink()
    assert (target / "big").read_bytes() == BIG


def test_directories_and_files_in_each_others_place(made: Commit, tmp_path: Path) -> None:
    target = tmp_path / "t"
    (target / "big").mkdir(parents=True)
    with pytest.raises(AlreadyExistsError, match="big is a directory"):
        made.export(target, overwrite=True)
    (target / "big").rmdir()
    (target / "d").write_bytes(b"a file")
    with pytest.raises(AlreadyExistsError, match="d exists and is no directory"):
        made.export(target)
    made.export(target, overwrite=True)
    assert (target / "d" / "run.sh").exists()


def test_names_that_the_file_system_takes_for_one_are_refused(
    commit: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such file system is at hand: the second name is made by somebody else meanwhile."""
    target = tmp_path / "t"
    made = commit({"/A": b"1", "/a": b"2"})
    put = hostwriter.HostWriter.put

    def put_both(self, directory, name, entry) -> None:
        put(self, directory, name, entry)
        put(self, directory, name.lower(), entry)

    monkeypatch.setattr(hostwriter.HostWriter, "put", put_both)
    with pytest.raises(AlreadyExistsError, match="/a: the file system there takes it for another"):
        made.export(target)


def test_a_name_of_ours_in_the_commit_is_not_taken_for_a_left_over(
    commit: Make, tmp_path: Path
) -> None:
    made = commit({"/.pfs-export-0~": b"theirs", "/b": b"2"})
    made.export(tmp_path / "t")
    made.export(tmp_path / "t")
    assert (tmp_path / "t" / ".pfs-export-0~").read_bytes() == b"theirs"
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == [".pfs-export-0~", "b"]


def test_one_export_at_a_time_into_a_directory(made: Commit, tmp_path: Path) -> None:
    target = tmp_path / "t"
    target.mkdir()
    fd = os.open(target, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(BusyError, match="another export"):
        made.export(target)
    os.close(fd)
    made.export(target)


def test_errors_of_the_host_name_the_path_and_leave_nothing_behind(
    made: Commit, tmp_path: Path
) -> None:
    script = (
        "import resource, signal, sys, pfslib\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = pfslib.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "store.commit('data@master').export(sys.argv[2])\n"
    )
    target = tmp_path / "t"
    command = [sys.executable, "-c", script, made.store_path, target]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert f"OSError: [Errno 27] File too large: '{target}/big'" in run.stderr
    assert [path.name for path in target.iterdir()] == []


def test_progress_counts_files_and_bytes(made: Commit, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    done = made.export(tmp_path / "t", progress=lambda files, size: seen.append((files, size)))
    assert seen[-1] == (done.files, done.bytes)
    assert seen == sorted(seen)


# --- one file --------------------------------------------------------------------------------


def test_get_file_to_writes_one_file_whole(made: Commit, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    made.get_file_to("/d/run.sh", target)
    assert target.read_bytes() == b"#!/bin/sh\n"
    assert target.stat().st_mode & 0o777 & 0o111
    assert target.stat().st_mtime_ns == (source / "d" / "run.sh").stat().st_mtime_ns
    with pytest.raises(AlreadyExistsError):
        made.get_file_to("/big", target)
    made.get_file_to("/big", str(target), overwrite=True)
    assert target.read_bytes() == BIG
    made.get_file_to("/out", tmp_path / "link")
    assert (tmp_path / "link").readlink() == Path("/etc/hostname")


def test_get_file_to_refuses_directories(made: Commit, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryInCommitError):
        made.get_file_to("/d", tmp_path / "x")
    with pytest.raises(AlreadyExistsError, match="is a directory"):
        made.get_file_to("/big", tmp_path, overwrite=True)
    with pytest.raises(FileNotFoundError):
        made.get_file_to("/big", tmp_path / "no" / "where")
    assert not list(tmp_path.glob(".pfs-get*"))
