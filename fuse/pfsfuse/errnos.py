"""Any failure to the errno that the kernel hands to whoever asked."""

from __future__ import annotations

import errno
import logging
import os

from pfslib import PfsError

_log = logging.getLogger("pfsfuse")

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
    }
)
"""Answers, and mistakes of the caller's own: nothing that whoever runs the mount should see."""


class Refusal(OSError):  # noqa: N818 - an answer to the kernel, not a failure
    """An errno to answer with, on purpose."""

    def __init__(self, number: int) -> None:
        super().__init__(number, os.strerror(number))


def errno_of(error: BaseException, operation: str, path: object) -> int:
    """The errno to answer with; whatever is not a plain answer leaves one line in the log.

    Args:
        error: What the operation raised.
        operation: Name of the callback, for the log.
        path: Kernel path as bytes; anything else is not shown.
    """
    number = _number(error)
    if number not in _ANSWERS:
        shown = os.fsdecode(path) if isinstance(path, bytes) else ""
        what = error if isinstance(error, PfsError) else repr(error)
        _log.error("%s %r: %s", operation, shown, what)
    return number


def _number(error: BaseException) -> int:
    if isinstance(error, Refusal):
        return error.errno or errno.EIO
    return error.errno_code if isinstance(error, PfsError) else errno.EIO
