"""The datums of a job, with the reason why each ran or did not; and who made a file."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pfslib.kv.protocol import ReadTxn
from pfslib.model.nodes import Entry
from pfslib.model.work import DatumRecord, DatumResult, DatumState, Job, JobInput, Work
from pfslib.pipelines.ledger import (
    find_datum,
    find_job,
    find_result,
    list_datums,
    list_numbered_datums,
)
from pfslib.pipelines.works import WorkTree, find_work
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts


class Made(msgspec.Struct, frozen=True):
    """A datum that wrote a file, and the job that ran it."""

    datum: DatumRecord
    """As it was in that job, which says why it ran."""

    job: Job | None
    """None if that is not known any more: its record was deleted, or its result replaced."""

    inputs: tuple[JobInput, ...]
    """The commits that the output as a whole was made from."""

    size: int
    """Bytes of the file that this datum wrote."""


def list_all_datums(txn: ReadTxn, job: Job, cache: TreeCache) -> Iterator[tuple[int, DatumRecord]]:
    """Number and record of each datum, in order; of a job that is not over, of those that it ran.

    What a killed job never began is left out.

    Cost: linear in the datums.
    """
    ran = dict(list_numbered_datums(txn, job.id))
    work = find_work(txn, job.output_commit)
    if work is None:
        yield from ran.items()
        return
    before = _base_keys(txn, job, cache)
    number = -1
    tree = WorkTree(txn, work, cache)
    not_done = dict(tree.again())
    for number, (order, key) in enumerate(tree.keys()):
        record = ran.get(number)
        if record is not None and record.key == key:
            yield number, record
        elif order not in not_done:
            since = job.base if before.get(order) == key else ""
            yield number, _skipped(txn, key, since, tree.output(order))
    for later in sorted(ran.keys() - set(range(number + 1))):
        yield later, ran[later]


def who_made(txn: ReadTxn, output_commit: str, path: Parts, cache: TreeCache) -> Iterator[Made]:
    """The datums that wrote a file of an output, in the order in which they were merged.

    Cost: O(log n) for each. Linear in the datums that a job has run, for one that is not at its
    place among them, as in another pipeline; in those of all jobs of the pipeline, for one that was
    run again since, as was asked.
    """
    work = find_work(txn, output_commit)
    if work is None:
        return
    tree, makers = WorkTree(txn, work, cache), _Makers(txn, work, cache)
    for order, entry in tree.writers(path):
        key, output = tree.key(order), tree.output(order)
        if key is not None:
            job, record = makers.find(order, key, output)
            yield Made(record or _skipped(txn, key, "", output), job, work.inputs, entry.size)


class _Makers:
    """Finds who ran the datums of an output."""

    def __init__(self, txn: ReadTxn, work: Work, cache: TreeCache) -> None:
        self._txn = txn
        self._cache = cache
        self._work = work
        self._trees: dict[str, WorkTree] = {}
        self._ran: dict[str, dict[bytes, DatumRecord]] = {}

    def find(
        self, order: bytes, key: bytes, output: Entry | None
    ) -> tuple[Job | None, DatumRecord | None]:
        """The job that ran a datum with this output, and its record of that, as far as known."""
        result = find_result(self._txn, key)
        if result is None or _is_of(result, output):
            job = find_job(self._txn, result.job if result is not None else self._work.job)
            return job, self._record(job, order, key)
        job = find_job(self._txn, self._work.job)
        while job is not None:
            record = self._record(job, order, key)
            if record is not None and _same(record.output, output):
                return job, record
            job = find_job(self._txn, job.base) if job.base else None
        return None, None

    def _record(self, job: Job | None, order: bytes, key: bytes) -> DatumRecord | None:
        if job is None:
            return None
        if job.id not in self._trees:
            work = find_work(self._txn, job.output_commit)
            self._trees[job.id] = WorkTree(self._txn, work, self._cache)
        record = find_datum(self._txn, job.id, self._trees[job.id].number(order))
        if record is not None and record.key == key:
            return record
        if job.id not in self._ran:
            self._ran[job.id] = {record.key: record for record in list_datums(self._txn, job.id)}
        return self._ran[job.id].get(key)


def _is_of(result: DatumResult, output: Entry | None) -> bool:
    """Whether an output is that of a result, and not of one before, which it replaced."""
    return output is None or _same(result.output, output)


def _same(one: Entry | None, other: Entry | None) -> bool:
    return one is not None and other is not None and one.same_content(other)


def _base_keys(txn: ReadTxn, job: Job, cache: TreeCache) -> dict[bytes, bytes]:
    base = find_job(txn, job.base) if job.base else None
    work = find_work(txn, base.output_commit) if base is not None else None
    return dict(WorkTree(txn, work, cache).keys())


def _skipped(txn: ReadTxn, key: bytes, unchanged_since: str, output: Entry | None) -> DatumRecord:
    result = find_result(txn, key)
    if unchanged_since:
        why = f"nothing that it sees has changed since job {unchanged_since}"
    elif result is not None and not _is_of(result, output):
        why = f"its result is that of a job before; job {result.job} has run it again since"
    elif result is not None:
        why = f"job {result.job} has run it already"
    else:
        why = "its result is that of a job before"
    return DatumRecord(
        key,
        DatumState.SKIPPED,
        result.inputs if result is not None else (),
        output=output or (result.output if result is not None else None),
        seconds=result.seconds if result is not None else 0.0,
        why=why,
    )
