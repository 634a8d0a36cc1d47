"""Which process holds something, recognisable after it is gone.

A process id alone is given out again, and means another process in another container; with the
boot, the PID namespace and the start time it is unique.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """The identity of the calling process: ``boot:namespace:pid:start``."""
    return _identity(os.getpid())


def is_alive(identity: str) -> bool | None:
    """Whether that process still runs; None when this cannot be seen from here.

    None means: another boot's process is dead (False), but one of another PID namespace of this
    boot, a container's, may be alive without being visible.
    """
    try:
        boot, namespace, pid, start = identity.split(":")
    except ValueError:
        return False
    if boot != _boot():
        return False
    if namespace != pid_namespace():
        return None
    return _start_time(int(pid)) == start


def _identity(pid: int) -> str:
    return f"{_boot()}:{pid_namespace()}:{pid}:{_start_time(pid)}"


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def pid_namespace() -> str:
    """Number of the calling process's PID namespace; others may have processes of equal ids."""
    return str((_PROC / "self/ns/pid").stat().st_ino)


def _start_time(pid: int) -> str:
    """Clock ticks since boot at which a process started; empty when there is none, or a zombie."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The command's name, in brackets, may itself hold brackets and blanks.
    fields = text[text.rindex(")") + 2 :].split()
    state, start = fields[0], fields[19]
    return "" if state in {"Z", "X"} else start
