"""What stands for a standard output that was closed before this process began."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class ClosedOutput(io.RawIOBase):
    """Takes no bytes: data that nobody gets is not to look delivered.

    It says so once. What is then left in buffers goes nowhere, or the interpreter would complain
    about it once more, at its end.
    """

    _said = False

    def writable(self) -> bool:
        """See `io`."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Refuse to.

        Raises:
            OSError: Always, the first time.
        """
        if self._said:
            return memoryview(data).nbytes
        self._said = True
        raise OSError(errno.EBADF, "standard output is closed")


def closed_output() -> TextIO:
    """The same as text, in the place of `sys.stdout`; what prints nothing does not notice."""
    return io.TextIOWrapper(io.BufferedWriter(ClosedOutput()), "utf-8")
