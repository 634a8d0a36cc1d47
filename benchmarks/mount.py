"""Mounts against a plain directory, squashfs and the peers' mounts: one command, one table.

    python -m benchmarks.mount [--scale small|full] [--only SYSTEM ...] [--json FILE]

All show the same files, in the same run. *Cold* is the first time after mounting: the store's (or
the image's) own file is in the page cache, so that it is the mount that is measured and no disk;
the plain directory, which has no other copy, comes from the disk then. *Warm* is the same again.
Peers that are not installed are named and left out. Needs root. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pfslib
from benchmarks import data, measure
from pfslib.mounts.mounting import BINDING_VARIABLE

Mounting = Callable[[], object]
LIMIT_S = 600
"""For all measurements of one system: some peers never come back."""

SECRET = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "RESTIC_PASSWORD": "x"}


def sources(top: Path, full: bool) -> Path:
    """Two large files, one that compresses and one that does not, and many small ones."""
    source = top / "source"
    source.mkdir()
    size = (512 if full else 64) * data.MIB
    data.big_file(source / "raw", size, mixed=False)
    rng = random.Random(6)
    words = data.vocabulary(rng)
    with (source / "text").open("wb") as file:
        for _ in range(size // data.MIB):
            file.write(data.text_of(rng, data.MIB, words))
    count = 100_000 if full else 10_000
    data.small_files(source / "many", count, low=50, high=4000, per_folder=1000)
    return source


class System:
    """Something that can show the files; `keep` stores them, `mounted` gives where they are."""

    def __init__(self, top: Path, source: Path) -> None:
        self.top, self.source = top, source
        self.point = top / "mnt"
        self.point.mkdir(parents=True)

    def keep(self) -> None: ...

    def backing(self) -> list[Path]:
        return [path for path in self.top.rglob("*") if path.is_file()]

    def run(self, *words: str | Path, cwd: Path | None = None) -> None:
        measure.command(words, env={**os.environ, **SECRET}, cwd=cwd)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        yield self.source

    def wait_for(self, path: Path) -> Path:
        deadline = time.monotonic() + 60
        while not path.exists():
            if time.monotonic() > deadline:
                msg = f"{path} does not appear"
                raise RuntimeError(msg)
            time.sleep(0.001)
        return path


class Plain(System):
    """The directory itself."""

    def backing(self) -> list[Path]:
        return []


class Squashfs(System):
    """The kernel's compressed file system, on a loop device."""

    needs = "mksquashfs"

    def keep(self) -> None:
        self.run("mksquashfs", self.source, self.top / "image", "-comp", "zstd", "-quiet")

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        self.run("mount", "-o", "loop,ro", self.top / "image", self.point)
        try:
            yield self.point
        finally:
            self.run("umount", self.point)


class Pfs(System):
    """Ours, speaking to the kernel itself."""

    binding = "kernel"

    def keep(self) -> None:
        with (
            pfslib.init(self.top / "store") as store,
            store.create_repo("r").commit() as making,
        ):
            making.put_file("/", self.source)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        os.environ[BINDING_VARIABLE] = self.binding
        with pfslib.open(self.top / "store") as store:
            commit = store.commit("r@master")
            began = time.perf_counter()
            with commit.mount(self.point) as path:
                self.started = time.perf_counter() - began
                yield path


class PfsFusepy(Pfs):
    """Ours, through fusepy and libfuse."""

    binding = "fusepy"


class PfsMfusepy(Pfs):
    """Ours, through mfusepy and libfuse 3."""

    binding = "mfusepy"


