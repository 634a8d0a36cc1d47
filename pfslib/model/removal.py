"""What a destructive verb takes away, or would."""

from __future__ import annotations

import msgspec


class Removal(msgspec.Struct, frozen=True):
    """What goes. Content that nothing else refers to becomes garbage, which `Store.gc` returns."""

    repos: tuple[str, ...] = ()
    """Their names."""

    branches: tuple[str, ...] = ()
    """As ``repo@branch``."""

    moved: tuple[str, ...] = ()
    """Branches that stay but get another head, as ``repo@branch``."""

    tags: tuple[str, ...] = ()
    """As ``repo@tag``."""

    commits: tuple[str, ...] = ()
    """As ``repo@id``."""

    open_commits: tuple[str, ...] = ()
    """As ``repo@id``."""

    pipelines: tuple[str, ...] = ()
    """Their names."""

    jobs: int = 0
    """How many."""

    images: tuple[str, ...] = ()
    """Their names."""

    def __add__(self, other: Removal) -> Removal:
        """What both take away."""
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Removal(*(one + two for one, two in zip(mine, theirs, strict=True)))
