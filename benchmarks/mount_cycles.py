"""Mounts and unmounts again and again, and sees that nothing is left of it: one command.

    python -m benchmarks.mount_cycles [--cycles 10000] [--json FILE]

Each mount is looked into by this process. Every other one is on a private directory, every other
on a given one. What this process and its mount zygote hold is counted before and after; whatever
has become more is named, and the exit code is 1. Needs /dev/fuse.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import pfslib
from pfslib.mounts.mount_zygote import zygote_pid
from pfslib.mounts.mountinfo import kernel_mounts

PATIENCE_S = 5.0
WARM_UP = 20
"""Cycles before anything is counted: until caches and allocators are as they stay."""

MEMORY = "KiB"
GROWTH_MAX_KIB = 4096
"""An allocator may grow by so much, in any number of cycles; a leak of 1 KiB a cycle does not fit."""

Held = dict[str, int]


def held(scratch: Path) -> Held:
    """What there is now: of this process, of its zygote, and of mounts and servers."""
    found: Held = {}
    for name, pid in (("own", "self"), ("zygote's", zygote_pid())):
        process = Path(f"/proc/{pid}")
        status = (process / "status").read_text()
        found[f"{name} descriptors"] = len(list((process / "fd").iterdir()))
        found[f"{name} threads"] = int(status.partition("Threads:")[2].split()[0])
        found[f"{name} {MEMORY}"] = int(status.partition("RssAnon:")[2].split()[0])
        children = process.resolve() / "task" / process.resolve().name / "children"
        found[f"{name} children"] = len(children.read_text().split())
    found["mounts"] = sum(1 for mount in kernel_mounts() if mount.path.is_relative_to(scratch))
    found["directories"] = len(list(scratch.iterdir()))
    return found


def more(before: Held, after: Held, cycles: int) -> list[str]:
    """What has become more, in words: in memory, of the zygote by 1 KiB a cycle."""
    room = {f"own {MEMORY}": GROWTH_MAX_KIB, f"zygote's {MEMORY}": min(cycles, GROWTH_MAX_KIB)}
    return [
        f"{name}: {before[name]} before, {now} after"
        for name, now in after.items()
        if now - before[name] > room.get(name, 0)
    ]


def cycle(commit: pfslib.Commit, number: int, given: Path) -> None:
    """One mount, read, and unmounted."""
    with commit.mount(given if number % 2 else None) as path:
        assert (path / "small").read_bytes() == b"small"


def settled(scratch: Path) -> Held:
    """What there is when the last server, whose end nobody waits for, has ended, or never will."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := held(scratch))["zygote's children"] and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def main() -> int:
    """Run them, and print what was held before and after."""
    parser = argparse.ArgumentParser(description="mount and unmount, and see what is left of it")
    parser.add_argument("--cycles", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pfs-cycles-") as folder:
        scratch = tempfile.tempdir = folder  # where private mount points are made, too
        top = Path(scratch)
        given = top / "given"
        given.mkdir()
        with pfslib.init(top / "store") as store:
            with store.create_repo("r").commit() as making:
                making.put_file("/small", b"small")
            commit = store.commit("r@master")
            for number in range(WARM_UP):
                cycle(commit, number, given)
            before, began = settled(top), time.monotonic()
            for number in range(chosen.cycles):
                cycle(commit, number, given)
            seconds = time.monotonic() - began
            after = settled(top)
        tempfile.tempdir = None
    print(
        f"{chosen.cycles} cycles in {seconds:.1f} s, {seconds / chosen.cycles * 1000:.1f} ms each"
    )
    for name, was in before.items():
        print(f"{name:22}{was:8} before{after[name]:8} after")
    if chosen.json:
        chosen.json.write_text(json.dumps({"seconds": seconds, "before": before, "after": after}))
    left = more(before, after, chosen.cycles)
    for line in left:
        print(f"leaked: {line}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
