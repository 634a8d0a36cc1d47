"""Whatever dies, goes or is damaged under a mount: an answer, an error, never a hang, no leak."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib.mounts.mountinfo import find_mount
from pfslib.mounts.mounting import Mounted
from pfslib.mounts.unmounting import unmount

pytestmark = pytest.mark.mount

NOBODY = 65534
DATA = random.Random(5).randbytes(3_000_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pfslib.Store]:
    with pfslib.init(tmp_path / "store") as store:
        with store.create_repo("r").commit() as making:
            making.put_file("/data", DATA)
            making.put_file("/other", DATA[::-1])
            making.put_file("/small", b"small")
        yield store


def run(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **options,
    )


READ = """
import sys
for path in sys.argv[1:]:
    try:
        print(len(open(path, "rb", buffering=0).read()))
    except OSError as error:
        print(error.errno)
"""


# --- the store --------------------------------------------------------------------------------


def test_the_store_is_deleted_under_it(store: pfslib.Store) -> None:
    """The server holds the file open: what is mounted can be read to the end."""
    with store.commit("r@master").mount() as path:
        shutil.rmtree(store.path)
        assert run(READ, path / "data", path / "small").stdout.split() == [str(len(DATA)), "5"]


def test_damage_that_comes_while_it_is_mounted(
    store: pfslib.Store, capfd: pytest.CaptureFixture[str]
) -> None:
    """EIO for what is damaged, and only that; a line in the log, once."""
    with store.commit("r@master").mount() as path:
        stored = (store.path / "data.mdb").read_bytes()
        with (store.path / "data.mdb").open("r+b") as file:
            file.seek(stored.index(DATA[1_000_000:1_000_032]))
            file.write(b"\xff" * 8)
        for _ in range(3):
            assert run(READ, path / "data").stdout.split() == [str(errno.EIO)]
        assert (path / "other").read_bytes() == DATA[::-1]
        assert (path / "small").read_bytes() == b"small"
    lines = [line for line in capfd.readouterr().err.splitlines() if "damaged" in line]
    assert len(lines) == len(set(lines)) > 0


@pytest.mark.parametrize("is_lost", ["a part", "all"])
def test_its_data_file_is_cut_short(
    store: pfslib.Store, capfd: pytest.CaptureFixture[str], is_lost: str
) -> None:
    """EIO for what is lost, and only that; said once. LMDB's map alone would end the server."""
    with store.create_repo("gone").commit() as making:
        for number in range(1000):
            making.put_file(f"/{number}", random.Random(number).randbytes(200))
    store.delete_repo("gone")
    store.gc()  # LMDB takes single pages from what is free, so that the end is all of one file
    last = random.Random(6).randbytes(2_000_000)
    with store.repo("r").commit() as making:
        making.put_file("/last", last)
    data = store.path / "data.mdb"
    with store.commit("r@master").mount() as path:
        stored = data.read_bytes()
        kept = stored.index(last[-64:]) - 5000 if is_lost == "a part" else 0
        os.truncate(data, kept)
        for _ in range(2):
            found = run(READ, path / "data", path / "other", path / "last").stdout.split()
            assert found.pop() == str(errno.EIO)
            # A page of LMDB's own may have stood behind, too, that leads to one of them.
            assert set(found) - {str(errno.EIO)} == ({str(len(DATA))} if kept else set())
    said = [line for line in capfd.readouterr().err.splitlines() if "was cut short" in line]
    assert len(said) == len(set(said)) > 0
    os.truncate(data, len(stored))


# --- the server -------------------------------------------------------------------------------


def test_a_reader_of_a_hung_server_can_be_killed(store: pfslib.Store) -> None:
    made = store.commit("r@master").mount()
    os.kill(made.pid, signal.SIGSTOP)
    reader = subprocess.Popen([sys.executable, "-c", READ, made.path / "data"])
    time.sleep(0.3)
    assert reader.poll() is None
    reader.kill()
    assert reader.wait(5) == -signal.SIGKILL
    os.kill(made.pid, signal.SIGCONT)
    assert (made.path / "data").read_bytes() == DATA
    made.unmount()


def test_readers_get_an_error_at_once_when_the_server_dies(store: pfslib.Store) -> None:
    """Those that wait, and those that come; in processes, for a thread would hide a hang."""
    made = store.commit("r@master").mount()
    os.kill(made.pid, signal.SIGSTOP)
    waiting = subprocess.Popen(
        [sys.executable, "-c", READ, made.path / "data"], stdout=subprocess.PIPE
    )
    time.sleep(0.3)
    os.kill(made.pid, signal.SIGKILL)
    answer, _ = waiting.communicate(timeout=5)
    assert answer.split() in ([b"%d" % errno.ENOTCONN], [b"%d" % errno.ECONNABORTED])
    assert run(READ, made.path / "data").stdout.split() == [str(errno.ENOTCONN)]
    made.unmount()
    assert not made.path.exists()


def test_signals_to_a_reader_change_nothing(store: pfslib.Store) -> None:
    """A read that is interrupted is taken back, and asked for anew."""
    code = """
import os, signal, sys, threading
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
wanted = os.stat(sys.argv[1]).st_size
for _ in range(20):
    fd = os.open(sys.argv[1], os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    got = 0
    while data := os.read(fd, 1 << 20):
        got += len(data)
    os.close(fd)
    assert got == wanted
print("done")
"""
    with store.commit("r@master").mount() as path:
        assert run(code, path / "data").stdout == "done\n"


