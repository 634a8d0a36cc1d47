"""Open commits that it is no use to wait for.

Some can never finish: their `with` block is over, and nobody could discard them. Others cannot
while one waits: their block is that of the thread which waits.
"""

from __future__ import annotations

import os
import threading
from typing import Final

from pfslib.kv.process import is_alive
from pfslib.model.history import OpenCommit

_here: Final[set[str]] = set()
"""Ids are unique over all stores. It belongs to the process, as do the commits: any of its handles
may be the next to want the branch."""


_blocks: Final[dict[str, tuple[int, int]]] = {}
"""Process and thread of each `with` block that is not over."""


def enter_block(commit_id: str) -> None:
    """Note down that this thread is in the block of an open commit."""
    _blocks[commit_id] = os.getpid(), threading.get_ident()


def leave_block(commit_id: str) -> None:
    """Note down that it is no longer, or that the commit has ended in its midst. Idempotent."""
    _blocks.pop(commit_id, None)


def is_in_block(commit_id: str) -> bool:
    """Whether this thread is in the block of an open commit, and so cannot wait for its end."""
    return _blocks.get(commit_id) == (os.getpid(), threading.get_ident())


def forsake(commit_id: str) -> None:
    """Note down, for this process, that the block of an open commit is over."""
    _here.add(commit_id)


def is_forsaken(open_commit: OpenCommit) -> bool:
    """Whether it belongs to a `with` block that is over, or whose process is gone."""
    if not open_commit.owner:
        return False
    return open_commit.id in _here or is_alive(open_commit.owner) is False
