"""Forks wait for transactions, because a child cannot get rid of those of its parent.

A child inherits the environment and, in memory shared with the parent, the slots that protect what
its readers look at. A transaction that another thread had open at the fork would be aborted by the
child when it closes the environment, which frees the parent's slot or waits for a thread that the
child does not have. So a fork is held back while transactions are open, and they are short.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final

_WAIT_S: Final = 2.0
_PAUSE_S: Final = 0.0005


class _Traffic:
    """The transactions open in this process, and the fork that waits for them."""

    cut_off = False
    """In a forked child: whether a transaction was open at the fork in spite of the wait."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._open: set[object] = set()
        self._held_back = False
        self._goes_on = threading.Event()
        self._one_fork = threading.Lock()

    def transaction(self) -> _Passage:
        """A context manager around one transaction; waits while the process forks."""
        return _Passage()

    def enter(self, transaction: object) -> None:
        """Say that a transaction begins."""
        while True:
            # In this order, so that a fork either sees the transaction or is seen by it.
            self._open.add(transaction)
            if not self._held_back:
                return
            self._open.discard(transaction)
            self._goes_on.wait()

    def leave(self, transaction: object) -> None:
        """Say that a transaction has ended."""
        self._open.discard(transaction)

    def before_fork(self) -> None:
        """Let no transaction begin, and wait until none is open."""
        self._one_fork.acquire()
        self._goes_on.clear()
        self._held_back = True
        deadline = time.monotonic() + _WAIT_S
        while self._open and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)

    def after_fork_in_parent(self) -> None:
        """Let transactions go on."""
        self._held_back = False
        self._goes_on.set()
        self._one_fork.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: the threads that had transactions open are not in the child."""
        self.cut_off = bool(self._open)
        self._reset()


traffic: Final = _Traffic()


class _Passage:
    """One transaction's way through; a class because every read takes it."""

    __slots__ = ()

    def __enter__(self) -> None:
        traffic.enter(self)

    def __exit__(self, *_: object) -> None:
        traffic.leave(self)


os.register_at_fork(
    before=traffic.before_fork,
    after_in_parent=traffic.after_fork_in_parent,
    after_in_child=traffic.after_fork_in_child,
)