class Background(System):
    """A peer whose mount command stays in the foreground until it is ended."""

    command: tuple[str, ...] = ()
    shown = "."

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        words = [word.format(top=self.top, point=self.point) for word in self.command]
        with subprocess.Popen(
            words,
            env={**os.environ, **SECRET},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            try:
                yield self.wait_for(self.point / self.shown / "raw").parent
            finally:
                subprocess.run(["umount", "-l", self.point], check=False, capture_output=True)
                server.kill()


class Borg(Background):
    needs = "borg"
    command = ("borg", "mount", "-f", "{top}/repo::a", "{point}")

    def keep(self) -> None:
        self.run("borg", "init", "-e", "none", self.top / "repo")
        self.run("borg", "create", f"{self.top}/repo::a", ".", cwd=self.source)


class Restic(Background):
    needs = "restic"
    command = ("restic", "-q", "-r", "{top}/repo", "mount", "{point}")

    @property
    def shown(self) -> str:
        return f"snapshots/latest{self.source}"

    def keep(self) -> None:
        self.run("restic", "-q", "-r", self.top / "repo", "init")
        self.run("restic", "-q", "-r", self.top / "repo", "backup", self.source)


class Casync(Background):
    needs = "casync"
    command = ("casync", "mount", "--store={top}/store", "{top}/index.caidx", "{point}")

    def keep(self) -> None:
        index = self.top / "index.caidx"
        self.run("casync", "make", f"--store={self.top}/store", index, self.source)


# --- what is measured -------------------------------------------------------------------------


def sequential(path: Path) -> float:
    """MB/s."""
    block = bytearray(data.MIB)
    size, began = 0, time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while got := file.readinto(block):
            size += got
    return size / (time.perf_counter() - began) / 1e6


def parallel(path: Path) -> float:
    """MB/s of eight readers, each of an eighth."""
    size = path.stat().st_size
    part = size // 8

    def read(number: int) -> None:
        subprocess.run(
            [
                *("dd", f"if={path}", "of=/dev/null", "bs=1M"),
                *(f"count={part // data.MIB}", f"skip={number * part // data.MIB}"),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )

    began = time.perf_counter()
    with ThreadPoolExecutor(8) as readers:
        list(readers.map(read, range(8)))
    return size / (time.perf_counter() - began) / 1e6


def random_reads(path: Path, count: int = 3000) -> float:
    """Reads of 4 KiB a second."""
    chance = random.Random(8)
    pages = path.stat().st_size // 4096
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    began = time.perf_counter()
    for _ in range(count):
        os.pread(fd, 4096, chance.randrange(pages) * 4096)
    seconds = time.perf_counter() - began
    os.close(fd)
    return count / seconds


def small_files(top: Path, count: int = 3000) -> float:
    """Files opened, read and closed a second."""
    folders = sorted(path.name for path in top.iterdir())
    names = [f"{folder}/{path.name}" for folder in folders[:5] for path in (top / folder).iterdir()]
    random.Random(9).shuffle(names)
    began = time.perf_counter()
    for name in names[:count]:
        fd = os.open(top / name, os.O_RDONLY)
        os.read(fd, 4096)
        os.close(fd)
    return len(names[:count]) / (time.perf_counter() - began)


def shell(script: str) -> Callable[[Path], float]:
    """Seconds of a command."""

    def work(top: Path) -> float:
        began = time.perf_counter()
        subprocess.run(script, shell=True, cwd=top, check=False, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    return work


TWICE: dict[str, Callable[[Path], float]] = {
    "find -type f, s": shell("find many -type f"),
    "find -size, s": shell("find many -size +1k"),
    "ls -lR, s": shell("ls -lR many"),
    "du, s": shell("du -s many"),
    "grep -r, s": shell("grep -r nothing_like_it many"),
    "raw, MB/s": lambda top: sequential(top / "raw"),
    "text, MB/s": lambda top: sequential(top / "text"),
    "raw, 8 readers, MB/s": lambda top: parallel(top / "raw"),
    "small files /s": lambda top: small_files(top / "many"),
}
"""Each in a mount of its own, cold and then warm."""

ONCE: dict[str, Callable[[Path], float]] = {
    "raw, random 4K /s": lambda top: random_reads(top / "raw"),
    "text, random 4K /s": lambda top: random_reads(top / "text"),
}

SYSTEMS: dict[str, type[System]] = {
    "plain": Plain,
    "squashfs": Squashfs,
    "pfs": Pfs,
    "pfs-fusepy": PfsFusepy,
    "pfs-mfusepy": PfsMfusepy,
    "borg": Borg,
    "restic": Restic,
    "casync": Casync,
}


def figures(system: System) -> dict[str, float]:
    system.keep()
    found: dict[str, float] = {}

    def cold() -> None:
        measure.drop_caches()
        for path in system.backing():
            subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)

    for nth in ("first", "second"):
        cold()
        began = time.perf_counter()
        with system.mounted() as top:
            (top / "raw").open("rb", buffering=0).read(1)
            found[f"{nth} mount to first byte, ms"] = (time.perf_counter() - began) * 1e3
    for name, work in {**TWICE, **ONCE}.items():
        cold()
        with system.mounted() as top:
            found[f"{name}, cold"] = work(top)
            if name in TWICE:
                found[f"{name}, warm"] = work(top)
    return found


def start_of_command(top: Path, source: Path) -> tuple[float, float]:
    """From the start of `pfs mount` to the first byte, and of a Python that does nothing.

    Returns:
        Milliseconds, each the best of ten, taking turns.
    """
    system = Pfs(top, source)
    system.keep()
    words = [sys.executable, "-m", "pfslib.cli", "mount", "r@master", system.point]
    bare = command = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare = min(bare, (time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        subprocess.run(
            [*words, "--store", system.top / "store"], check=True, stderr=subprocess.DEVNULL
        )
        (system.point / "raw").open("rb", buffering=0).read(1)
        command = min(command, (time.perf_counter() - began) * 1e3)
        subprocess.run(["umount", system.point], check=True)
    return command, bare


def too_long(*_: object) -> None:
    msg = f"it takes longer than {LIMIT_S} seconds"
    raise RuntimeError(msg)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--only", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    signal.signal(signal.SIGALRM, too_long)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each process compiles all that it imports
    with tempfile.TemporaryDirectory(prefix="pfs-bench-") as folder:
        top = Path(folder)
        source = sources(top, options.scale == "full")
        command, bare = start_of_command(top / "command", source)
        print(
            f"`pfs mount`, process start to first byte: {command:.0f} ms; "
            f"`python -c pass`: {bare:.0f} ms"
        )
        for name in options.only:
            kind = SYSTEMS[name]
            if not shutil.which(getattr(kind, "needs", "true")):
                print(f"{name} is not installed", file=sys.stderr)
                continue
            signal.alarm(LIMIT_S)
            try:
                table[name] = figures(kind(top / name, source))
            except (RuntimeError, subprocess.SubprocessError, pfslib.MountError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
            finally:
                signal.alarm(0)
            if options.json:
                options.json.write_text(json.dumps({"command_ms": command, **table}, indent=1))
    rows = next(iter(table.values()))
    print(f"{'':32}" + "".join(f"{name:>12}" for name in table))
    for row in rows:
        cells = (f"{found.get(row, float('nan')):12.4g}" for found in table.values())
        print(f"{row:32}" + "".join(cells))


if __name__ == "__main__":
    main()
