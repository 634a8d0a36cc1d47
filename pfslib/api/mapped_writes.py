"""Host files that are written through memory maps, which change no time while a page is dirty."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Final

from pfslib.kv.protocol import KV
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


def _show_mapped_writes(path: Path) -> bool:
    """Have writes through memory maps change the times of files from now on.

    The first write to a page does, and then none before the kernel has put that page on the disk.

    Returns:
        Whether they do; of a file system in memory, which never puts them anywhere, they do not.
    """
    number = path.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    if any(m.device == device and m.file_system in _IN_MEMORY for m in kernel_mounts()):
        return False
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            failed = ctypes.get_errno()
            raise OSError(failed, os.strerror(failed), str(path))
    finally:
        os.close(fd)
    return True
