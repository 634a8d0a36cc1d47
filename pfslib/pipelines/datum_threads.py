"""DatumThreads: what the datums of a job run in, several at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class DatumThreads(Generic[T]):
    """Threads that make calls; at the end of a block they are waited for.

    A ThreadPoolExecutor would not do: the end of a program waits for what one is at, before it
    lets anybody notice that the program is ending, and a datum may take hours.

    Args:
        count: So many calls are made at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Have a function called as soon as a thread is free."""
        future: Future[T] = Future()
        if len(self._threads) < self._count:
            thread = Thread(target=self._work, name="pfs-datum", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._calls.put(lambda: _settle(future, function))
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(future: Future[T], function: Callable[[], T]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
