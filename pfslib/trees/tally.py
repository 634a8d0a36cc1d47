"""How far a long call has come, told to whoever asked, and not too often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

Progress = Callable[[int, int], None]
"""Called with the number of files and of bytes done so far."""

_PAUSE_S: Final = 0.1


class Tally:
    """Counts files and bytes and tells them at most ten times a second, and at the end.

    Attributes:
        files: Files done so far.
        bytes: Bytes done so far, those of a file that is not done included.
    """

    __slots__ = ("_due", "_progress", "bytes", "files")

    def __init__(self, progress: Progress | None) -> None:
        self.files = 0
        self.bytes = 0
        self._progress = progress
        self._due = 0.0

    def add(self, *, files: int = 0, size: int = 0) -> None:
        """Count what has been done since the last call."""
        self.files += files
        self.bytes += size
        if self._progress is not None and (now := time.monotonic()) >= self._due:
            self._due = now + _PAUSE_S
            self._progress(self.files, self.bytes)

    def end(self) -> None:
        """Tell the final figures."""
        if self._progress is not None:
            self._progress(self.files, self.bytes)
