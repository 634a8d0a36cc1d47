"""Who runs a job: claimed in a short transaction, renewed while it runs, else taken over."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec

from pfslib.kv.process import is_alive, this_process
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.model.errors import ConflictError, PfsError
from pfslib.model.work import Counts, Job, JobState
from pfslib.pipelines.ledger import find_job, put_job, queued_jobs

RENEWAL_S: Final = 5.0
_STALE_NS: Final = 30 * 10**9
"""A claim not renewed for this long is void, when its process cannot be seen from here."""

_CLAIMED: Final = frozenset({JobState.RUNNING, JobState.EGRESSING})


class ClaimLostError(ConflictError):
    """Another process took the job over: this one was thought dead."""

    def __init__(self, job: str) -> None:
        self.job = job
        super().__init__(f"job {job} was taken over by another process")


def new_owner() -> str:
    """What marks the claims of one engine run: its process, and which run in it."""
    return f"{this_process()}/{secrets.token_hex(4)}"


class Claim:
    """The right to run one job. Its updates fail once the job belongs to somebody else."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._lock = threading.Lock()

    def update(self, txn: WriteTxn, **changes: Any) -> Job:  # noqa: ANN401 - fields of a Job
        """Change the job's record, in the caller's transaction.

        Raises:
            ClaimLostError: Another process has the job.
        """
        now = self.check(txn)
        if now.cancel:
            changes = {"reason": now.reason, **changes}
        with self._lock:
            self.job = msgspec.structs.replace(
                self.job, renewed_ns=time.time_ns(), cancel=now.cancel, **changes
            )
            put_job(txn, self.job)
            return self.job

    def count(self, txn: WriteTxn, **more: int) -> Job:
        """Add to the job's counts of datums."""
        now = self.job.counts
        changed = {name: getattr(now, name) + number for name, number in more.items()}
        return self.update(txn, counts=msgspec.structs.replace(now, **changed))

    @contextmanager
    def kept(self, kv: KV) -> Iterator[None]:
        """Say, as long as the block lasts, that the job is still being run."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(RENEWAL_S):
                with suppress(PfsError), kv.write() as txn:  # whoever lost it will meet that itself
                    self.update(txn)

        renewing = threading.Thread(target=renew, name="pfs-claim", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()

    def release(self, kv: KV) -> None:
        """Give an unfinished job back, for whoever comes next."""
        with kv.write() as txn:
            job = find_job(txn, self.job.id)
            if job is not None and job.owner == self.job.owner and job.state in _CLAIMED:
                now_ns = time.time_ns()
                free = msgspec.structs.replace(
                    job, state=JobState.CREATED, owner="", renewed_ns=now_ns
                )
                put_job(txn, free)

    def check(self, txn: ReadTxn) -> Job:
        """The job's record as it is now; somebody may have asked for its end.

        Raises:
            ClaimLostError: Another process has the job.
        """
        job = find_job(txn, self.job.id)
        if job is None or job.owner != self.job.owner:
            raise ClaimLostError(self.job.id)
        return job


def claim_next(kv: KV, owner: str, choose: Callable[[ReadTxn], Job | None]) -> Claim | None:
    """Claim the job that is chosen, of those that may run now; None if none is.

    Args:
        kv: The store.
        owner: Who claims it.
        choose: Says which; asked twice, the second time in the transaction of the claim.
    """
    with kv.read() as txn:
        if choose(txn) is None:
            return None
    with kv.write() as txn:
        job = choose(txn)
        if job is None:
            return None
        now_ns = time.time_ns()
        job = msgspec.structs.replace(
            job,
            state=JobState.RUNNING,
            owner=owner,
            started_ns=job.started_ns or now_ns,
            renewed_ns=now_ns,
            claimed_ns=now_ns,
            ran_ns=job.ran_ns + max(0, job.renewed_ns - job.claimed_ns),
            counts=Counts(),
        )
        put_job(txn, job)
        return Claim(job)


def running_elsewhere(txn: ReadTxn) -> bool:
    """Whether a live process is running a job of this store."""
    return any(job.state in _CLAIMED and not is_void(job) for job in queued_jobs(txn))


def is_void(job: Job) -> bool:
    """Whether the claim on a running job counts no more."""
    process, _, _ = job.owner.partition("/")
    alive = is_alive(process)
    if alive is None:  # in another container: all there is to go by is the time
        return time.time_ns() - job.renewed_ns > _STALE_NS
    return not alive
