"""What a forked child inherits of the LMDB binding, and how it gets along with that.

The child has to let the parent's environment alone. Closing or deallocating it would end the
transactions of the parent in the table of readers that both see, and would wait for ever if another
thread of the parent was inside a call of LMDB at the fork.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_in_child = False


def keep_for_ever(environment: object) -> None:
    """Make sure that an object is never deallocated, not even at the end of the process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(environment))


@contextmanager
def opening_again() -> Iterator[None]:
    """Let a child open, in the block, what the binding believes to be open already.

    The binding remembers which files are open in the process, also across a fork, and forgets them
    only in the `close` that the child must not make. That this process itself opens nothing twice
    is seen to by the registry of `pfslib.kv.lmdb_kv`.
    """
    if not _in_child:
        yield
        return
    binding: Any = importlib.import_module("lmdb._envid")
    keys_of = binding.env_keys
    binding.env_keys = lambda _path, _subdir: ()
    try:
        yield
    finally:
        binding.env_keys = keys_of


def _note_fork() -> None:
    global _in_child  # noqa: PLW0603 - a process is a child or not
    _in_child = True


os.register_at_fork(after_in_child=_note_fork)
