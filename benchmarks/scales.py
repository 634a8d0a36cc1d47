"""How much is measured."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.data import MIB


class Scale(NamedTuple):
    """The sizes of all cases."""

    name: str
    rounds: int
    big_bytes: int
    small_files: int
    random_reads: int
    tree_files: tuple[int, ...]
    """Files beside which one is changed; the last is also how many are compared."""

    commits: tuple[int, ...]
    """Lengths of history."""

    changes: int
    """Commits timed at each."""

    datums: int
    """Run by each runner."""

    job_datums: tuple[int, ...]
    """Of a job, of which one is changed."""

    job_commits: int
    """With a job each."""

    projects: dict[str, tuple[str, ...]]
    """Releases fetched of each; none: made up."""


SCALES = {
    "full": Scale(
        name="full",
        rounds=3,
        big_bytes=1 << 30,
        small_files=20_000,
        random_reads=5_000,
        tree_files=(1_000, 10_000, 100_000, 1_000_000),
        commits=(1_000, 10_000),
        changes=50,
        datums=1_000,
        job_datums=(1_000, 10_000, 100_000),
        job_commits=10_000,
        projects={
            "requests": ("2.27.0", "2.27.1", "2.28.0", "2.28.1", "2.28.2", "2.29.0", "2.31.0"),
            "Django": ("4.2.1", "4.2.2", "4.2.3", "4.2.4", "4.2.5", "4.2.6"),
            "SQLAlchemy": ("2.0.20", "2.0.21", "2.0.22", "2.0.23", "2.0.24"),
        },
    ),
    "quick": Scale(
        name="quick",
        rounds=2,
        big_bytes=128 * MIB,
        small_files=4_000,
        random_reads=1_000,
        tree_files=(1_000, 20_000),
        commits=(300,),
        changes=30,
        datums=200,
        job_datums=(100, 1_000, 10_000),
        job_commits=500,
        projects={"requests": ("2.28.0", "2.28.1", "2.28.2")},
    ),
    "tiny": Scale(
        name="tiny",
        rounds=1,
        big_bytes=4 * MIB,
        small_files=60,
        random_reads=10,
        tree_files=(200,),
        commits=(5,),
        changes=3,
        datums=5,
        job_datums=(20,),
        job_commits=10,
        projects={},
    ),
}
