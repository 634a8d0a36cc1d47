"""A store after an I/O error: what has to happen before it may be written again.

When the write-back of a page fails, Linux reports it once and keeps the page, as one that is
written. A program that tries again succeeds, reads its data back from memory, and after a restart
finds zeros. So the gate is shut for every process (`pfslib.kv.gate`), until the pages in memory
were dropped and what is on the disk was read.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from pfslib.kv.gate import WriteGate
from pfslib.kv.layout import DATA_FILE
from pfslib.kv.meta_pages import mend_meta_pages
from pfslib.kv.presence import alone

_log = logging.getLogger("pfslib")


def drop_cached_pages(directory: Path) -> None:
    """Make the kernel read the data file from the disk again.

    Raises:
        BusyError: A process, this one or another, has the store open: mapped pages stay.
    """
    with alone(directory):
        fd = os.open(directory / DATA_FILE, os.O_RDWR | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # a page that cannot be written is one that is to be dropped
                os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def mend_files(directory: Path) -> None:
    """Put right what is certainly wrong in the store's files, without any loss.

    Raises:
        BusyError: A process, this one or another, has the store open.
    """
    with alone(directory):
        if mend_meta_pages(directory):
            _log.warning("store %s: put back what was damaged of its meta pages", directory)


def let_write_again(directory: Path) -> None:
    """Open the gate that an I/O error has shut.

    Raises:
        BusyError: A process has the store open: it may still see pages that are not on the disk.
    """
    with alone(directory):
        gate = WriteGate(directory)
        try:
            with gate.held():
                gate.open_again()
        finally:
            gate.close()
