"""Sparse files read without their holes, which the kernel would fill page by page."""

from __future__ import annotations

import errno
import os
from typing import Final

from pfslib.chunks.split import ReadInto

_BLOCK_BYTES: Final = 512
"""What st_blocks counts, whatever the file system's own blocks are."""

_ZEROS: Final = bytes(1 << 20)


def hole_bytes(status: os.stat_result) -> int:
    """About how many bytes of a file were never written; not more than 0 if all were."""
    return status.st_size - status.st_blocks * _BLOCK_BYTES


def sparse_reader(fd: int, size: int) -> ReadInto:
    """A stream of an open file's first bytes; five times as quick where nothing was written."""
    at = data = 0  # the next byte, and the next one that was written

    def readinto(target: memoryview) -> int:
        nonlocal at, data
        target = target[: size - at]
        if data <= at:
            data = _data_from(fd, at, size)
        if data > at:
            count = min(data - at, len(target), len(_ZEROS))
            target[:count] = _ZEROS[:count]
        else:
            count = os.preadv(fd, [target], at)
            data = at + count
        at += count
        return count

    return readinto


def _data_from(fd: int, at: int, size: int) -> int:
    """Where the first byte is, from some on, that was written."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        # Nothing more was written; or the file system does not know.
        return size if error.errno == errno.ENXIO else at
