"""One big file: put, put again, put changed, get, export, random reads."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pfslib
from benchmarks import data, floors, measure
from benchmarks.report import Row, row, versus
from benchmarks.scales import Scale
from benchmarks.stores import new_store, put

GIB = 1 << 30


def run(top: Path, scale: Scale) -> Iterator[Row]:
    """One big file, random bytes or mixed with text; against cp and cat."""
    for kind in ("random", "mixed"):
        here = top / kind
        here.mkdir()
        yield from _one_kind(here, scale, kind)
        shutil.rmtree(here)


def _one_kind(top: Path, scale: Scale, kind: str) -> Iterator[Row]:
    size = scale.big_bytes
    source, changed, copy = top / "v1", top / "v2", top / "copy"
    data.big_file(source, size, mixed=kind == "mixed")
    data.changed_file(source, changed)
    os.sync()
    stores: list[Path] = []

    def put_new() -> measure.Step:
        stores.append(new_store(top))
        if len(stores) > 1:
            shutil.rmtree(stores.pop(0))
        return measure.in_child(lambda: put(stores[-1], source))

    def cp() -> measure.Step:
        copy.unlink(missing_ok=True)
        return measure.command(["sh", "-c", f"cp {source} {copy} && sync {copy}"])

    def floor() -> measure.Step:
        shutil.rmtree(top / "floor", ignore_errors=True)
        return measure.in_child(lambda: floors.into_lmdb(source, top / "floor"))

    new, foil, least = measure.fastest(scale.rounds, put_new, cp, floor)
    shutil.rmtree(top / "floor")
    store = stores[-1]
    first = measure.disk_bytes(store)
    yield row(f"{kind}: cp + sync", foil)
    if kind == "random":
        yield versus("random: into LMDB, not even hashed", least, "cp + sync", foil)
    goal = 1 / 0.6 if kind == "random" else 0.0
    taken = f"store/raw {first / size:.3f}"
    yield versus(f"{kind}: put", new, "cp + sync", foil, at_most=goal, note=taken)
    again = measure.in_child(lambda: put(store, source))
    yield versus(f"{kind}: put again, read anew", again, "cp + sync", foil)
    step = measure.in_child(lambda: put(store, changed))
    added = (measure.disk_bytes(store) - first) / data.MIB
    yield versus(f"{kind}: put changed", step, "cp + sync", foil, note=f"adds {added:.1f} MiB")
    yield from _reads(store, source, size, kind, scale)


def _reads(store: Path, source: Path, size: int, kind: str, scale: Scale) -> Iterator[Row]:
    def get() -> None:
        with pfslib.open(store) as opened:
            for _ in opened.commit("r@master^").stream_file("/data"):
                pass

    def cat() -> measure.Step:
        return measure.command(["sh", "-c", f"cat {source} | cat > /dev/null"])

    def export() -> None:
        with pfslib.open(store) as opened:
            opened.commit("r@master^").export(target)

    def read_at_random() -> None:
        rng = random.Random(4)
        with pfslib.open(store) as opened:
            commit = opened.commit("r@master")
            for _ in range(scale.random_reads):
                commit.get_file("/data", rng.randrange(size - 4096), 4096)

    if measure.drop_caches():
        step = measure.in_child(get)
        yield row(f"{kind}: get, cold", step, note=f"{size / step.seconds / 1e9:.2f} GB/s")
    got, piped = measure.fastest(scale.rounds, lambda: measure.in_child(get), cat)
    warm = versus(f"{kind}: get, warm", got, "cat in a pipe", piped)
    speed = size / got.seconds / 1e9
    warm.note = f"{speed:.2f} GB/s, verified"
    if kind == "random":
        warm.goal, warm.met = "≥ 1 GB/s", speed >= 1
    yield warm
    target = store.parent / "exported"
    step = measure.in_child(export)
    shutil.rmtree(target)
    yield row(f"{kind}: export", step, note=f"{size / step.seconds / 1e9:.2f} GB/s")
    step = measure.in_child(read_at_random)
    note = f"{scale.random_reads / step.seconds:.0f} a second"
    yield row(f"{kind}: {scale.random_reads} random reads of 4 KiB", step, note=note)
