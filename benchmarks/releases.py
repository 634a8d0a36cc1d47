"""Successive releases of real projects, as their source packages have them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import data, measure, peers
from benchmarks.report import Row
from benchmarks.scales import Scale
from benchmarks.stores import new_store, replace

_TIMEOUT_S = 120


def run(top: Path, scale: Scale) -> Iterator[Row]:
    """Releases of source packages, each a commit: size and time; against the peers."""
    for name, trees in _projects(top, scale):
        raw = sum(data.tree_bytes(tree) for tree in trees)
        store = new_store(top)
        steps = [measure.in_child(partial(replace, store, tree)) for tree in trees]
        ours = measure.disk_bytes(store)
        yield _row(f"{name}: pfs", steps, raw, ours, ours)
        here = top / f"peers-{name}"
        here.mkdir()
        for peer in peers.installed(here):
            steps = [peer.put(tree) for tree in trees]
            yield _row(f"{name}: {peer.name}", steps, raw, peer.disk_bytes(), ours)
            if peer.name == "git":
                peer.pack()
                packed = _row(f"{name}: git, after git gc", steps, raw, peer.disk_bytes(), ours)
                packed.goal, packed.met = "", None  # not what one gets by default
                yield packed
        shutil.rmtree(here)


def _row(what: str, steps: Sequence[measure.Step], raw: int, size: int, ours: int) -> Row:
    found = Row(
        what,
        sum(step.seconds for step in steps),
        sum(step.cpu_seconds for step in steps),
        max(step.peak_mib for step in steps),
        note=f"{size / data.MIB:.2f} MiB, {size / raw:.3f} of the {raw / data.MIB:.0f} put",
    )
    if size != ours:
        found.against, found.ratio = "our size", size / ours
        found.goal, found.met = "≥ 1", size >= ours
    return found


def _projects(top: Path, scale: Scale) -> Iterator[tuple[str, list[Path]]]:
    for project, versions in scale.projects.items():
        try:
            yield project, [_fetch(top / project, project, version) for version in versions]
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{project} cannot be fetched ({error}): a made-up one instead", file=sys.stderr)
            yield f"made up for {project}", data.releases(top / f"no-{project}", len(versions))
    if not scale.projects:
        yield "made up", data.releases(top / "made-up", 3)


def _fetch(top: Path, project: str, version: str) -> Path:
    """The tree of one release's source package, from the registry that pip is set up for."""
    target = top / version
    target.mkdir(parents=True)
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run(
        [*download, "--dest", target, f"{project}=={version}"],
        check=True,
        capture_output=True,
        timeout=_TIMEOUT_S,
    )
    (package,) = target.glob("*.tar.gz")
    with tarfile.open(package) as archive:
        archive.extractall(target, filter="data")
    package.unlink()
    (tree,) = target.iterdir()
    return tree
