"""T4: a data file that was cut short ends no reader by a signal, and yields no wrong bytes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.layout import DATA_FILE, READERS_FILE

CUTS = 25

READ_ALL = """
import random, sys
import pfslib
try:
    with pfslib.open(sys.argv[1]) as store:
        for name, size in (("/a", 6), ("/d/b", 131072), ("/d/c", 6), ("/big", 3 << 20)):
            try:
                data = store.get_file("repo", "master", name)
            except pfslib.CorruptionError:
                print("noticed")
            else:
                assert len(data) == size
                assert name != "/big" or data == random.Random(1).randbytes(size)
                print("right")
except pfslib.CorruptionError:
    print("refused")
"""


def test_cut_at_any_place_the_rest_is_read_or_refused(
    filled: Path, tmp_path: Path, run: Callable[..., str]
) -> None:
    with pfslib.open(filled) as store, store.repo("repo").commit("master") as commit:
        commit.put_file("/big", random.Random(1).randbytes(3 << 20))
    copy = tmp_path / "copy"
    shutil.copytree(filled, copy)

    seen = run(CUT_AND_READ.format(read_all=READ_ALL), filled, copy, CUTS).split()

    assert set(seen) <= {"right", "noticed", "refused"}, seen
    assert {"right", "noticed", "refused"} <= set(seen), "the cuts have met every case"


CUT_AND_READ = """
import os, subprocess, sys
from pathlib import Path
import pfslib
from pfslib.kv.layout import ANCHOR_FILE, DATA_FILE
good, copy, cuts = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
READ_ALL = '''{read_all}'''
data, anchor = (good / DATA_FILE).read_bytes(), (good / ANCHOR_FILE).read_bytes()
lengths = [0, 1, 100, 4096, 5000, 8191, 8192, len(data) - 1, len(data) - 4096]
lengths += [len(data) * n // cuts + n * 7 for n in range(1, cuts)]
with pfslib.open(good) as store:  # imports what the children need
    store.get_file("repo", "master", "/a")
for length in lengths:
    (copy / DATA_FILE).write_bytes(data[:length])
    (copy / ANCHOR_FILE).write_bytes(anchor)
    pid = os.fork()  # a process each: a signal would end it
    if pid == 0:
        sys.argv[1] = str(copy)
        try:
            exec(READ_ALL)
            sys.stdout.flush()
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    status = os.waitpid(pid, 0)[1]
    if status:
        print(f"cut-at-{{length}}-status-{{status}}", flush=True)
"""


CUT_UNDER_READERS = """
import os, shutil, sys
from pathlib import Path
import pfslib
good, file, *lengths = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
NAMES = ["/a", "/d/b", "/d/c", "/number"]
def read_all(path, length):
    with pfslib.open(path) as store:
        files = store.commit("repo@master")
        wanted = [files.get_file(name) for name in NAMES]
    with pfslib.open(path) as store:  # remembers nothing
        files = store.commit("repo@master")
        os.truncate(path / file, length)
        for name, data in zip(NAMES, wanted):
            try:
                yield "right" if files.get_file(name) == data else "WRONG"
            except pfslib.CorruptionError as error:
                yield "refused" if "cut short" in str(error) else "noticed"
with pfslib.open(good) as store:  # imports what the children need
    store.get_file("repo", "master", "/a")
for length in lengths:
    copy = good.with_name(f"copy-{length}")
    shutil.copytree(good, copy)
    pid = os.fork()
    if pid == 0:
        print(length, *read_all(copy, length), flush=True)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if status:
        print(length, "status", status, flush=True)
"""


def test_cut_while_it_is_open_the_rest_is_read_or_refused(
    filled: Path, run: Callable[..., str]
) -> None:
    """By somebody else, under a reader that has it open: that would be ended by a signal."""
    with pfslib.open(filled) as store, store.repo("repo").commit("master") as commit:
        commit.put_file("/d/b", random.Random(1).randbytes(1 << 20))
    size = (filled / DATA_FILE).stat().st_size
    cuts = (0, 4096, 8191, 8192, 20_001, size // 2, size - 5000, size - 200_000, size)
    said = [line.split() for line in run(CUT_UNDER_READERS, filled, DATA_FILE, *cuts).splitlines()]
    seen = {int(length): set(words) for length, *words in said}
    assert [seen[length] for length in (0, 4096, 8191, size)] == [{"refused"}] * 3 + [{"right"}]
    assert set().union(*seen.values()) == {"right", "noticed", "refused"}, seen
    assert {"right", "noticed"} in seen.values(), "what is not lost can be read"


def test_the_lock_file_cut_while_it_is_open_is_refused(
    filled: Path, run: Callable[..., str]
) -> None:
    assert set(run(CUT_UNDER_READERS, filled, READERS_FILE, 0).split()) == {"0", "refused"}
    with pfslib.open(filled.with_name("copy-0")) as store:  # made anew when nobody has it open
        assert store.get_file("repo", "master", "/a") == b"alpha\n"


def test_a_file_that_is_legally_shorter_than_its_last_page_opens(filled: Path) -> None:
    """LMDB never writes the pages at the end that a transaction took and gave back."""
    data = filled / DATA_FILE
    content = bytearray(data.read_bytes())
    pages = len(content) // 4096
    for page in (0, 4096):
        last = int.from_bytes(content[page + 136 : page + 144], "little")
        content[page + 136 : page + 144] = (max(last, pages) + 3).to_bytes(8, "little")
    data.write_bytes(content)
    (filled / "anchor").unlink()  # it has a copy of the meta page

    with pfslib.open(filled, accept_loss=True) as store:
        assert data.stat().st_size == 4096 * (pages + 4)
        assert store.get_file("repo", "master", "/a") == b"alpha\n"
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/on", b"on" * 50_000)
    with pfslib.open(filled) as store:
        assert store.get_file("repo", "master", "/on") == b"on" * 50_000


@pytest.mark.parametrize("size", [0, 4096, 8192])
def test_a_file_without_its_pages_is_never_taken_for_a_new_store(filled: Path, size: int) -> None:
    with (filled / DATA_FILE).open("r+b") as file:
        file.truncate(size)
    with pytest.raises(pfslib.CorruptionError):
        pfslib.open(filled)
    with pytest.raises(pfslib.CorruptionError):
        pfslib.open(filled, create=True)
