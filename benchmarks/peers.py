"""What a user would pick instead to keep versions of a tree, each at its defaults."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Step

NAMES = ("git", "borg", "restic", "casync")


class Peer:
    """One peer's repository, made in a folder of its own."""

    def __init__(self, name: str, top: Path) -> None:
        self.name = name
        self.repository = top / f"peer-{name}"
        self._put_so_far = 0
        self._env = {
            **os.environ,
            "HOME": str(top),
            "RESTIC_PASSWORD": "x",
            "RESTIC_CACHE_DIR": str(top / "restic-cache"),
            "BORG_BASE_DIR": str(top / "borg-home"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "b"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "b@b"),
        }
        for argv in self._preparing():
            measure.command(argv, env=self._env)

    def put(self, source: Path) -> Step:
        """Keep one more version: this tree."""
        self._put_so_far += 1
        steps = [measure.command(argv, env=self._env, cwd=source) for argv in self._putting(source)]
        return Step(
            sum(step.seconds for step in steps),
            sum(step.cpu_seconds for step in steps),
            max(step.peak_mib for step in steps),
        )

    def pack(self) -> None:
        """Have git do what it would do by itself some day."""
        measure.command(["git", f"--git-dir={self.repository}", "gc", "-q"], env=self._env)

    def disk_bytes(self) -> int:
        """What its repository takes on the disk."""
        return measure.disk_bytes(self.repository)

    def _preparing(self) -> list[list[str]]:
        where = str(self.repository)
        return {
            "git": [["git", "init", "-q", "--bare", where]],
            "borg": [["borg", "init", "-e", "none", where]],
            "restic": [["restic", "-q", "-r", where, "init"]],
            "casync": [],
        }[self.name]

    def _putting(self, source: Path) -> list[list[str]]:
        where, number = str(self.repository), str(self._put_so_far)
        # What git does by itself now and then is waited for, so that it meets no other step.
        git = ["git", "-c", "gc.autoDetach=false", f"--git-dir={where}", f"--work-tree={source}"]
        index = f"{where}-{number}.caidx"
        return {
            "git": [[*git, "add", "-A", "-f", "."], [*git, "commit", "-qm", number]],
            "borg": [["borg", "create", f"{where}::{number}", "."]],
            "restic": [["restic", "-q", "-r", where, "backup", "."]],
            "casync": [["casync", "make", f"--store={where}", index, str(source)]],
        }[self.name]


def installed(top: Path) -> Iterator[Peer]:
    """Those that are here; those that are not are named."""
    for name in NAMES:
        if shutil.which(name) is None:
            print(f"{name} is not installed: left out", file=sys.stderr)
        else:
            yield Peer(name, top)
