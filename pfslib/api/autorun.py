"""Pipelines run in the background, by a thread of this process, while a store is open."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pfslib.model.errors import PfsError
from pfslib.model.work import Job, JobState

if TYPE_CHECKING:
    from pfslib.api.store import Store

_log = logging.getLogger("pfslib")
_AFTER_ERROR_S = 1.0


class Autorun:
    """Runs the jobs of a store as they come, and makes its clocks tick, until closed.

    Args:
        store: The store. It ends, too, when that is not referred to any more, and with the main
            thread.
        reopen: Opens the store anew, for the thread alone: it must not keep the other one alive.
        egress_to: Below this host directory outputs may be copied.

    Attributes:
        unable: Why a job of a pipeline and version could not be run when that was last tried.
    """

    def __init__(
        self, store: Store, reopen: Callable[[], Store], egress_to: Path | None = None
    ) -> None:
        self.unable: dict[tuple[str, int], Exception] = {}
        self._process = os.getpid()
        self._stop = _Stop()
        forgotten = weakref.finalize(store, self._stop.set)
        forgotten.atexit = False
        # Not a daemon: at the end of the process it gives its job back, and takes its mount away.
        self._thread = threading.Thread(
            target=_work,
            args=(reopen, self._stop, self.unable, egress_to),
            name="pfs-autorun",
            daemon=False,
        )
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether it is in this process; a forked child has none of its parent's threads."""
        return self._process == os.getpid()

    def close(self) -> None:
        """Give back what is being run, and wait until that is done: a second or so. Idempotent."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()


class _Stop(threading.Event):
    """An event without a lock: a finalizer, which may interrupt anything, sets it."""

    _is_set = False

    def is_set(self) -> bool:
        return self._is_set or not threading.main_thread().is_alive()

    def set(self) -> None:
        self._is_set = True

    def wait(self, timeout: float | None = None) -> bool:
        time.sleep(timeout or 0)
        return self.is_set()


def _work(
    reopen: Callable[[], Store],
    stop: threading.Event,
    unable: dict[tuple[str, int], Exception],
    egress_to: Path | None,
) -> None:
    with reopen() as store:

        def tell_unable(pipeline: str, error: Exception) -> None:
            _log.warning("the jobs of pipeline %s wait: %s", pipeline, error)
            with suppress(PfsError):  # it may be deleted by now
                unable[pipeline, store.inspect_pipeline(pipeline).version] = error

        def tell_able(job: Job) -> None:
            if JobState(job.state).finished:
                unable.pop((job.pipeline, job.version), None)

        while not stop.is_set():
            try:
                store.watch(stop, progress=tell_able, unable=tell_unable, egress_to=egress_to)
            except (PfsError, OSError) as error:
                # The disk may be full, or another writer be at it for long: that passes.
                _log.warning("jobs are not run for a moment: %s", error)
                stop.wait(_AFTER_ERROR_S)
