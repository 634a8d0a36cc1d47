"""Any failure to the errno that the kernel hands to whoever asked."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from pfslib import PfsError

_log = logging.getLogger("pfsfuse")

_LINES_KEPT: Final = 1000

_ANSWERS = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EINVAL,
        errno.ENAMETOOLONG,
        errno.ENODATA,
        errno.ENOSYS,
        errno.EROFS,
        errno.ERANGE,
        errno.ENOTTY,
        errno.EOPNOTSUPP,
        errno.ESTALE,
    }
)
"""Answers, and mistakes of the caller's own: nothing that whoever runs the mount should see."""


class Refusal(OSError):  # noqa: N818 - an answer to the kernel, not a failure
    """An errno to answer with, on purpose."""

    def __init__(self, number: int) -> None:
        super().__init__(number, os.strerror(number))


def errno_of(error: BaseException, operation: str, path: Callable[[], bytes]) -> int:
    """The errno to answer with; whatever is not a plain answer leaves one line in the log.

    Args:
        error: What the operation raised.
        operation: What was asked for, for the log.
        path: Of what, below the mount point.
    """
    number = _number(error)
    if number not in _ANSWERS:
        what = str(error) if isinstance(error, PfsError) else repr(error)
        _log_once(operation, _shown(path), what)
    return number


def _shown(path: Callable[[], bytes]) -> str:
    try:
        return os.fsdecode(path())
    except Refusal:  # what the kernel asked about is not known any more
        return ""


@lru_cache(maxsize=_LINES_KEPT)
def _log_once(operation: str, path: str, what: str) -> None:
    """Say it the first time: whoever reads on through damage meets it with every read."""
    _log.error("%s %r: %s", operation, path, what)


def _number(error: BaseException) -> int:
    if isinstance(error, Refusal):
        return error.errno or errno.EIO
    return error.errno_code if isinstance(error, PfsError) else errno.EIO
