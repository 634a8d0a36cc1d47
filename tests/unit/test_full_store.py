"""No room: on the disk, in the map, by a limit of the process. Nothing is lost, work goes on."""

from __future__ import annotations

import os
import subprocess

import pytest

import pfslib
from pfslib.kv import lmdb_env
from pfslib.testing.strategies import noise

LIMITED = """
import resource

def limit(room):
    size = os.path.getsize(store.path / "data.mdb") + room
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
store = pfslib.open(sys.argv[1])
repo = store.repo("repo")
started = repo.start_commit("lasting")
started.put_file("/log", b"1", append=True)
limit(64 * 1024)
for use in (
    lambda: started.put_file("/log", bytes(range(256)) * 20_000, append=True),
    lambda: started.put_file("/log", os.urandom(3_000_000), append=True),
):
    try:
        use()
    except pfslib.StoreFullError as error:
        say(error)
with_block = repo.commit()
try:
    with with_block:
        with_block.put_file("/f", os.urandom(3_000_000))
except pfslib.StoreFullError as error:
    say(error)
assert store.get_file("repo", "master", "/f") == b"kept"
limit(100_000_000)
started.put_file("/log", b"2", append=True)
assert started.finish().get_file("/log")[-1:] == b"2"
with repo.commit() as commit:
    commit.put_file("/f", b"new")
store.close()
"""


def test_a_limit_of_the_process(store, repo, run_script):
    with repo.commit() as commit:
        commit.put_file("/f", b"kept")
    said = run_script(LIMITED, store.path).splitlines()
    assert len(said) >= 2
    assert all("is full: the disk has no room left" in line for line in said)
    assert store.get_file("repo", "master^", "/f") == b"kept"
    assert store.get_file("repo", "master", "/f") == b"new"


@pytest.mark.parametrize("size", [1 << 20, 4 << 20])
def test_a_map_that_is_used_up(store, repo, monkeypatch, size):
    with repo.commit() as commit:
        commit.put_file("/f", b"kept")
    path = store.path
    store.close()
    monkeypatch.setattr(lmdb_env, "MAP_SIZE", size)
    with pfslib.open(path) as full:
        with (
            pytest.raises(pfslib.StoreFullError, match="map is used up"),
            full.repo("repo").commit() as commit,
        ):
            commit.put_file("/f", noise(5_000_000))
        assert full.get_file("repo", "master", "/f") == b"kept"
        lasting = full.start_commit("repo", "lasting")
        lasting.put_file("/log", b"1", append=True)
        for _ in range(3):
            with pytest.raises(pfslib.StoreFullError):
                lasting.put_file("/log", noise(5_000_000), append=True)
    monkeypatch.undo()
    with pfslib.open(path) as roomy:
        lasting = roomy.open_commit("repo", "lasting")
        lasting.put_file("/log", noise(5_000_000), append=True)
        assert lasting.finish().get_file("/log") == b"1" + noise(5_000_000)
        with roomy.repo("repo").commit() as commit:
            commit.put_file("/f", noise(5_000_000))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)]
    if (
        os.geteuid() != 0
        or subprocess.run(mounting, check=False, stderr=subprocess.DEVNULL).returncode != 0
    ):
        pytest.skip("needs the right to mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(small_disk):
    with pfslib.init(small_disk / "store") as store:
        repo = store.create_repo("repo")
        with repo.commit() as commit:
            commit.put_file("/kept", noise(10_000))
        lasting = repo.start_commit("lasting")
        lasting.put_file("/log", b"1", append=True)
        (small_disk / "ballast").write_bytes(bytes(6_000_000))
        with pytest.raises(pfslib.StoreFullError, match="no room left"), repo.commit() as commit:
            commit.put_file("/large", noise(5_000_000))
        with pytest.raises(pfslib.StoreFullError):
            lasting.put_file("/log", noise(5_000_000), append=True)
        assert store.get_file("repo", "master", "/kept") == noise(10_000)
        (small_disk / "ballast").unlink()
        lasting.put_file("/log", noise(1_000_000), append=True)
        assert lasting.finish().get_file("/log") == b"1" + noise(1_000_000)
        with repo.commit() as commit:
            commit.put_file("/large", noise(2_000_000))
        assert commit.commit.get_file("/kept") == noise(10_000)


def test_no_room_for_a_store(small_disk):
    (small_disk / "ballast").write_bytes(bytes((8 << 20) - 8192))
    with pytest.raises((pfslib.StoreFullError, OSError)):
        pfslib.init(small_disk / "store")
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
    (small_disk / "ballast").unlink()
    pfslib.init(small_disk / "store").close()
