"""T5: after an I/O error nobody writes until what is on the disk was read again.

The errors come from a seccomp filter: from some point on, the kernel answers a system call with an
error instead of doing it.
"""

from __future__ import annotations

import ctypes
import mmap
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.health import drop_cached_pages
from pfslib.kv.layout import DATA_FILE

FILTER = """
import ctypes, errno, platform, struct, sys
import pfslib

NUMBERS = {
    "x86_64": {"fdatasync": 75, "pwrite64": 18, "writev": 20},
    "aarch64": {"fdatasync": 83, "pwrite64": 68, "writev": 66},
}[platform.machine()]

def refuse(call, code, *, argument=None, value=0):
    "Answer a system call, when its argument has that value, with an error from now on."
    one = lambda op, then, otherwise, k: struct.pack("HBBI", op, then, otherwise, k)
    lines = [one(0x20, 0, 0, 0), one(0x15, 0, 3 if argument is not None else 1, NUMBERS[call])]
    if argument is not None:
        lines += [one(0x20, 0, 0, 16 + 8 * argument), one(0x15, 0, 1, value)]
    lines += [one(6, 0, 0, 0x00050000 | code), one(6, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(lines))
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program) == 0, ctypes.get_errno()

def commit(store, number, size=10):
    with store.repo("repo").commit("master") as open_commit:
        open_commit.put_file("/number", str(number))
        open_commit.put_file("/more", bytes(range(256)) * size)

META_SIZE = 120
"""

DISK_FAILS = {
    "sync": 'refuse("fdatasync", errno.EIO)',
    "pages": 'refuse("writev", errno.EIO)',
    "meta page": 'refuse("pwrite64", errno.EIO, argument=2, value=META_SIZE)',
    "device gone": 'refuse("fdatasync", errno.ENXIO)',
}

FAIL = """
store = pfslib.open(sys.argv[1])
commit(store, 4)
{fail}
for attempt in (1, 2):
    try:
        commit(store, 5, size=1000)
    except (pfslib.CorruptionError, pfslib.PfsError) as error:
        print(type(error).__name__, error)
    print(store.get_file("repo", "master", "/number").decode())
"""


def commit_once(path: Path) -> None:
    with pfslib.open(path) as store, store.repo("repo").commit("master") as commit:
        commit.put_file("/number", "6")


def read_all(store: pfslib.Store) -> None:
    for commit in store.list_commit("repo"):
        for entry in commit.walk():
            if entry.kind == "file":
                commit.get_file(entry.path)


@pytest.mark.parametrize("what", DISK_FAILS)
def test_after_an_io_error_all_processes_read_and_none_writes(
    filled: Path, run: Callable[..., str], what: str
) -> None:
    with pfslib.open(filled) as bystander:
        printed = run(FILTER + FAIL.format(fail=DISK_FAILS[what]), filled).splitlines()

        assert printed[1] == "4", "the failed commit is not there, the one before is"
        assert "takes no writes since an I/O error" in printed[2], "not even the second try"
        assert printed[3] == "4"

        assert bystander.get_file("repo", "master", "/number") == b"4"
        with pytest.raises(pfslib.CorruptionError, match="takes no writes since an I/O error"):
            commit_once(filled)
        with pytest.raises(pfslib.BusyError):
            pfslib.recover(filled, check=read_all)

    with pytest.raises(pfslib.CorruptionError, match="takes no writes"):
        commit_once(filled)

    def finds_damage(store: pfslib.Store) -> None:
        raise pfslib.CorruptionError("a test says so")

    with pytest.raises(pfslib.CorruptionError, match="a test says so"):
        pfslib.recover(filled, check=finds_damage)
    with pytest.raises(pfslib.CorruptionError, match="takes no writes"):
        commit_once(filled)

    pfslib.recover(filled, check=read_all)
    commit_once(filled)
    with pfslib.open(filled) as store:
        assert store.get_file("repo", "master", "/number") == b"6"


def test_a_full_disk_is_no_io_error(filled: Path, run: Callable[..., str]) -> None:
    for call in ("writev", "pwrite64"):
        code = FILTER + FAIL.format(fail=f'refuse("{call}", errno.ENOSPC)')
        printed = run(code, filled).splitlines()
        assert [line.split()[0] for line in printed] == ["StoreFullError", "4"] * 2
    commit_once(filled)


def test_recovering_reads_from_the_disk(filled: Path) -> None:
    """What the kernel holds of the data file is dropped: it may be what never reached the disk."""
    with pfslib.open(filled) as store, store.repo("repo").commit("master") as commit:
        commit.put_file("/big", random.Random(1).randbytes(1 << 20))
    data = filled / DATA_FILE
    if pages_in_memory(data) == 0:
        pytest.skip("this file system keeps no pages")
    drop_cached_pages(filled)
    assert pages_in_memory(data) == 0


def pages_in_memory(path: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    with path.open("rb") as file:
        size = ctypes.c_size_t(path.stat().st_size)
        at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), ctypes.c_long(0))
        seen = ctypes.create_string_buffer(-(-size.value // mmap.PAGESIZE))
        assert libc.mincore(ctypes.c_void_p(at), size, seen) == 0
        libc.munmap(ctypes.c_void_p(at), size)
    return sum(page & 1 for page in seen.raw)
