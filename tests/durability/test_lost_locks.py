"""T9, T13: losing LMDB's own locks loses nothing, and readers that are gone hold nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.layout import READERS_FILE
from pfslib.kv.lmdb_kv import LmdbKV
from pfslib.kv.readers_file import READERS_MAX
from pfslib.kv.tables import Table, number_key

Start = Callable[..., subprocess.Popen[str]]

WRITER = """
import os, sys, time
import pfslib
path, branch, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
end, done = time.monotonic() + seconds, 0
while time.monotonic() < end:
    with pfslib.open(path) as store:  # again and again: opening is when tables are made anew
        for _ in range(10):
            with store.repo("repo").commit(branch) as commit:
                commit.put_file("/number", str(done))
                commit.put_file("/data", os.urandom(20_000))
            done += 1
            assert store.get_file("repo", branch, "/number") == str(done - 1).encode()
print(done)
"""


COPIER = """
import shutil, sys, time
import pfslib
path, copy, end = sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3])
with pfslib.open(path) as store:
    done = 0
    while time.monotonic() < end:
        shutil.copytree(path, copy)
        shutil.rmtree(copy)
        with store.repo("repo").commit("copier") as commit:
            commit.put_file("/number", str(done))
        done += 1
    print(done)
"""


def test_copying_the_folder_of_an_open_store_loses_no_commit(
    filled: Path, tmp_path: Path, start: Start
) -> None:
    processes = {name: start(WRITER, filled, name, 4) for name in ("one", "two")}
    processes["copier"] = start(COPIER, filled, tmp_path / "copy", 4)
    finished = {}
    for name, process in processes.items():
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, (process.returncode, errors)
        finished[name] = int(output)
    with pfslib.open(filled) as store:
        for name, count in finished.items():
            numbers = [c.get_file("/number") for c in store.list_commit("repo", name)]
            assert numbers == [str(number).encode() for number in range(count)]
    assert min(finished.values()) > 5


HOLD_A_READER = """
import sys
from pathlib import Path
from pfslib.kv.lmdb_kv import LmdbKV
from pfslib.kv.tables import Table
kv = LmdbKV.open(Path(sys.argv[1]))
with kv.read() as txn:
    first = next(txn.scan(Table.LOGS))
    if sys.argv[2] == "without locks":
        (Path(sys.argv[1]) / "lock.mdb").read_bytes()  # closed: the process's locks are gone
    print("reading", flush=True)
    sys.stdin.readline()
    print(sum(set(value) == set(first[1]) for _, value in txn.scan(Table.LOGS)))
"""


@pytest.mark.parametrize("how", ["with locks", "without locks"])
def test_a_stopped_reader_keeps_its_state_and_stops_no_writer(
    filled: Path, start: Start, how: str
) -> None:
    """Also when its process lost LMDB's locks, by which others would take it for dead.

    Its pages would be written over. LMDB, led astray by them, ends the process by a signal.
    """
    kv = LmdbKV.open(filled)
    rewrite(kv, 1)
    reader = start(HOLD_A_READER, filled, how)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    kv.close()
    os.kill(reader.pid, signal.SIGSTOP)
    began = time.monotonic()
    # Each time it opens the store it clears dead readers, and is the only one LMDB knows of.
    output, errors = start(OVERWRITE, filled).communicate(timeout=60)
    assert output == "done\n", errors
    assert time.monotonic() - began < 30
    os.kill(reader.pid, signal.SIGCONT)
    output, errors = reader.communicate("go on\n", timeout=30)
    assert reader.returncode == 0, (reader.returncode, errors)
    assert output == "100\n", "each value is one of the state it began with"


OVERWRITE = """
import sys
from pathlib import Path
from pfslib.kv.lmdb_kv import LmdbKV
from pfslib.kv.tables import Table, number_key
for _ in range(4):
    kv = LmdbKV.open(Path(sys.argv[1]))
    for number in range(200):
        with kv.write() as txn:
            txn.put(Table.LOGS, number_key(number), b"new!" * 750)
    kv.close()
