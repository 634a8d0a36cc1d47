"""The last step of a job whose spec wants it: its output copied to a directory of the host.

A spec can name no place on the host by itself: whoever runs the jobs says below which directory
copies may be made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pfslib.commits.refs import get_commit
from pfslib.kv.protocol import KV
from pfslib.model.errors import PfsError
from pfslib.model.paths import to_plain
from pfslib.model.work import Job, JobState
from pfslib.pipelines.claims import Claim
from pfslib.trees.export import export_tree
from pfslib.trees.nodestore import TreeCache


def egress(
    kv: KV,
    cache: TreeCache,
    claim: Claim,
    target: str,
    allowed: Path | None,
    check: Callable[[], None],
) -> Job:
    """Copy the output of a job that has been published, and end the job.

    Args:
        kv: The store.
        cache: What is remembered of trees.
        claim: The right to the job.
        target: The directory that the spec names; what else is in it stays.
        allowed: Below which directory copies may be made; None for nowhere.
        check: Called now and then; what it raises leaves the copy to whoever claims the job next.

    Returns:
        The job: in state failure, with its output on the branch, when the copy could not be made.
    """
    reason = _why_not(Path(target), allowed)
    if not reason:
        try:
            with kv.read() as txn:
                root = get_commit(txn, claim.job.output_commit).root
                export_tree(
                    txn,
                    root,
                    Path(target),
                    cache,
                    overwrite=True,
                    progress=lambda _files, _bytes: check(),
                )
        except (PfsError, OSError) as error:
            reason = f"its output could not be copied to {target}: {error}"
    reason = to_plain(reason)
    state = JobState.FAILURE if reason else JobState.SUCCESS
    with kv.write() as writing:
        return claim.update(writing, state=state, reason=reason, finished_ns=time.time_ns())


def _why_not(target: Path, allowed: Path | None) -> str:
    if allowed is not None and target.resolve().is_relative_to(allowed.resolve()):
        return ""
    where = f"only below {allowed}" if allowed is not None else "unless PFS_EGRESS says below where"
    return f"its output may not be copied to {target}: nothing is copied, {where}"
