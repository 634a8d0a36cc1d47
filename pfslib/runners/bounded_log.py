"""What an attempt prints, on its way into a file: of a flood, the beginning and the end."""

from __future__ import annotations

from io import FileIO
from pathlib import Path
from typing import Any, Final

KEPT_MAX: Final = 1 << 20
"""Bytes that are kept, half of them from the beginning."""

_SLACK: Final = 16 << 20
"""So many more may be on the disk while it runs."""

_HALF: Final = KEPT_MAX // 2


class BoundedLog(FileIO):
    """The log of an attempt, open to be written at its end and to be read.

    Args:
        path: The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a+b")
        self._size = self.seek(0, 2)

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Write at the end; what is in the middle goes when it has become too much."""
        written = super().write(data)
        self._size += written
        if self._size > KEPT_MAX + _SLACK:
            self._forget_middle()
        return written

    def _forget_middle(self) -> None:
        self.seek(-_HALF, 2)
        end = self.read(_HALF)
        left_out = self._size - KEPT_MAX
        self.truncate(_HALF)
        super().write(b"\n[... %d bytes left out ...]\n" % left_out)
        super().write(end)
        self._size = self.seek(0, 2)


def read_kept(path: Path) -> bytes:
    """What was printed; of too much, the beginning and the end."""
    if not path.exists():
        return b""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= KEPT_MAX:
            return file.read()
        head = file.read(_HALF)
        file.seek(size - _HALF)
        return head + b"\n[... %d bytes left out ...]\n" % (size - KEPT_MAX) + file.read()
