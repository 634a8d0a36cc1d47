"""Methods of a handle that threads may share, one call after another."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class Turns:
    """A lock that a forked child does not inherit: who held it may not be there to release it."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.RLock()

    @property
    def lock(self) -> threading.RLock:
        """The lock of this process."""
        if self._owner != os.getpid():
            self._owner, self._lock = os.getpid(), threading.RLock()
        return self._lock


class TakesTurns(Protocol):
    """What has turns."""

    _turns: Turns


HandleT = TypeVar("HandleT", bound=TakesTurns)


def one_at_a_time(
    method: Callable[Concatenate[HandleT, P], ResultT],
) -> Callable[Concatenate[HandleT, P], ResultT]:
    """Make a method wait until no other thread is in one of the same handle's.

    A method may call others, also by way of what it is given to iterate over.
    """

    @wraps(method)
    def in_turn(self: HandleT, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        with self._turns.lock:
            return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[HandleT, P], ResultT]", in_turn)
