"""A log that nobody waits for: whoever logs goes on at once, another thread writes.

The log of a mount is its owner's standard error, often a pipe, which nobody need ever read. Were it
written by the thread that serves, the mount would hang as soon as that is full.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from typing import Final

_WAITING_MAX: Final = 1000
"""Lines that wait to be written. More are counted, and lost."""


class QueuedLog(logging.Handler):
    """Hands lines to a thread of its own.

    Args:
        write: Writes a line; it may take for ever, and raise OSError.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write
        self._waiting: deque[str] = deque()
        self._lost = 0
        self._is_writing = False
        self._changed = Condition()
        Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """See Handler."""
        line = self.format(record).encode(errors="backslashreplace").decode()
        with self._changed:
            if len(self._waiting) < _WAITING_MAX:
                self._waiting.append(line)
            else:
                self._lost += 1
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all is written; whether it is."""
        with self._changed:
            return self._changed.wait_for(self._is_done, timeout_s)

    def _is_done(self) -> bool:
        return not (self._waiting or self._lost or self._is_writing)

    def _run(self) -> None:
        while True:
            line = self._take()
            try:
                with suppress(OSError):  # nobody is there to be told
                    self._write(line)
            finally:
                with self._changed:
                    self._is_writing = False
                    self._changed.notify_all()

    def _take(self) -> str:
        """The next line; after the last, if any were lost, how many."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._lost)
            self._is_writing = True
            if self._waiting:
                return self._waiting.popleft()
            lost, self._lost = self._lost, 0
            said = f"{lost} more lines were lost, since nobody read the log"
            return self.format(logging.makeLogRecord({"msg": said}))
