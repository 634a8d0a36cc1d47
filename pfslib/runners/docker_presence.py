"""Whether the engine is still the one it was: it may be restarted in the middle of an attempt."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Final

from pfslib.runners.docker_engine import ENGINE_ERRORS

_BACK_S: Final = 120.0
"""So long a restart may take."""

_GRACE_S: Final = 1.0
"""An engine that ends kills its containers first, and answers for a moment after that."""

_POLL_S: Final = 0.05
_UNIX: Final = "unix://"


class EnginePresence:
    """Tells one run of an engine from the next.

    Args:
        ping: Asks it for an answer.
        url: Where it listens.
    """

    def __init__(self, ping: Callable[[], object], url: str) -> None:
        self._ping = ping
        self._url = url

    def now(self) -> int | None:
        """The process that listens, as far as that can be told; None if nobody does."""
        if not self._url.startswith(_UNIX):
            return 0 if self._answers() else None
        return self._listener()

    def _listener(self) -> int | None:
        try:
            with socket.socket(socket.AF_UNIX) as visitor:
                visitor.connect(self._url.removeprefix(_UNIX))
                size = struct.calcsize("3i")
                peer = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        except OSError:
            return None
        pid: int = struct.unpack("3i", peer)[0]
        return pid

    def went_away(self, before: int | None, *, container_died: bool) -> bool:
        """Whether it is gone, or another than before.

        Args:
            before: What `now` said.
            container_died: Whether the engine may have killed a container just now, to end next.
        """
        deadline = time.monotonic() + (_GRACE_S if container_died else 0.0)
        while (now := self.now()) is not None and now == before:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def comes_back(self, in_vain: Callable[[], bool]) -> bool:
        """Wait until it answers; False if it does not for long, or that would be in vain."""
        deadline = time.monotonic() + _BACK_S
        while not self._answers():
            if in_vain() or time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _answers(self) -> bool:
        # The SDK leaves a socket open for each time that it finds nobody there.
        if self._url.startswith(_UNIX) and self._listener() is None:
            return False
        try:
            return bool(self._ping())
        except ENGINE_ERRORS:
            return False
