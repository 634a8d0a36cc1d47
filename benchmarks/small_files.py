"""Many small files: put, again, with a change, walked, exported, collected."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pfslib
from benchmarks import data, floors, measure, peers
from benchmarks.report import Row, row, versus
from benchmarks.scales import Scale
from benchmarks.stores import new_store, put

_SETTLED_S = 2.5
"""A file changed shorter ago than 2 s is read again, as git does."""


def run(top: Path, scale: Scale) -> Iterator[Row]:
    """Many small files; against tar, find, cp and the peers."""
    source = top / "files"
    raw = data.small_files(source, scale.small_files, low=512, high=8192)
    data.make_older(source, _SETTLED_S)
    os.sync()
    stores: list[Path] = []

    def put_new() -> measure.Step:
        stores.append(new_store(top))
        if len(stores) > 1:
            shutil.rmtree(stores.pop(0))
        return measure.in_child(lambda: put(stores[-1], source))

    def tar() -> measure.Step:
        return measure.command(["tar", "cf", top / "t.tar", "-C", source, "."])

    new, foil, hashed, packed = measure.fastest(
        scale.rounds,
        put_new,
        tar,
        lambda: measure.in_child(lambda: floors.read_and_hash(source)),
        lambda: measure.in_child(lambda: floors.and_compress(source)),
    )
    store = stores[-1]
    yield row("tar cf", foil)
    yield versus("read and hash, nothing else", hashed, "tar cf", foil)
    yield versus("read, hash and compress, nothing else", packed, "tar cf", foil)
    taken = f"store/raw {measure.disk_bytes(store) / raw:.3f}"
    yield versus(f"put of {scale.small_files}", new, "tar cf", foil, at_most=1.5, note=taken)
    again, listed = measure.fastest(
        scale.rounds,
        lambda: measure.in_child(lambda: put(store, source)),
        lambda: measure.command(["find", source, "-ls"]),
    )
    yield row("find -ls", listed)
    yield versus("put again, unchanged", again, "find -ls", listed, at_most=1.5)
    kept = list(_peers(top, source, raw, new))
    (source / "00000" / "0000000.txt").write_bytes(b"changed")
    step = measure.in_child(lambda: put(store, source))
    yield versus("put again, one file changed", step, "find -ls", listed)
    yield from kept
    yield from _reads(top, store, source, scale)
    yield from _removal(store)


def _peers(top: Path, source: Path, raw: int, ours: measure.Step) -> Iterator[Row]:
    for peer in peers.installed(top):
        step = peer.put(source)
        taken = f"store/raw {peer.disk_bytes() / raw:.3f}"
        yield versus(f"{peer.name}: put", step, "our put", ours, note=taken)
        if peer.name != "git":  # which commits no empty change
            again = peer.put(source)
            yield versus(f"{peer.name}: put again, unchanged", again, "our first put", ours)


def _reads(top: Path, store: Path, source: Path, scale: Scale) -> Iterator[Row]:
    def walk() -> None:
        with pfslib.open(store) as opened:
            for _ in opened.commit("r@master").walk():
                pass

    def export() -> None:
        with pfslib.open(store) as opened:
            opened.commit("r@master").export(top / "exported")

    def cp() -> measure.Step:
        shutil.rmtree(top / "copied", ignore_errors=True)
        return measure.command(["cp", "-a", source, top / "copied"])

    def export_anew() -> measure.Step:
        shutil.rmtree(top / "exported", ignore_errors=True)
        return measure.in_child(export)

    walked, listed = measure.fastest(
        scale.rounds,
        lambda: measure.in_child(walk),
        lambda: measure.command(["find", source, "-ls"]),
    )
    yield versus("walk", walked, "find -ls", listed)
    exported, copied = measure.fastest(scale.rounds, export_anew, cp)
    yield row("cp -a", copied)
    yield versus("export", exported, "cp -a", copied)


def _removal(store: Path) -> Iterator[Row]:
    def delete() -> None:
        with pfslib.open(store) as opened:
            opened.delete_repo("r", force=True)

    def collect(compact: bool) -> None:
        with pfslib.open(store) as opened:
            opened.gc(compact=compact)

    before = measure.disk_bytes(store)
    yield row("delete the repo", measure.in_child(delete))
    yield row("gc of all of it", measure.in_child(lambda: collect(compact=False)))
    step = measure.in_child(lambda: collect(compact=True))
    after = measure.disk_bytes(store)
    yield row("gc, compact", step, note=f"{before / data.MIB:.1f} → {after / data.MIB:.1f} MiB")
