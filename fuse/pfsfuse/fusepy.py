"""The one door to fusepy; says which package to install when something is missing."""

from __future__ import annotations

import ctypes
import os

from pfslib import MountError

_LIBRARY = "libfuse.so.2"


def _name_library() -> None:
    """Spare fusepy its search, which runs ldconfig or even a compiler to find the same file."""
    if "FUSE_LIBRARY_PATH" in os.environ:
        return
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return
    os.environ["FUSE_LIBRARY_PATH"] = _LIBRARY


_name_library()

try:
    from fuse import FUSE, c_stat, c_statvfs
except ImportError as error:
    # Where the checkout is the working directory, its folder fuse/ answers with an empty module.
    missing = MountError("fusepy is missing", hint="pip install fusepy")
    raise missing from error
except OSError as error:
    hint = "apt install libfuse2 fuse (libfuse2t64 on newer releases)"
    missing = MountError("libfuse 2 is missing", hint=hint)
    raise missing from error

__all__ = ["FUSE", "c_stat", "c_statvfs"]
