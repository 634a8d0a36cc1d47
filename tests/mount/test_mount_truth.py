"""A mount says the truth about any tree, the same after each mount, and the same as an export."""

from __future__ import annotations

import mmap
import os
import random
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pfslib

pytestmark = pytest.mark.mount

FAR = 5 << 30
"""Beyond what 32 bits hold."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pfslib.Store]:
    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("r")
        yield store


ALL_BINDINGS = pytest.mark.parametrize("binding", ["kernel", "fusepy", "mfusepy"], indirect=True)


def facts(top: Path) -> dict[bytes, tuple[object, ...]]:
    """Path to what a recursive compare looks at: kind, executable bit, size, time, content."""
    found: dict[bytes, tuple[object, ...]] = {}
    for path in top.rglob("*"):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            content: object = None
        else:
            content = path.readlink() if kind == stat.S_IFLNK else path.read_bytes()
        runs = kind == stat.S_IFREG and bool(status.st_mode & 0o100)
        times = status.st_mtime_ns if kind == stat.S_IFREG else None
        size = None if kind == stat.S_IFDIR else status.st_size
        found[bytes(path.relative_to(top))] = (kind, runs, size, times, content)
    return found


COMPONENT = st.binary(min_size=1, max_size=30).filter(
    lambda name: name not in {b".", b".."} and not {0, ord("/")} & set(name)
)
FILE = st.binary(max_size=300) | st.builds(
    lambda seed, size: random.Random(seed).randbytes(size),
    st.integers(0, 9),
    st.sampled_from([4096, 32_768, 32_769, 200_000]),
)
TREE = st.recursive(
    FILE | st.just("link"),
    lambda below: st.dictionaries(COMPONENT, below, max_size=6),
    max_leaves=25,
).filter(lambda tree: isinstance(tree, dict))


def write(top: Path, tree: dict[bytes, object]) -> None:
    top.mkdir()
    for name, value in tree.items():
        path = top / os.fsdecode(name)
        if isinstance(value, dict):
            write(path, value)
        elif value == "link":
            path.symlink_to(os.fsdecode(name + b"/../x"))
        else:
            path.write_bytes(value)
            path.chmod(0o755 if len(value) % 2 else 0o644)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=TREE)
def test_any_tree_is_the_same_mounted_exported_and_read(
    store: pfslib.Store,
    tmp_path_factory: pytest.TempPathFactory,
    binding: str,
    tree: dict[bytes, object],
) -> None:
    top = tmp_path_factory.mktemp("tree")
    write(top / "source", tree)
    with store.repo("r").commit(allow_empty=True) as making:
        making.delete_glob("/*")
        making.put_file("/", top / "source")
    commit = making.commit
    commit.export(top / "out")
    with commit.mount() as mounted:
        seen = facts(mounted)
        assert seen == facts(top / "out")
        for path, (kind, runs, size, mtime_ns, content) in seen.items():
            text = "/" + os.fsdecode(path)
            info = commit.inspect_file(text)
            if kind == stat.S_IFREG:
                assert (commit.get_file(text), info.size, info.executable) == (content, size, runs)
                assert info.modified.timestamp() == pytest.approx(mtime_ns / 1e9, abs=2e-6)
                digest = os.getxattr(mounted / os.fsdecode(path), "user.pfs.digest")
                assert digest.decode() == info.digest
            else:
                assert info.kind == ("dir" if kind == stat.S_IFDIR else "symlink")
                assert content is None or len(bytes(content)) == info.size


@ALL_BINDINGS
def test_inode_numbers_and_attributes_survive_remounts(store: pfslib.Store, binding: str) -> None:
    with store.repo("r").commit() as making:
        for number in range(300):
            making.put_file(f"/{number % 7}/{number}", b"x" * number)

    def ask(path: Path) -> dict[str, tuple[object, ...]]:
        found = {}
        for below in [path, *path.rglob("*")]:
            s = below.stat()
            name = str(below.relative_to(path))
            found[name] = (s.st_ino, s.st_mode, s.st_nlink, s.st_size, s.st_blocks, s.st_mtime_ns)
            found[name] += tuple(os.getxattr(below, key) for key in os.listxattr(below))
        whole = os.statvfs(path)
        assert (whole.f_files, whole.f_blocks * whole.f_frsize) == (300, 45056)
        return found

    seen = []
    for _ in range(2):
        with making.commit.mount() as path:
            seen.append(ask(path))
    with store.repo("r").commit() as another:
        another.put_file("/0/0", b"changed")
    with another.commit.mount() as path:
        later = ask(path)
    assert seen[0] == seen[1]
    assert {name: row[0] for name, row in later.items()} == {n: r[0] for n, r in seen[0].items()}
    assert len({row[0] for row in later.values()}) == len(later)


@ALL_BINDINGS
def test_a_file_of_more_than_4_gib(store: pfslib.Store, binding: str) -> None:
    with store.repo("r").commit() as making:
        making.write_at("/big", FAR, b"the end")
    with making.commit.mount() as path:
        found = (path / "big").stat()
        assert (found.st_size, found.st_blocks) == (FAR + 7, -(-(FAR + 7) // 512))
        with (path / "big").open("rb", buffering=0) as file:
            assert os.pread(file.fileno(), 100, FAR - 3) == b"\0\0\0the end"
            assert os.pread(file.fileno(), 100, FAR + 7) == b""
            with mmap.mmap(
                file.fileno(), 0x1007, access=mmap.ACCESS_READ, offset=FAR - 0x1000
            ) as mapped:
                assert mapped[-8:] == b"\0the end"
            # No holes are told: all of it is data.
            assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == FAR + 7
            assert os.lseek(file.fileno(), FAR, os.SEEK_DATA) == FAR


@pytest.mark.parametrize("size", [1, 4096, 1_000_003])
def test_direct_reads(store: pfslib.Store, binding: str, size: int) -> None:
    data = random.Random(size).randbytes(size)
    with store.repo("r").commit() as making:
        making.put_file("/file", data)
    with making.commit.mount() as path:
        fd = os.open(path / "file", os.O_RDONLY | os.O_DIRECT)
        try:
            buffer = mmap.mmap(-1, 1 << 20)  # aligned, as some file systems want it
            assert os.preadv(fd, [buffer], 0) == size
            assert buffer[:size] == data
            assert os.preadv(fd, [buffer], 1 << 20) == 0
        finally:
            os.close(fd)


def test_two_listings_of_a_large_directory_in_turn(store: pfslib.Store) -> None:
    """Each goes on where it stopped."""
    count = 20_000
    with store.repo("r").commit() as making:
        for number in range(count):
            making.put_file(f"/d/{number:07}", b"%d" % number)
    expected = [f"{number:07}" for number in range(count)]
    with making.commit.mount() as path:
        with os.scandir(path / "d") as one, os.scandir(path / "d") as other:
            names = [(next(one).name, next(other).name) for _ in range(count // 2)]
            assert names == [(name, name) for name in expected[: count // 2]]
            assert [entry.name for entry in one] == expected[count // 2 :]
        sizes = [entry.stat().st_size for entry in os.scandir(path / "d")]
        assert sizes == [len(str(number)) for number in range(count)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the kernel forget")
def test_what_the_kernel_has_forgotten_it_finds_again(store: pfslib.Store, binding: str) -> None:
    with store.repo("r").commit() as making:
        for number in range(200):
            making.put_file(f"/{number % 5}/{number}", b"%d" % number)
    with making.commit.mount() as path, (path / "1/1").open("rb") as file:
        for _ in range(3):
            for number in range(200):
                assert (path / f"{number % 5}/{number}").read_bytes() == b"%d" % number
            subprocess.run(["sh", "-c", "echo 2 > /proc/sys/vm/drop_caches"], check=True)
            file.seek(0)
            assert file.read() == b"1"
