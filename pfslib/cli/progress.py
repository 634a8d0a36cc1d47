"""How far a long command has come: one line on standard error, for a terminal that is watched."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from pfslib.cli.wording import counted, human_size

_PAUSE_S: Final = 0.1
_AGAIN: Final = "\r\x1b[K"
"""Back to the beginning of the line, and clear it."""


class ProgressLine:
    """A line that is written again and again, and is gone at the end of the `with` block."""

    def __init__(self) -> None:
        self._due = 0.0
        self._shown = False

    def files(self, doing: str) -> Callable[[int, int], None] | None:
        """Something to be told files and bytes done so far; None if nobody is watching."""
        if not _is_watched():
            return None
        return lambda files, size: self._show(
            f"{doing} {counted(files, 'file')}, {human_size(size)}"
        )

    def steps(self) -> Callable[[str, int], None] | None:
        """Something to be told what is being done and how much of it is; or None."""
        return (lambda step, done: self._show(f"{step} {done}")) if _is_watched() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._shown:
            self._write(_AGAIN)

    def _show(self, text: str) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _PAUSE_S
            self._shown = True
            columns = shutil.get_terminal_size().columns  # a line that wraps cannot be cleared
            self._write(f"{_AGAIN}{text[: columns - 1]}")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
