"""Host files that are written through memory maps, which change no time while a page is dirty."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from pfslib.kv.protocol import KV
from pfslib.kv.syncing import sync_file_system
from pfslib.mounts.mountinfo import kernel_mounts
from pfslib.trees.hoststats import HostStats

_ON_DISK: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"})
"""File systems known to give a page that is written through a map a time, once it was synced.

One in memory never does; nor does an overlay over one, and what others do who knows.
"""


def known_files(kv: KV, directory: Path, *, reread: bool, mapped: bool) -> HostStats:
    """What is known of the files of a host directory.

    Args:
        kv: The store.
        directory: The directory.
        reread: Know nothing.
        mapped: See to it that writes through memory maps show, now and the next time.
    """
    since_ns = time.time_ns()
    if mapped and not _show_mapped_writes(directory):
        reread = True
    return HostStats(kv, forget=reread, since_ns=since_ns)


def shows_mapped_writes(path: Path) -> bool:
    """Whether a file system gives pages that are written through memory maps a time.

    The first write to a page changes the file's times, and then none before the kernel has put that
    page on the disk. A file system in memory never puts it anywhere.
    """
    real = Path(os.path.realpath(path))
    mounted = {mount.path: mount.file_system for mount in kernel_mounts()}
    around = next((mounted[place] for place in (real, *real.parents) if place in mounted), "")
    inside = (kind for place, kind in mounted.items() if real in place.parents)
    return all(kind in _ON_DISK for kind in (around, *inside))


def _show_mapped_writes(path: Path) -> bool:
    """Have writes through memory maps change the times of files from now on, where they do."""
    if not shows_mapped_writes(path):
        return False
    sync_file_system(path)
    return True
