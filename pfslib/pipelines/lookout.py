"""What of the queue is looked at: nothing while nothing changes, else the first of each line."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from pfslib.kv.protocol import KV, ReadTxn
from pfslib.kv.tables import Table
from pfslib.model.work import Job, JobState
from pfslib.pipelines.claims import is_void
from pfslib.pipelines.crons import has_clocks
from pfslib.pipelines.ledger import find_job, find_pipeline

_CLOCKS_S: Final = 0.2
"""So often clocks are looked at."""

_ANYWAY_S: Final = 10.0
"""So often all is looked at, for no reason."""


class _Line(NamedTuple):
    """What never changes of a job, and decides which jobs it waits for."""

    pipeline: str
    output_branch: str
    version: int


class Lookout:
    """Knows the queue of one store, for one engine.

    Args:
        kv: The store.
    """

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._lines: dict[bytes, _Line] = {}
        self._held: list[Job] = []
        self._seen: int | None = None
        self._until = 0.0

    def is_quiet(self) -> bool:
        """Whether there is no reason to look again since `rest`. Cost: nothing is read."""
        return (
            self._kv.changes() == self._seen
            and time.monotonic() < self._until
            and not any(is_void(job) for job in self._held)
        )

    def rest(self, changes: int, without: Collection[tuple[str, int]]) -> None:
        """After a look in vain: there is nothing to do until something changes.

        Args:
            changes: How many changes there had been before that look.
            without: What that look passed over.
        """
        with self._kv.read() as txn:
            jobs = self._startable(txn, without)
            self._held = [job for job in jobs if job.state != JobState.CREATED]
            rest_s = _CLOCKS_S if has_clocks(txn) else _ANYWAY_S
        self._seen, self._until = changes, time.monotonic() + rest_s

    def wake(self) -> None:
        """Have the next look not left out."""
        self._seen = None

    def first_ready(self, txn: ReadTxn, without: Collection[tuple[str, int]]) -> Job | None:
        """The oldest job that may run now; None if there is none.

        Args:
            txn: The state to read.
            without: Pipelines, by name and version, whose jobs are passed over.
        """
        jobs = self._startable(txn, without)
        return next((job for job in jobs if job.state == JobState.CREATED or is_void(job)), None)

    def _startable(self, txn: ReadTxn, without: Collection[tuple[str, int]]) -> Iterator[Job]:
        """The first job of each line whose pipeline has not been stopped."""
        for job in self._firsts(txn, without):
            pipeline = find_pipeline(txn, job.pipeline)
            if pipeline is not None and not pipeline.stopped:
                yield job

    def _firsts(self, txn: ReadTxn, without: Collection[tuple[str, int]]) -> Iterator[Job]:
        """The first job of each pipeline and output branch, oldest first: the others wait for it.

        Cost: a record for each of them and for each job that is new, a key for all others.
        """
        seen: set[tuple[str, str]] = set()
        lines: dict[bytes, _Line] = {}
        for _, key in txn.scan(Table.QUEUE):
            job = None
            line = self._lines.get(key)
            if line is None:
                job = find_job(txn, key.hex())
                if job is None:
                    continue
                line = self._lines[key] = _Line(job.pipeline, job.output_branch, job.version)
            lines[key] = line
            if line[:2] in seen or (line.pipeline, line.version) in without:
                continue
            seen.add(line[:2])
            job = job or find_job(txn, key.hex())
            if job is not None:
                yield job
        self._lines = lines
