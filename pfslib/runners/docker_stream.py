"""The standard streams of a container, over the one socket that attaching to it gives."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import time
from io import FileIO

_READ_BYTES = 1 << 18
_HEADER_BYTES = 8


class AttachedStream:
    """Feeds standard input and writes standard output and error to a log, both at a time.

    Both at a time, for a command that prints before it has read everything, or never reads, would
    otherwise block the one who feeds it. The engine sends frames: a header of 8 bytes, the last
    four of which are the length, then that many bytes of one of the two streams.
    """

    def __init__(self, connection: socket.socket, stdin: bytes, log: FileIO) -> None:
        self._connection = connection
        self._rest = memoryview(stdin)
        self._log = log
        self._received = bytearray()
        self._frame_left = 0
        self._events = select.poll()
        connection.setblocking(False)  # noqa: FBT003 - its signature
        self._feeding = True
        self._events.register(connection, select.POLLIN | select.POLLOUT)

    def pump(self, deadline: float | None) -> bool:
        """Relay until the command's output has ended; False when the deadline came first.

        Args:
            deadline: On the clock of time.monotonic.

        Raises:
            OSError: The log cannot be written.
        """
        while True:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            wait_ms = None if deadline is None else math.ceil(1000 * (deadline - time.monotonic()))
            for _, event in self._events.poll(wait_ms):
                if event & select.POLLOUT and self._feeding:
                    self._feed()
                if event & ~select.POLLOUT and not self._take():
                    return True

    def _feed(self) -> None:
        try:
            if self._rest:
                self._rest = self._rest[self._connection.send(self._rest) :]
        except BlockingIOError:
            return
        except OSError:
            self._rest = memoryview(b"")  # the command has ended, or has closed its input
        if not self._rest:
            self._feeding = False
            self._events.modify(self._connection, select.POLLIN)
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)

    def _take(self) -> bool:
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._received += data
        while self._received:
            if not self._frame_left:
                if len(self._received) < _HEADER_BYTES:
                    break
                self._frame_left = int.from_bytes(self._received[4:_HEADER_BYTES], "big")
                del self._received[:_HEADER_BYTES]
            content = self._received[: self._frame_left]
            del self._received[: len(content)]
            self._frame_left -= len(content)
            write_all(self._log, content)
        return bool(data)


def write_all(log: FileIO, content: bytes | bytearray) -> None:
    """Write bytes to an unbuffered file, all of them."""
    rest = memoryview(content)
    while rest:
        rest = rest[log.write(rest) :]
