"""Notices the death of the process that a mount belongs to."""

from __future__ import annotations

import os
from typing import Final

_LOOK_EVERY_S: Final = 1.0


class Owner:
    """A process to watch.

    Attributes:
        fd: Readable once the process has ended; None where the kernel (before 5.3) or a sandbox
            has no such descriptors.
        look_every_s: How often to call `is_alive` for want of a descriptor; None for never.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._parent = os.getppid()
        self.fd: int | None = None
        self.look_every_s: float | None = None
        try:
            self.fd = os.pidfd_open(pid)
        except OSError:
            self.look_every_s = _LOOK_EVERY_S

    def is_alive(self) -> bool:
        """Whether the process still runs, found without the descriptor."""
        if self._parent == self._pid and os.getppid() != self._pid:
            return False  # a dead parent is replaced, even while it is a zombie
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True
