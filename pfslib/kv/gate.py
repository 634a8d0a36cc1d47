"""The gate in front of writing: one writer at a time, with a time-out and a name.

LMDB's own mutex waits for ever when its holder is stopped, and its locks vanish when any
descriptor of the lock file is closed in the process, by a plain copy of the folder for instance.
This gate is a ``flock`` on a file of its own: bound to an open file description, it survives both.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pfslib.model.errors import BusyError

WAIT_S = 60.0
_PAUSE_MAX_S = 0.02


class WriteGate:
    """Exclusive right to write, among the threads of this process and among processes."""

    def __init__(self, path: Path, *, wait_s: float = WAIT_S) -> None:
        self.path = path
        self.wait_s = wait_s
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._thread_lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the gate for the block.

        Raises:
            BusyError: Not to be had within the wait; names the process that holds it.
        """
        if self._holder == threading.get_ident():
            msg = "a write transaction was begun inside another one"
            raise AssertionError(msg)
        deadline = time.monotonic() + self.wait_s
        if not self._thread_lock.acquire(timeout=self.wait_s):
            raise self._busy()
        try:
            self._holder = threading.get_ident()
            self._lock_file(deadline)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._holder = None
            self._thread_lock.release()

    def close(self) -> None:
        """Close the gate's file; in a forked child this leaves the parent's lock alone."""
        with suppress(OSError):
            os.close(self._fd)

    def _lock_file(self, deadline: float) -> None:
        pause = 0.0002
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise self._busy() from None
                time.sleep(pause)
                pause = min(pause * 1.5, _PAUSE_MAX_S)
            else:
                os.pwrite(self._fd, b"%-20d" % os.getpid(), 0)
                return

    def _busy(self) -> BusyError:
        holder = os.pread(self._fd, 20, 0).strip().decode(errors="replace") or "unknown"
        return BusyError(
            f"store {self.path.parent}: process {holder} has been writing for {self.wait_s:.0f} s",
            hint=f"look at it with `ps {holder}`: a stopped process keeps everybody waiting",
        )
