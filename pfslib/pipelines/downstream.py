"""What follows from commits: jobs, their outputs, and what those trigger; whether it is over."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pfslib.commits.provenance import subvenance
from pfslib.commits.refs import get_commit
from pfslib.kv.protocol import ReadTxn
from pfslib.model.history import Commit
from pfslib.model.work import Job
from pfslib.pipelines.ledger import find_job, queued_jobs
from pfslib.pipelines.trigger import is_up_to_date
from pfslib.pipelines.works import find_work


class Downstream(NamedTuple):
    """What follows from some commits, in one state of the store."""

    jobs: list[Job]
    """In the order in which they were made; those that were deleted are missing."""

    outputs: list[Commit]
    """Of those that are over: in no order."""

    waiting: list[Job]
    """The jobs that are not over."""

    is_settled: bool
    """Whether all are over, and no head move is left that could make more of them."""


def find_downstream(txn: ReadTxn, commits: Collection[str]) -> Downstream:
    """What follows from commits, directly or not.

    Cost: linear in their outputs and in the jobs that are not over.
    """
    made = {link.id: None for source in commits for link in subvenance(txn, source)}
    outputs = [get_commit(txn, commit_id) for commit_id in made]
    jobs: dict[str, Job] = {}
    for output in outputs:
        work = find_work(txn, output.id)
        job = find_job(txn, work.job) if work is not None else None
        if job is not None:
            jobs[job.id] = job
    sources = {*commits, *made}
    waiting = [
        job for job in queued_jobs(txn) if any(item.commit in sources for item in job.inputs)
    ]
    jobs.update((job.id, job) for job in waiting)
    in_order = sorted(jobs.values(), key=lambda job: job.number)
    return Downstream(in_order, outputs, waiting, not waiting and is_up_to_date(txn))
