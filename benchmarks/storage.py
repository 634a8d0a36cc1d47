"""Storage against what a user would pick instead: one command, one table, JSON beside it.

    python benchmarks/storage.py [--scale small|full] [--only CASE ...] [--json FILE]

Every case names its foil, measured in the same run on the same bytes; only the ratios count. Peers
that are not installed are named and left out. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import data
import measure
from measure import Step

import pfslib

Case = Callable[[Path, bool], Iterator[Step]]


def _put(store: Path, source: Path, path: str = "/data") -> Callable[[], None]:
    def work() -> None:
        with pfslib.open(store) as opened, opened.repo("r").commit() as commit:
            commit.put_file(path, source)

    return work


def _new_store(top: Path) -> Path:
    store = top / "store"
    with pfslib.init(store) as opened:
        opened.create_repo("r")
    return store


def big_file(top: Path, full: bool) -> Iterator[Step]:
    """One big file: put, put again, put changed, get; against cp with a sync."""
    size = (1 << 30) if full else (256 << 20)
    for mixed in (False, True):
        kind = "mixed" if mixed else "random"
        here = top / kind
        here.mkdir()
        source, changed = here / "v1", here / "v2"
        data.big_file(source, size, mixed=mixed)
        data.changed_file(source, changed)
        os.sync()
        yield measure.command(
            f"{kind}: cp + sync", ["sh", "-c", f"cp {source} {here}/copy && sync {here}/copy"]
        )
        store = _new_store(here)
        yield measure.in_child(f"{kind}: pfs put", _put(store, source))
        first = measure.disk_bytes(store)
        yield measure.in_child(f"{kind}: pfs put again", _put(store, source))
        step = measure.in_child(f"{kind}: pfs put changed", _put(store, changed))
        step.extra = {
            "store/raw": first / size,
            "added_mib": (measure.disk_bytes(store) - first) / data.MIB,
        }
        yield step
        measure.drop_caches()

        def get(store: Path = store) -> None:
            with pfslib.open(store) as opened:
                for _ in opened.commit("r@master").stream_file("/data"):
                    pass

        yield measure.in_child(f"{kind}: pfs get, cold", get)
        yield measure.in_child(f"{kind}: pfs get, warm", get)
        yield measure.command(
            f"{kind}: cat to nowhere, warm", ["sh", "-c", f"cat {source} > /dev/null"]
        )
        yield from _random_reads(store, size, kind)
        shutil.rmtree(here)


def _random_reads(store: Path, size: int, kind: str) -> Iterator[Step]:
    count = 5000

    def read() -> dict[str, float]:
        rng = random.Random(4)
        with pfslib.open(store) as opened:
            commit = opened.commit("r@master")
            for _ in range(count):
                commit.get_file("/data", rng.randrange(size - 4096), 4096)
        return {}

    step = measure.in_child(f"{kind}: {count} random 4 KiB reads", read)
    step.extra = {"per_second": count / step.seconds}
    yield step


def small_files(top: Path, full: bool) -> Iterator[Step]:
    """Many small files: put, put again; against tar and find, and the peers that are installed."""
    count = 20_000 if full else 5_000
    source = top / "files"
    raw = data.small_files(source, count, low=512, high=8192)
    os.sync()
    yield measure.command("tar cf", ["tar", "cf", top / "t.tar", "-C", source, "."])
    yield measure.command("find -ls", ["sh", "-c", f"find {source} -ls > /dev/null"])
    store = _new_store(top)
    step = measure.in_child(f"pfs put {count}", _put(store, source))
    step.extra = {"store/raw": measure.disk_bytes(store) / raw}
    yield step
    yield measure.in_child("pfs put again", _put(store, source))

    def walk() -> None:
        with pfslib.open(store) as opened:
            for _ in opened.commit("r@master").walk():
                pass

    yield measure.in_child("pfs walk", walk)
    yield from _peers(top, source, raw)


def _peers(top: Path, source: Path, raw: int) -> Iterator[Step]:
    env = {
        **os.environ,
        "RESTIC_PASSWORD": "x",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    env |= {"BORG_BASE_DIR": str(top / "borg-home"), "RESTIC_CACHE_DIR": str(top / "restic-cache")}
    env |= {
        "GIT_AUTHOR_NAME": "b",
        "GIT_AUTHOR_EMAIL": "b@b",
        "GIT_COMMITTER_NAME": "b",
        "GIT_COMMITTER_EMAIL": "b@b",
    }
    repo = {name: top / f"peer-{name}" for name in ("git", "borg", "restic", "casync")}
    git = ["git", f"--git-dir={repo['git']}", f"--work-tree={source}"]
    script = {
        "git": (["git", "init", "-q", "--bare", str(repo["git"])],
                ["sh", "-c", f"{' '.join(git)} add -A . && {' '.join(git)} commit -qm x"]),
        "borg": (["borg", "init", "-e", "none", str(repo["borg"])],
                 ["borg", "create", f"{repo['borg']}::a", str(source)]),
        "restic": (["restic", "-q", "-r", str(repo["restic"]), "init"],
                   ["restic", "-q", "-r", str(repo["restic"]), "backup", str(source)]),
        "casync": (["true"],
                   ["casync", "make", f"--store={repo['casync']}", str(top / "i.caidx"), str(source)]),
    }  # fmt: skip
    for name, (prepare, put) in script.items():
        if shutil.which(name) is None:
            print(f"{name} is not installed: left out", file=sys.stderr)
            continue
        subprocess.run(prepare, env=env, check=True, capture_output=True)
        step = measure.command(f"{name} put", put, env=env)
        step.extra = {"store/raw": measure.disk_bytes(repo[name]) / raw}
        yield step


def one_file_commits(top: Path, full: bool) -> Iterator[Step]:
    """A commit that changes one file: flat in the number of files and of commits before it."""
    rounds = 50
    sizes = (1_000, 10_000, 100_000, 1_000_000) if full else (1_000, 20_000)
    yield _fsyncs(top, rounds)
    for shape, per_folder in (("one folder", 1 << 40), ("100 a folder", 100)):
        for count in sizes:
            here = top / f"{per_folder}-{count}"
            here.mkdir()
            store = _new_store(here)

            def fill(store: Path = store, count: int = count, per: int = per_folder) -> None:
                with pfslib.open(store) as opened, opened.repo("r").commit() as commit:
                    for path, content in data.names(count, per):
                        commit.put_file(path, content)

            yield measure.in_child(f"fill {count} files, {shape}", fill)
            path = list(data.names(min(count, 5_000), per_folder))[-1][0]
            yield _commits(f"commit, {count} files, {shape}", store, path, rounds)
            shutil.rmtree(here)
    here = top / "history"
    here.mkdir()
    store = _new_store(here)
    for before in (1_000, 10_000) if full else (500,):
        yield _commits(f"commit, history up to {before}", store, "/f", before)


def _fsyncs(top: Path, rounds: int) -> Step:
    """What the disk asks for a durable write, to be taken off every commit's time."""

    def work() -> None:
        with (top / "synced").open("wb") as file:
            for _ in range(rounds):
                file.write(b"x" * 4096)
                file.flush()
                os.fdatasync(file.fileno())

    step = measure.in_child(f"{rounds} x (4 KiB write + fdatasync)", work)
    step.extra = {"ms_each": step.seconds * 1000 / rounds}
    return step


