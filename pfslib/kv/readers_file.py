"""LMDB's lock file: given its room beforehand, and its locks made to last.

LMDB shows by process locks that it uses the file, and which process a reader belongs to. They are
gone as soon as the process closes any descriptor of the file. The next process to open the store
would then make the table of readers anew under those who use it, and writers would reuse pages that
are still read. So each of these locks is held a second time, by a descriptor of our own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pfslib.kv.layout import READERS_FILE
from pfslib.kv.ofd import SHARED, try_lock, turn_into_shared, unlock
from pfslib.kv.store_files import is_as_long_as, open_store_file
from pfslib.model.errors import CorruptionError

READERS_MAX: Final = 1024
_FILE_SIZE: Final = 4096 + 64 * READERS_MAX
"""A reader takes a cache line; LMDB makes use of a file larger than it needs."""

_IN_USE: Final = 0
"""The byte that LMDB locks while it uses the file; the one at a process's id is for its readers."""


def prepare_readers_file(directory: Path) -> None:
    """Make sure that the file is there with all its blocks, while nobody has the store open.

    LMDB maps it: without the blocks, a full disk would end the process with SIGBUS.

    Raises:
        OSError: No room for it.
    """
    fd = open_store_file(directory / READERS_FILE)
    try:
        os.posix_fallocate(fd, 0, _FILE_SIZE)
    finally:
        os.close(fd)


class ReadersFile:
    """What LMDB has locked in this process, locked once more for as long as this is not closed."""

    def __init__(self, directory: Path) -> None:
        """To be made when LMDB has the file open and has begun its first read transaction."""
        self._directory = directory
        self._fd = os.open(directory / READERS_FILE, os.O_RDWR | os.O_CLOEXEC)
        try_lock(self._fd, SHARED, _IN_USE)
        # LMDB's own lock excludes any other, but asks only whether there is one at all.
        turn_into_shared(self._fd, os.getpid())
        try_lock(self._fd, SHARED, os.getpid())

    def is_cut(self) -> bool:
        """Whether somebody has cut it short: LMDB maps it, and would be ended by a signal.

        Cost: half a µs.
        """
        return not is_as_long_as(self._fd, _FILE_SIZE) and self._fd >= 0

    def check_length(self) -> None:
        """See that nobody has cut it short.

        Raises:
            CorruptionError: Somebody has; it is made anew when nobody uses it any more.
        """
        if self.is_cut():
            message = f"store {self._directory}: its lock file {READERS_FILE} was cut short"
            hint = "end all programs that have the store open, mounts too; nothing is lost"
            raise CorruptionError(message, hint=hint)

    def close(self) -> None:
        """Give the locks up, after LMDB has closed."""
        fd, self._fd = self._fd, -1
        # By name: a process that was just forked may have a copy of the descriptor for a moment.
        unlock(fd, _IN_USE)
        unlock(fd, os.getpid())
        os.close(fd)

    def abandon(self) -> None:
        """In a forked child: leave the locks to the parent."""
        os.close(self._fd)
