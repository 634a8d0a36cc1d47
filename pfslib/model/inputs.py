"""What a pipeline reads, and how that makes datums."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class How(StrEnum):
    """How inputs are combined to datums."""

    CROSS = "cross"
    UNION = "union"
    JOIN = "join"
    GROUP = "group"


class Combination(msgspec.Struct, array_like=True, frozen=True):
    """Inputs, by their number, or combinations of them, combined."""

    how: str
    parts: tuple[int | Combination, ...]


class Cut(StrEnum):
    """What of a matching entry makes one datum."""

    WHOLE = ""
    LINES = "lines"


class Incremental(StrEnum):
    """What of an input a job of 1.3's incremental methods is shown."""

    NONE = ""
    DIFF = "diff"
    """What was added since the job before."""

    FULL = "full"
    """Whole top-level entries in which anything has changed since."""


class Trigger(msgspec.Struct, array_like=True, frozen=True):
    """When the head of an input's branch counts: not at once, but when enough has gathered."""

    size: int = 0
    """Bytes put since the last time; 0 for no condition."""

    commits: int = 0
    rate_limit: str = ""
    """A cron expression: not more often than it ticks."""

    cron: str = ""
    """A cron expression: at its ticks, if there is anything new."""

    every: bool = False
    """Whether all of the conditions must hold, or any."""


class Cron(msgspec.Struct, array_like=True, frozen=True):
    """Ticks of a clock, as commits of a repo that pfs makes."""

    spec: str
    start_ns: int = 0
    """Ticks begin after this time; 0 for the creation of the pipeline."""

    overwrite: bool = False
    """Whether the repo holds only the newest tick."""


class Input(msgspec.Struct, array_like=True, frozen=True):
    """A repo as the input of a pipeline."""

    name: str
    """What it is called below /pfs."""

    repo: str
    branch: str
    """The branch that triggers; empty for every branch, as in 1.3."""

    glob: str
    """What of a commit makes one datum: '/' all of it, '/*' each top-level entry, …"""

    cut: str = Cut.WHOLE
    incremental: str = Incremental.NONE
    run_empty: bool = False
    """Whether a commit in which nothing matches is a datum, too: an empty directory."""

    empty_files: bool = False
    """Whether files are shown empty: the command wants their names alone."""

    join_on: str = ""
    """What a match is joined by: text with `$1` for what the glob's first group captured."""

    outer_join: bool = False
    group_by: str = ""
    trigger: Trigger | None = None
    cron: Cron | None = None
