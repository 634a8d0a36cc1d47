"""The verbs of a store for looking after it: gc, fsck and stats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

# Their modules are imported when they are first called: most uses of a store never do.

if TYPE_CHECKING:
    from pfslib.kv.protocol import KV
    from pfslib.maintenance.fsck import FsckReport
    from pfslib.maintenance.gc import GcReport, Progress
    from pfslib.maintenance.stats import StoreStats


class MaintenanceVerbs:
    """Garbage, damage and figures of a store."""

    path: Path
    kv: KV

    def gc(
        self,
        *,
        dry_run: bool = False,
        compact: bool = False,
        progress: Progress | None = None,
    ) -> GcReport:
        """Give back the room of what no commit, open commit, job, image or mount needs any more.

        What killed processes left of the jobs that they ran goes, too.

        Runs beside everything else. The room is used again before the store's file grows; to make
        the file smaller, compact it.

        Args:
            dry_run: Only say what it would do.
            compact: Write the file anew without the free room, if nobody else has the store open.
            progress: Told what is being done (``reach``, ``mark``, ``sweep``, ``repack``,
                ``compact``) and how much of it is.

        Raises:
            BusyError: Another gc is at work.
            CorruptionError: Something is damaged; nothing was deleted.

        Cost: linear in the directories and pieces stored, not in their bytes, but for what is
        packed anew; with ``compact``, reading and writing all that stays.
        """
        from pfslib.maintenance.gc import collect
        from pfslib.pipelines.scratch import sweep_scratch

        if not dry_run:
            sweep_scratch(self.path)
        return collect(self.kv, dry_run=dry_run, compact=compact, progress=progress)

    def fsck(self, *, read_data: bool = False, progress: Progress | None = None) -> FsckReport:
        """Check everything that must hold in a store, and say what does not. Repairs nothing.

        Args:
            read_data: Also read all contents and compare them with their digests.
            progress: Told what is being checked (``history``, ``trees``, ``chunks``, ``traces``)
                and how much of it is.

        Returns:
            The problems, each a sentence with the files that it hits, and what was looked at.

        Cost: linear in the directories and pieces stored; with ``read_data``, in all their bytes.
        """
        from pfslib.maintenance.fsck import fsck

        return fsck(self.path, read_data=read_data, progress=progress)

    def stats(self) -> StoreStats:
        """What the store holds, in figures."""
        from pfslib.maintenance.stats import count

        return count(self.kv)
