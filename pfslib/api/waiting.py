"""Waiting for what another thread or process does: looked for again and again, ever less often."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Final

_PAUSE_FIRST_S: Final = 0.001
_PAUSE_MAX_S: Final = 0.05


def rounds(timeout_s: float | None) -> Iterator[bool]:
    """Begin a round at once, and another one after each pause, until the time is up.

    Args:
        timeout_s: Seconds after which the last round begins; None for never.

    Yields:
        Whether the round is the last one.
    """
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    pause = _PAUSE_FIRST_S
    while (left := deadline - time.monotonic()) > 0:
        yield False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _PAUSE_MAX_S)
    yield True