def _commits(name: str, store: Path, path: str, rounds: int) -> Step:
    def work() -> None:
        with pfslib.open(store) as opened:
            repo = opened.repo("r")
            for number in range(rounds):
                with repo.commit() as commit:
                    commit.put_file(path, b"changed %d" % number)

    step = measure.in_child(name, work)
    step.extra = {"ms_each": step.seconds * 1000 / rounds}
    return step


CASES: dict[str, Case] = {
    "big_file": big_file,
    "small_files": small_files,
    "one_file_commits": one_file_commits,
}


def main() -> None:
    """Run the cases asked for and print their table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", choices=("small", "full"), default="small")
    parser.add_argument("--only", nargs="*", choices=sorted(CASES), default=sorted(CASES))
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--dir", type=Path, default=Path.cwd(), help="a folder on the disk to measure"
    )
    options = parser.parse_args()
    found: dict[str, list[dict[str, object]]] = {}
    for case in options.only:
        print(f"\n{case}: {CASES[case].__doc__}")
        print(f"{'step':52} {'seconds':>9} {'CPU s':>8} {'peak MiB':>9}")
        with tempfile.TemporaryDirectory(prefix="pfs-bench-", dir=options.dir) as top:
            for step in CASES[case](Path(top), options.scale == "full"):
                more = "  ".join(f"{key} {value:.3g}" for key, value in step.extra.items())
                print(
                    f"{step.name:52} {step.seconds:9.3f} {step.cpu_seconds:8.2f} {step.peak_mib:9.0f}  {more}"
                )
                found.setdefault(case, []).append(asdict(step))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
