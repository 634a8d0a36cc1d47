"""A bounded memory of what was used last; safe to share between threads."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Lru(Generic[ValueT]):
    """Keeps the most recently used values, up to a total weight."""

    __slots__ = ("_lock", "_values", "_weight", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._weight = 0
        self._values: OrderedDict[bytes, tuple[ValueT, int]] = OrderedDict()
        self._lock = Lock()

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