def test_somebody_stands_in_it(store: pfslib.Store, mountpoint: Path) -> None:
    store.commit("r@master").mount(mountpoint)
    standing = subprocess.Popen(["sleep", "60"], cwd=mountpoint)
    try:
        with pytest.raises(pfslib.MountError, match="is in use") as caught:
            unmount(mountpoint)
        assert "--lazy" in caught.value.hint
        unmount(mountpoint, lazy=True)
        assert find_mount(mountpoint) is None
    finally:
        standing.kill()
        standing.wait()


# --- many -------------------------------------------------------------------------------------


def test_a_hundred_mounts_at_once(store: pfslib.Store) -> None:
    made: list[Mounted] = []
    try:
        made += [store.commit("r@master").mount() for _ in range(100)]
        assert all((one.path / "small").read_bytes() == b"small" for one in made)
        assert len({one.pid for one in made}) == 100
        descriptors = len(list(Path(f"/proc/{made[0].pid}/fd").iterdir()))
        files = [(made[0].path / "small").open("rb") for _ in range(50)]
        assert len(list(Path(f"/proc/{made[0].pid}/fd").iterdir())) == descriptors < 30
        for file in files:
            file.close()
    finally:
        for one in made:
            one.unmount()


LEAKY = """
import os, runpy, sys
from pfslib.mounts.mounting import Mounted
unmount = Mounted.unmount
if sys.argv.pop(1) == "leaks":
    Mounted.unmount = lambda mounted: (unmount(mounted), os.dup(0))
runpy.run_module("benchmarks.mount_cycles", run_name="__main__")
"""


@pytest.mark.parametrize(("how", "cycles"), [("as it is", 100), ("leaks", 10)])
def test_mounting_again_and_again_leaks_nothing(how: str, cycles: int) -> None:
    """As `python -m benchmarks.mount_cycles` counts, which tells when there is a leak."""
    found = run(LEAKY, how, "--cycles", cycles, cwd=Path(__file__).parents[2])
    leaked = [line.partition(":")[0] for line in found.stderr.splitlines()]
    assert (found.returncode, leaked) == ((0, []) if how == "as it is" else (1, ["leaked"]))


def test_memory_maps_of_ones_own_mounts_in_many_threads(store: pfslib.Store) -> None:
    """Page faults hold the interpreter lock: whoever served them in this process would wait."""
    code = """
import mmap, sys, threading
import pfslib
with pfslib.open(sys.argv[1]) as store, store.commit("r@master").mount() as path:
    sums = []
    def work():
        with (path / "data").open("rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
            view = memoryview(m)
            sums.append(sum(view[::4096]))
            view.release()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(len(sums), len(set(sums)), sums[0])
"""
    assert run(code, store.path).stdout.split() == ["8", "1", str(sum(DATA[::4096]))]


def test_numpy_pandas_and_pyarrow_over_ones_own_mount(store: pfslib.Store) -> None:
    code = """
import io, sys
import numpy, pandas, pyarrow, pyarrow.csv, pyarrow.parquet
import pfslib
with pfslib.open(sys.argv[1]) as store:
    table = pyarrow.table({"n": list(range(50_000))})
    with store.repo("r").commit("tables") as making:
        pyarrow.parquet.write_table(table, file := io.BytesIO())
        making.put_file("/t.parquet", file.getvalue())
        making.put_file("/t.csv", table.to_pandas().to_csv(index=False))
    with store.commit("r@tables").mount() as path, store.commit("r@master").mount() as other:
        print(numpy.memmap(other / "data", mode="r")[::4096].sum())
        print(pandas.read_csv(path / "t.csv").n.sum())
        print(pandas.read_parquet(path / "t.parquet").n.sum())
        mapped = pyarrow.memory_map(str(path / "t.parquet"))
        print(pyarrow.parquet.read_table(mapped) == pyarrow.csv.read_csv(path / "t.csv") == table)
        mapped.close()
"""
    total = sum(range(50_000))
    said = run(code, store.path)
    assert said.stdout.split() == [str(sum(DATA[::4096])), *[str(total)] * 2, "True"], said.stderr


# --- other users ------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user can enter."""
    path = Path(tempfile.mkdtemp(prefix="public-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    path.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_other_users_see_nothing_unless_asked(store: pfslib.Store, public: Path) -> None:
    def looks() -> subprocess.CompletedProcess[bytes]:
        look = ["sh", "-c", f"ls {public}; cat {public}/small; echo x > {public}/new"]
        return subprocess.run(look, capture_output=True, user=NOBODY, group=NOBODY, check=False)

    commit = store.commit("r@master")
    with commit.mount(public):
        seen = looks()
        assert seen.stdout == b""
        assert b"Permission denied" in seen.stderr
    with commit.mount(public, allow_other=True):
        seen = looks()
        assert seen.stdout == b"data\nother\nsmall\nsmall"
        assert b"Read-only file system" in seen.stderr
        options = next(
            line.split()[5] + line.split(" - ")[1]
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if line.split()[4] == str(public)
        )
        for wanted in ("ro", "nosuid", "nodev", "default_permissions"):
            assert wanted in options
