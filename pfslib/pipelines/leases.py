"""Who runs a datum: a key in two jobs of two processes at a time is still run once.

A lease counts as long as the claim on the job that it was taken for does; so that of a dead process
ends with it.
"""

from __future__ import annotations

from typing import Final

from pfslib.kv.protocol import WriteTxn
from pfslib.kv.tables import Table
from pfslib.model.encoding import pack, unpack
from pfslib.model.work import Job, JobState, Lease
from pfslib.pipelines.claims import is_void
from pfslib.pipelines.ledger import find_job

POLL_S: Final = 0.05


def take_lease(txn: WriteTxn, key: bytes, job: Job) -> bool:
    """Take the lease on a datum for a job that is being run; False when another has it."""
    value = txn.get(Table.LEASES, key)
    if value is not None:
        lease = unpack(Lease, value)
        if (lease.job, lease.owner) != (job.id, job.owner):
            holder = find_job(txn, lease.job)
            if (
                holder is not None
                and holder.owner == lease.owner
                and holder.state == JobState.RUNNING
                and not is_void(holder)
            ):
                return False
    txn.put(Table.LEASES, key, pack(Lease(job.id, job.owner)))
    return True


def end_lease(txn: WriteTxn, key: bytes, job: Job) -> None:
    """Give the lease back, if it is still the job's."""
    value = txn.get(Table.LEASES, key)
    if value is not None and unpack(Lease, value) == Lease(job.id, job.owner):
        txn.delete(Table.LEASES, key)
