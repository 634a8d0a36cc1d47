"""Memory that does not grow with what goes through, measured in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pfslib
from pfslib import Repo, Store
from pfslib.kv.tables import Table
from pfslib.testing.recording import RecordingKV
from pfslib.trees.nodestore import TreeCache

pytestmark = pytest.mark.slow

MIB = 1 << 20
MOST = 300 * MIB

_PRELUDE = """
import io, random, sys, pfslib
from pathlib import Path

MIB, peak = 1 << 20, 0

def look():
    global peak
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            peak = max(peak, int(line.split()[1]) * 1024)

store = pfslib.open(sys.argv[1])
repo = store.repo("data")
"""

_SPARSE = """
SIZE = 4 << 30
PLACE = SIZE // 2 + 5 * MIB + 17

def blocks():
    noise, zeros = random.Random(1), bytes(MIB)
    for number in range(SIZE // MIB):
        if number % 64 == 0:
            look()
        yield noise.randbytes(MIB) if number % 256 == 7 else zeros

def edited():
    position = 0
    for block in blocks():
        if position <= PLACE < position + len(block):
            at = PLACE - position
            block = block[:at] + b"in the middle" + block[at + 13 :]
        position += len(block)
        yield block
    yield b"the end"

def commit(action, branch="master"):
    with repo.commit(branch) as open_commit:
        action(open_commit)
    look()
    return open_commit.commit

commit(lambda c: c.put_file("/f", blocks()))
commit(lambda c: c.put_file("/f", b"the end", append=True))
made = commit(lambda c: c.write_at("/f", PLACE, b"in the middle"))
assert made.inspect_file("/f").size == SIZE + 7
assert made.get_file("/f", SIZE - 1, 99) == b"\\0the end"
assert made.get_file("/f", PLACE - 2, 17) == b"\\0\\0in the middle\\0\\0"
assert made.get_file("/f", 7 * MIB, MIB) == random.Random(1).randbytes(MIB)
with made.open("/f") as file:
    file.seek(-7, io.SEEK_END)
    assert file.read() == b"the end"
fresh = commit(lambda c: c.put_file("/f", edited()), "fresh")
assert fresh.inspect_file("/f").digest == made.inspect_file("/f").digest
print(peak)
"""

_NOISE = """
noise = random.Random(2)

def blocks():
    for _ in range(256):
        look()
        yield noise.randbytes(MIB)

with repo.commit() as open_commit:
    open_commit.put_file("/f", blocks())
    open_commit.put_file("/g", blocks())
look()
print(peak)
"""

_GET = """
commit = repo["master"]
for name in ("/f", "/g"):
    for block in commit.stream_file(name):
        look()
with commit.open("/f") as file:
    while file.read(MIB):
        look()
commit.get_file_to("/f", sys.argv[2] + "/file", progress=lambda *_: look())
commit.export(sys.argv[2] + "/tree", progress=lambda *_: look())
look()
print(peak)
"""

_MANY = """
with repo.commit() as open_commit:
    for number in range(400_000):
        open_commit.put_file(f"/d/{number:06}", b"%d" % number)
        if number % 1000 == 0:
            look()
with repo.commit() as change:
    for number in range(0, 400_000, 2):
        change.put_file(f"/d/{number:06}", b"changed")
look()
commit = repo["master"]
for count, _ in enumerate(commit.diff(), 1):
    if count % 1000 == 0:
        look()
assert count == 200_000
for count, _ in enumerate(commit.walk(), 1):
    if count % 1000 == 0:
        look()
assert count == 400_001
repo.drop_commit("master")
store.gc()
look()
print(peak)
"""

_TREE = """
host, exported = Path(sys.argv[2], "host"), Path(sys.argv[2], "exported")
for folder in range(20):
    (host / str(folder)).mkdir(parents=True)
    for number in range(1000):
        (host / str(folder) / str(number)).write_bytes(random.Random(number).randbytes(2000))
for _ in range(2):
    with repo.commit(allow_empty=True) as open_commit:
        open_commit.put_file("/tree", host, progress=lambda *_: look())
    look()
assert open_commit.commit.files == 20_000
done = open_commit.commit.export(exported, progress=lambda *_: look())
assert done.files == 20_000
print(peak)
"""


def peak_memory(store: Store, target: Path, script: str) -> int:
    """The most anonymous memory of a process that runs a script on the store, in bytes."""
    command = [sys.executable, "-c", _PRELUDE + script, str(store.path), str(target)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_a_file_of_4_gib_is_put_and_edited_in_bounded_memory(
    store: Store, repo: Repo, tmp_path: Path
) -> None:
    """And is then what a fresh put of the edited bytes gives."""
    assert peak_memory(store, tmp_path, _SPARSE) < MOST
    assert (store.path / "data.mdb").stat().st_size < 200 * MIB
    check_costs_of_edits(store, repo)


def check_costs_of_edits(store: Store, repo: Repo) -> None:
    """Of 4 GiB, an edit and a read touch the chunks around it."""
    middle = (2 << 30) + 12_345
    real = store.kv
    for edit in (
        lambda commit: commit.put_file("/f", b"a few bytes", append=True),
        lambda commit: commit.write_at("/f", middle, b"a few bytes"),
        lambda commit: commit.write_at("/f", 0, b"a few bytes"),
    ):
        store.kv, store.cache = (recording := RecordingKV(real)), TreeCache()
        with pfslib.Repo(store, repo.name).commit() as commit:
            edit(commit)
        store.kv = real
        assert recording.written[Table.CHUNKS] <= 4
        assert recording.written[Table.NODES] <= 8
        assert recording.read_calls.total() <= 80
    store.kv, store.cache = (recording := RecordingKV(real)), TreeCache()
    assert store.get_file(repo.name, "master", "/f", middle, 11) == b"a few bytes"
    store.kv = real
    assert recording.read_calls[Table.CHUNKS] <= 2
    assert recording.read_calls.total() <= 20


def test_noise_is_put_got_and_exported_in_bounded_memory(
    store: Store, repo: Repo, tmp_path: Path
) -> None:
    """Of which nothing is small or known: several times what may be held."""
    assert peak_memory(store, tmp_path, _NOISE) < MOST
    assert peak_memory(store, tmp_path, _GET) < MOST
    assert (tmp_path / "file").stat().st_size == 256 * MIB
    assert (tmp_path / "tree/g").stat().st_size == 256 * MIB


def test_many_files_are_put_compared_and_collected_in_bounded_memory(
    store: Store, repo: Repo, tmp_path: Path
) -> None:
    assert peak_memory(store, tmp_path, _MANY) < MOST


def test_a_tree_is_put_and_exported_in_bounded_memory(
    store: Store, repo: Repo, tmp_path: Path
) -> None:
    assert peak_memory(store, tmp_path, _TREE) < 120 * MIB


def test_pfslib_is_the_one_under_test() -> None:
    """The scripts above import what this process did."""
    where = subprocess.run(
        [sys.executable, "-c", "import pfslib; print(pfslib.__file__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.strip() == pfslib.__file__
