"""The verb of a store that makes commits directories."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.mounts.mounting import Mounted


class MountVerbs:
    """Mounts of a store."""

    path: Path

    if TYPE_CHECKING:

        def commit(self, reference: str) -> Commit:
            """See Store."""
            ...

    def mount(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        show: Mapping[str, str | Commit] | Sequence[str | Commit] | None = None,
        allow_other: bool = False,
        tied: bool = True,
    ) -> Mounted:
        """Make commits directories, read-only, through FUSE; gc leaves them alone meanwhile.

        Args:
            path: An empty directory; None for a private one, removed afterwards.
            show: What to show side by side: commits, ``repo@ref`` or ``repo@ref:/directory``, by
                name, or else each under the name of its repo. None for the whole store, as it is
                at any moment: ``/<repo>/<name>/``, where a name is a branch, whose directory
                follows its head, a tag, or a commit's id.
            allow_other: Whether other users may look in.
            tied: Whether the mount ends when this process does, however it ends.

        Returns:
            A context manager that gives the directory as a `pathlib.Path` and unmounts at the end.

        Raises:
            MountError: The system cannot, or the directory is unfit; says which and what to do.
            NotFoundError: What is to be shown does not exist.
            InvalidInputError: Two are to be shown under one name.

        Cost: starting a process, whatever is shown.
        """
        from pfslib.api.showing import mount_store  # most uses of a store mount nothing

        return mount_store(self, path, show=show, allow_other=allow_other, tied=tied)
