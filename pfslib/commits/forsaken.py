"""Open commits that can never finish: their `with` block is over, and nobody could discard them."""

from __future__ import annotations

from typing import Final

from pfslib.kv.process import is_alive
from pfslib.model.history import OpenCommit

_here: Final[set[str]] = set()
"""Ids are unique over all stores. It belongs to the process, as do the commits: any of its handles
may be the next to want the branch."""


def forsake(commit_id: str) -> None:
    """Note down, for this process, that the block of an open commit is over."""
    _here.add(commit_id)


def is_forsaken(open_commit: OpenCommit) -> bool:
    """Whether it belongs to a `with` block that is over, or whose process is gone."""
    if not open_commit.owner:
        return False
    return open_commit.id in _here or is_alive(open_commit.owner) is False
