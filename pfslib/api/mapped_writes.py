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

_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


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
    number = path.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    return not any(m.device == device and m.file_system in _IN_MEMORY for m in kernel_mounts())


def _show_mapped_writes(path: Path) -> bool:
    """Have writes through memory maps change the times of files from now on, where they do."""
    if not shows_mapped_writes(path):
        return False
    sync_file_system(path)
    return True
