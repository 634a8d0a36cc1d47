"""A lock that says the store is in use, because LMDB's own is lost by a plain copy of the folder.

LMDB's is a classic record lock: closing any descriptor of the lock file drops it, which is what
`shutil.copytree` of an open store does. The next process to open the store then takes itself for
the only one and lays out the lock file anew, below those that use it: they crash or hang. A lock
bound to an open file description stays, and stands in the way of that process as LMDB's would.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

LOCK_FILE: Final = "lock.mdb"
_SHARED_FIRST_BYTE: Final = struct.pack("hhqqi", fcntl.F_RDLCK, os.SEEK_SET, 0, 1, 0)


class Presence:
    """Held by a process from after it opened the environment until after it closed it."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _SHARED_FIRST_BYTE)

    def close(self) -> None:
        """Give it up; in a forked child this leaves the parent's alone."""
        with suppress(OSError):
            os.close(self._fd)
