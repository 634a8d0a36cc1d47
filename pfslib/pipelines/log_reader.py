"""What the datums of a job printed, or are printing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pfslib.kv.protocol import KV
from pfslib.model.work import JobState
from pfslib.pipelines.job_requests import is_named
from pfslib.pipelines.ledger import find_job, list_logs, list_numbered_datums
from pfslib.pipelines.scratch import scratch_of

Printed = tuple[int, int, bytes]
"""Number of the datum, number of the attempt, and the bytes."""

_POLL_S: Final = 0.1


class LogReader:
    """Reads the logs of one job.

    Args:
        kv: The store.
        store_dir: Its directory, where running attempts leave what they print.
        job: Id.
        datums: Only of the datums that are so named; of all when empty.
    """

    def __init__(self, kv: KV, store_dir: Path, job: str, datums: Sequence[str] = ()) -> None:
        self._kv = kv
        self._store_dir = store_dir
        self._job = job
        self._datums = datums
        self._told: dict[tuple[int, int], int] = {}
        self._kept: set[tuple[int, int]] = set()

    def read(self, *, follow: bool) -> Iterator[Printed]:
        """All that was printed; when following, up to the end of the job."""
        while True:
            with self._kv.read() as txn:
                job = find_job(txn, self._job)
            yield from self._recorded()
            if not follow or job is None or JobState(job.state).finished:
                return
            yield from self._running(job.owner)
            time.sleep(_POLL_S)

    def _recorded(self) -> Iterator[Printed]:
        """What attempts that are over printed, and was not told while they ran."""
        with self._kv.read() as txn:
            wanted = None
            if self._datums:
                rows = list_numbered_datums(txn, self._job)
                wanted = {
                    number
                    for number, record in rows
                    if any(is_named(record, name) for name in self._datums)
                }
            logs = [
                (number, attempt, data)
                for number, attempt, data in list_logs(txn, self._job)
                if (number, attempt) not in self._kept and (wanted is None or number in wanted)
            ]
        for number, attempt, data in logs:
            self._kept.add((number, attempt))
            told = self._told.pop((number, attempt), None)
            if told is None or data[told:]:
                yield number, attempt, data[told or 0 :]

    def _running(self, owner: str) -> Iterator[Printed]:
        """What attempts have printed since the last look."""
        if self._datums:
            return  # which datum it is will be known when it is over
        folder = scratch_of(self._store_dir, owner) / self._job
        with suppress(OSError):
            for log in sorted(folder.glob("*/log")):
                number, attempt = map(int, log.parent.name.split("-")[:2])
                told = self._told.get((number, attempt), 0)
                with log.open("rb") as file:
                    file.seek(told)
                    data = file.read()
                if data:
                    self._told[number, attempt] = told + len(data)
                    yield number, attempt, data