print("done")
"""


def rewrite(kv: LmdbKV, times: int) -> None:
    for number in range(times):
        with kv.write() as txn:
            for key in range(100):
                txn.put(Table.LOGS, number_key(key), bytes([number + 1]) * 3000)


def test_readers_killed_are_cleared_at_the_next_opening(filled: Path, start: Start) -> None:
    kv = LmdbKV.open(filled)
    rewrite(kv, 2)
    readers = [start(HOLD_A_READER, filled, "with locks") for _ in range(3)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
    rewrite(kv, 10)
    pinned = kv.room().file
    for reader in readers:
        reader.kill()
        reader.wait()
    LmdbKV.open(filled).close()  # shared with what is open: clears nothing
    output, errors = start(OVERWRITE, filled).communicate(timeout=60)
    assert output == "done\n", errors
    settled = kv.room().file
    rewrite(kv, 40)
    assert kv.room().file <= settled + (1 << 20), "pages are used again"
    assert pinned > 0
    kv.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_whose_slot_was_taken_away_gets_right_bytes_or_an_error(
    filled: Path, start: Start, seed: int
) -> None:
    """Nobody does that any more; but if, reading fails its digest and ends no process."""
    with pfslib.open(filled) as store:
        with store.repo("repo").commit("big") as commit:
            commit.put_file("/data", random.Random(seed).randbytes(2 << 20))
        reader = start(READ_SLOWLY, filled)
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        os.kill(reader.pid, signal.SIGSTOP)
        take_slots_away(filled / READERS_FILE, reader.pid)
        store.delete_repo("repo", force=True)
        rewrite(store.kv._kv, 30)  # type: ignore[attr-defined]
        with store.kv.write() as txn:
            for table in (Table.CHUNKS, Table.PLACES, Table.NODES):
                for key, _ in list(txn.scan(table)):
                    txn.delete(table, key)
        rewrite(store.kv._kv, 30)  # type: ignore[attr-defined]
        os.kill(reader.pid, signal.SIGCONT)
        output, errors = reader.communicate("go on\n", timeout=60)
        assert reader.returncode == 0, (reader.returncode, errors)
        assert output in {"right\n", "noticed\n"}


READ_SLOWLY = """
import sys
import pfslib
from pfslib.chunks.chunkstore import ChunkCache, get_piece
from pfslib.kv.tables import Table
with pfslib.open(sys.argv[1]) as store, store.kv.read() as txn:
    digests = [key for key, _ in txn.scan(Table.PLACES)]
    cache = ChunkCache(1)
    get_piece(txn, digests[0], cache)
    print("reading", flush=True)
    sys.stdin.readline()
    try:
        for digest in digests:
            get_piece(txn, digest, cache)
        print("right")
    except pfslib.CorruptionError:
        print("noticed")
"""


def take_slots_away(readers: Path, pid: int) -> None:
    """Clear the process's entries in LMDB's table of readers, as if it were dead."""
    with readers.open("r+b") as file:
        table = file.read()
        cleared = 0
        for at in range(0, len(table) - 64, 64):
            if at >= 128 and int.from_bytes(table[at + 8 : at + 12], "little") == pid:
                file.seek(at + 8)
                file.write(bytes(4))
                cleared += 1
        assert cleared, "the layout of the table is as expected"


def test_garbage_in_the_table_of_readers_is_replaced_at_opening(filled: Path) -> None:
    readers = filled / READERS_FILE
    size = readers.stat().st_size
    for content in (b"", b"\xff" * 100, random.Random(1).randbytes(size), bytes(size)):
        readers.write_bytes(content)
        with pfslib.open(filled) as store:
            with store.repo("repo").commit("master") as commit:
                commit.put_file("/on", content)
            assert store.get_file("repo", "master", "/on") == content


def test_more_readers_at_once_than_there_are_slots(filled: Path) -> None:
    with pfslib.open(filled) as store:
        with ExitStack() as held:
            hold_readers(store, held)
            with pytest.raises(pfslib.BusyError, match="readers are busy"):
                hold_readers(store, held)
        assert store.get_file("repo", "master", "/a") == b"alpha\n"


def hold_readers(store: pfslib.Store, held: ExitStack) -> None:
    for _ in range(READERS_MAX):
        held.enter_context(store.kv.read())


def test_a_long_reader_in_a_thread_stops_no_writer(filled: Path) -> None:
    with pfslib.open(filled) as store, store.kv.read() as txn:
        before = [key for key, _ in txn.scan(Table.COMMITS)]
        commits = threading.Thread(target=commit_some, args=(store,))
        commits.start()
        commits.join(timeout=30)
        assert not commits.is_alive()
        assert [key for key, _ in txn.scan(Table.COMMITS)] == before
        assert len(list(store.list_commit("repo"))) == 13


def commit_some(store: pfslib.Store) -> None:
    for number in range(10):
        with store.repo("repo").commit("master") as commit:
            commit.put_file("/number", str(number))
