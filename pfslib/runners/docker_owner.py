"""Who a container belongs to: labels by which a later session finds what a dead one left behind."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

SESSION = "pfslib.session"
_PID = "pfslib.pid"
_STARTED = "pfslib.started"
_WHERE = "pfslib.where"

_STALE_S = 24 * 3600.0


def new_session() -> tuple[str, dict[str, str]]:
    """What to find a new session's containers by, and their labels, naming this process."""
    session, pid = secrets.token_hex(8), os.getpid()
    labels = {SESSION: session, _PID: str(pid), _STARTED: _started(pid), _WHERE: _where()}
    return f"{SESSION}={session}", labels


def is_left_over(labels: Mapping[str, str], *, running: bool, created: float) -> bool:
    """Whether a container has lost its owner.

    Args:
        labels: The container's.
        running: Whether its process lives.
        created: When it was made, in seconds since 1970.
    """
    if labels.get(_WHERE) != _where():
        # Its process number means nothing here. Once it has ended, a day is long enough for an
        # owner elsewhere to have fetched the result; the boot may also have been another one.
        return not running and time.time() - created > _STALE_S
    try:
        return _started(int(labels[_PID])) != labels[_STARTED]
    except (KeyError, ValueError, OSError):
        return True


def _where() -> str:
    """The numbering that process numbers belong to: this boot's, in this PID namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> str:
    """When a process started, in clock ticks after boot: tells it from a later one of its number.

    Raises:
        OSError: There is no such process.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return stat.rpartition(")")[2].split()[19]  # after the name, which may hold blanks
