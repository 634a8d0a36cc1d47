"""T6: no room of any kind is one clear error; what is finished stays, and work goes on after."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib.kv import lmdb_env

Mount = Callable[..., Path]
Run = Callable[..., str]

CHECK = """
import sys
import pfslib
with pfslib.open(sys.argv[1]) as store:
    print(len([c.get_file("/data") for c in store.list_commit("repo")]))
"""


def data_of(number: int) -> bytes:
    return random.Random(number).randbytes(20_000 + number * 9_973 % 180_000)


def finish(store: pfslib.Store, number: int) -> None:
    with store.repo("repo").commit("master") as commit:
        commit.put_file("/data", data_of(number))
        commit.put_file(f"/more/{number}", data_of(number + 1)[: 1 << number % 17])


def check(store: pfslib.Store, finished: int) -> None:
    found = [commit.get_file("/data") for commit in store.list_commit("repo")]
    assert found == [data_of(number) for number in range(finished)]


@pytest.mark.parametrize(("kind", "mib", "points"), [("tmpfs", 8, 20), ("ext4", 16, 12)])
def test_wherever_the_disk_is_full_nothing_finished_is_lost(
    disk: Mount, run: Run, kind: str, mib: int, points: int
) -> None:
    directory = disk(kind, mib)
    ballast = directory / "ballast"
    for point in range(points):
        fill(ballast, leaving=1_200_000 + point * 60_811)
        path = directory / f"store-{point}"
        with pfslib.init(path) as store:
            store.create_repo("repo")
            finished = write_until_full(store)
            check(store, finished)
            if point % 6 == 0:
                assert run(CHECK, path).strip() == str(finished), "while it is full"
            with (
                pytest.raises(pfslib.StoreFullError),
                store.repo("repo").commit("master") as commit,
            ):
                commit.put_file("/too-much", random.Random(point).randbytes(2 << 20))
            check(store, finished)
            ballast.unlink()
            for number in range(finished, finished + 3):
                finish(store, number)
            check(store, finished + 3)
        with pfslib.open(path) as store:
            check(store, finished + 3)
        shutil.rmtree(path)


def write_until_full(store: pfslib.Store) -> int:
    for number in range(1000):
        try:
            finish(store, number)
        except pfslib.StoreFullError:
            return number
    raise AssertionError("the disk never was full")


def fill(ballast: Path, leaving: int) -> None:
    """Take all the room of a disk but so many bytes."""
    room = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leaving)


def test_a_store_can_be_opened_on_a_full_disk_or_says_that_it_cannot(disk: Mount, run: Run) -> None:
    directory = disk("tmpfs", 8)
    path = directory / "store"
    with pfslib.init(path) as store:
        store.create_repo("repo")
        finish(store, 0)
    fill(directory / "ballast", leaving=0)
    assert run(CHECK, path).strip() == "1"

    # LMDB would map a table of readers that has no room: the first reader would die by SIGBUS.
    (path / "lock.mdb").unlink()
    with (directory / "crumbs").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 4096 * 17)
    with pytest.raises(pfslib.StoreFullError):
        pfslib.open(path)
    (directory / "ballast").unlink()
    assert run(CHECK, path).strip() == "1"


MAKE = """
import os, sys
from pathlib import Path
import pfslib
directory, step = Path(sys.argv[1]), int(sys.argv[2])
ballast, made = directory / "ballast", 0
for pages in range(48):
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass
        file.truncate(max(0, file.tell() - pages * step))
        os.fsync(file.fileno())
    try:
        (pfslib.init if pages % 2 else lambda path: pfslib.open(path, create=True))(
            directory / "store").close()
    except pfslib.StoreFullError:
        assert sorted(os.listdir(directory)) == ["ballast"], os.listdir(directory)
    else:
        made += 1
        with pfslib.open(directory / "store") as store:
            assert store.list_repo() == []
        for path in sorted((directory / "store").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (directory / "store").rmdir()
    ballast.unlink()
pfslib.init(directory / "store").close()
print(made)
"""


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_new_store_needs_room(disk: Mount, run: Run, kind: str) -> None:
    """Left with nothing to 190 KB, it is made or it is not; in another process, lest a SIGBUS."""
    directory = disk(kind, 2 if kind == "tmpfs" else 16) / "within"
    directory.mkdir()
    assert 2 <= int(run(MAKE, directory, 4096)) <= 40


def test_a_new_store_on_a_full_disk_by_the_command(disk: Mount) -> None:
    directory = disk("tmpfs", 1)
    fill(directory / "ballast", leaving=0)
    command = [sys.executable, "-m", "pfslib.cli", "init", str(directory / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == pfslib.StoreFullError.exit_code
    assert "is full: the disk has no room left" in done.stderr
    assert "Traceback" not in done.stderr
    assert [found.name for found in directory.iterdir()] == ["ballast"]


def test_without_inodes_an_existing_store_works_and_a_new_one_cannot_be_made(disk: Mount) -> None:
    directory = disk("tmpfs", 8, "nr_inodes=40")
    with pfslib.init(directory / "store") as store:
        store.create_repo("repo")
        for number in range(40):
            try:
                (directory / f"file-{number}").touch()
            except OSError:
                break
        for number in range(3):
            finish(store, number)
        with pytest.raises(pfslib.StoreFullError):
            pfslib.init(directory / "other")
        with pytest.raises(pfslib.StoreFullError):
            store.backup(directory / "other")
    with pfslib.open(directory / "store") as store:
        check(store, 3)
    assert not (directory / "other").exists()


LIMITED = """
import resource, sys
import pfslib
limit = int(sys.argv[2])
with pfslib.open(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for number in range(100):
        try:
            with store.repo("repo").commit("master") as commit:
                commit.put_file("/more", pfslib_random(number))
        except pfslib.StoreFullError as error:
            print(type(error).__name__, error)
            break
    store.get_file("repo", "master", "/more")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    with store.repo("repo").commit("master") as commit:
        commit.put_file("/more", b"on")
    print(number + 1)
""".replace("pfslib_random(number)", "__import__('random').Random(number).randbytes(90_001)")


@pytest.mark.parametrize("extra", [0, 1, 4095])
def test_a_limit_on_the_size_of_files(filled: Path, run: Run, extra: int) -> None:
    limit = (filled / "data.mdb").stat().st_size + 500_000 + extra
    said, commits = run(LIMITED, filled, limit).splitlines()
    assert said.startswith("StoreFullError")
    with pfslib.open(filled) as store:
        assert len(list(store.list_commit("repo"))) == 3 + int(commits)
        assert store.get_file("repo", "master", "/more") == b"on"


def test_a_map_that_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_env, "MAP_SIZE", 2 << 20)
    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("repo")
        finished = write_until_full(store)
        check(store, finished)
        store.delete_repo("repo")  # frees nothing but proves that small changes go on
        store.create_repo("repo")
    monkeypatch.undo()
    with pfslib.open(tmp_path / "store") as store:
        for number in range(finished):
            finish(store, number)
        check(store, finished)


SMALL_MAP = """
import sys
import pfslib
from pfslib.kv import lmdb_env
lmdb_env.MAP_SIZE = 1 << 20
with pfslib.open(sys.argv[1]) as store:
    lmdb_env.MAP_SIZE = 1 << 40
    print("ready", flush=True)
    input()
    print(len(store.get_file("repo", "master", "/big")))
    with store.repo("repo").commit("master") as commit:
        commit.put_file("/on", b"on")
"""


def test_a_map_that_another_process_has_outgrown(
    filled: Path, start: Callable[..., object]
) -> None:
    child = start(SMALL_MAP, filled)
    assert child.stdout.readline() == "ready\n"
    with pfslib.open(filled) as store:
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/big", random.Random(1).randbytes(8 << 20))
        output, errors = child.communicate("go\n", timeout=60)
        assert (output, child.returncode) == (f"{8 << 20}\n", 0), errors
        assert store.get_file("repo", "master", "/on") == b"on"


LITTLE_ADDRESS_SPACE = """
import resource, sys
import pfslib
resource.setrlimit(resource.RLIMIT_AS, (6 << 30,) * 2)
with pfslib.open(sys.argv[1]) as store:
    with store.repo("repo").commit("master") as commit:
        commit.put_file("/on", b"on" * 100_000)
    print(len(store.get_file("repo", "master", "/on")))
"""


def test_a_limited_address_space_takes_a_smaller_map(filled: Path, run: Run) -> None:
    assert run(LITTLE_ADDRESS_SPACE, filled) == "200000\n"
