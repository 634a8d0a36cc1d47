"""The datums of a job, with the reason why each ran or did not; and who made a file."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pfslib.kv.protocol import ReadTxn
from pfslib.model.work import DatumRecord, DatumState, Job, JobInput
from pfslib.pipelines.ledger import find_job, find_result, list_datums, list_numbered_datums
from pfslib.pipelines.works import WorkTree, find_work
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts


class Made(msgspec.Struct, frozen=True):
    """A datum that wrote a file, and the job that ran it."""

    datum: DatumRecord
    """As it was in that job, which says why it ran."""

    job: Job | None
    """None if its record was deleted."""

    inputs: tuple[JobInput, ...]
    """The commits that the output as a whole was made from."""

    size: int
    """Bytes of the file that this datum wrote."""


def list_all_datums(txn: ReadTxn, job: Job, cache: TreeCache) -> Iterator[tuple[int, DatumRecord]]:
    """Number and record of each datum, in order; of a job that is not over, of those that it ran.

    Cost: linear in the datums.
    """
    ran = dict(list_numbered_datums(txn, job.id))
    work = find_work(txn, job.output_commit)
    if work is None:
        yield from ran.items()
        return
    before = _base_keys(txn, job, cache)
    number = -1
    for number, (order, key) in enumerate(WorkTree(txn, work, cache).keys()):
        record = ran.get(number)
        if record is not None and record.key == key:
            yield number, record
        else:
            yield number, _skipped(txn, key, job.base if before.get(order) == key else "")
    for later in sorted(ran.keys() - set(range(number + 1))):
        yield later, ran[later]


def who_made(txn: ReadTxn, output_commit: str, path: Parts, cache: TreeCache) -> Iterator[Made]:
    """The datums that wrote a file of an output, in the order in which they were merged.

    Cost: O(log n) for each, and linear in the datums that the jobs have run that ran them.
    """
    work = find_work(txn, output_commit)
    if work is None:
        return
    tree = WorkTree(txn, work, cache)
    ran: dict[str, dict[bytes, DatumRecord]] = {}
    for order, entry in tree.writers(path):
        key = tree.key(order)
        if key is None:
            continue
        result = find_result(txn, key)
        job = find_job(txn, result.job if result is not None else work.job)
        record = None
        if job is not None:
            if job.id not in ran:
                ran[job.id] = {record.key: record for record in list_datums(txn, job.id)}
            record = ran[job.id].get(key)
        yield Made(record or _skipped(txn, key, ""), job, work.inputs, entry.size)


def _base_keys(txn: ReadTxn, job: Job, cache: TreeCache) -> dict[bytes, bytes]:
    base = find_job(txn, job.base) if job.base else None
    work = find_work(txn, base.output_commit) if base is not None else None
    return dict(WorkTree(txn, work, cache).keys())


def _skipped(txn: ReadTxn, key: bytes, unchanged_since: str) -> DatumRecord:
    result = find_result(txn, key)
    if unchanged_since:
        why = f"nothing that it sees has changed since job {unchanged_since}"
    elif result is not None:
        why = f"job {result.job} has run it already"
    else:
        why = "its result is that of a job before"
    return DatumRecord(
        key,
        DatumState.SKIPPED,
        result.inputs if result is not None else (),
        output=result.output if result is not None else None,
        seconds=result.seconds if result is not None else 0.0,
        why=why,
    )
