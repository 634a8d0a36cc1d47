"""The containers that stay, of one session: those that are idle, and those at an attempt."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from io import FileIO

from pfslib.model.errors import RunnerError
from pfslib.runners.docker_worker import Ended, Grafter, Worker
from pfslib.runners.runner import Attempt


class WorkerPool:
    """As many workers as there are threads that run attempts.

    Args:
        start: Starts one more, given what shows it data.
    """

    def __init__(self, start: Callable[[Grafter], Worker]) -> None:
        self._start = start
        self._grafter = Grafter()
        self._lock = threading.Lock()  # of what follows
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._ended = False

    def take(self) -> Worker:
        """One that is idle and alive, else a new one; to be given to `run`.

        Raises:
            RunnerError: The image has no shell for it, or the engine failed.
        """
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.end()
        return self._start(self._grafter)

    def run(
        self, worker: Worker, attempt: Attempt, log: FileIO, deadline: float | None
    ) -> tuple[int | Ended, bool]:
        """Run an attempt; how it ended, and whether something was killed for want of memory."""
        well = False
        try:
            with self._lock:
                if self._ended:
                    raise RunnerError("the docker session has been closed")
                self._busy.add(worker)
            end = worker.run(attempt, log, deadline)
            well = isinstance(end, int)
            return end, well and worker.lacked_memory
        finally:
            with self._lock:
                self._busy.discard(worker)
                well = well and not self._ended
                if well:
                    self._idle.append(worker)
            if not well:
                worker.end()

    def kill_busy(self) -> None:
        """Kill what runs, for which no engine is needed, and let nothing else begin."""
        with self._lock:
            self._ended = True
            for worker in self._busy:
                worker.kill()

    def end(self) -> None:
        """End the others, and what shows them data. To be called when nothing runs any more."""
        with contextlib.ExitStack() as ends:
            ends.callback(self._grafter.end)
            for worker in self._idle:
                ends.callback(worker.end)
