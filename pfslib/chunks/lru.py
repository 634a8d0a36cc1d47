"""A bounded memory of what was used last; safe to share between threads."""

from __future__ import annotations

import os
from collections import OrderedDict
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

ValueT = TypeVar("ValueT")


class Lru(Generic[ValueT]):
    """Keeps the most recently used values, up to a total weight."""

    __slots__ = ("__weakref__", "_lock", "_values", "_weight", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._weight = 0
        self._values: OrderedDict[bytes, tuple[ValueT, int]] = OrderedDict()
        self._lock = Lock()
        _all.add(self)

    def get(self, key: bytes) -> ValueT | None:
        """The value kept under the key, if any."""
        with self._lock:
            kept = self._values.get(key)
            if kept is None:
                return None
            self._values.move_to_end(key)
            return kept[0]

    def put(self, key: bytes, value: ValueT, weight: int) -> None:
        """Keep a value; the least recently used ones make room."""
        with self._lock:
            old = self._values.pop(key, None)
            if old is not None:
                self._weight -= old[1]
            self._values[key] = (value, weight)
            self._weight += weight
            while self._weight > self.limit and self._values:
                _, (_, gone) = self._values.popitem(last=False)
                self._weight -= gone

    def _after_fork(self) -> None:
        """In a forked child, which does not have the thread that may have held the lock."""
        self._lock = Lock()
        self._weight = sum(weight for _, weight in self._values.values())


_all: WeakSet[Lru[Any]] = WeakSet()


def _after_fork() -> None:
    for lru in _all:
        lru._after_fork()  # noqa: SLF001 - module-private life cycle


os.register_at_fork(after_in_child=_after_fork)
