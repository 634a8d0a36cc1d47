"""The output commit of a job; of one that never ran, empty and with the reason in its record."""

from __future__ import annotations

import time

from pfslib.commits.branches import find_branch
from pfslib.commits.finish import publish
from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import id_key
from pfslib.model.history import CommitLink, OpenCommit
from pfslib.model.nodes import Entry
from pfslib.model.work import Job
from pfslib.pipelines.works import find_work, put_empty_work
from pfslib.trees.directories import empty_directory


def publish_nothing(txn: WriteTxn, job: Job, reason: str) -> None:
    """Publish such an output, so that whoever waits for it, or reads it, learns what happened."""
    root = empty_directory(txn, mtime_ns=time.time_ns(), origin=id_key(job.output_commit))
    publish(txn, output_of(job, "", root, 0), error=reason)
    put_empty_work(txn, job)


def is_overtaken(txn: ReadTxn, job: Job) -> bool:
    """Whether a job that was deleted since came after this one, and has left another output.

    That output tells by its provenance only which commits it was made from.
    """
    head = find_branch(txn, job.pipeline, job.output_branch)
    own = find_commit(txn, job.output_commit)
    if head is None or own is None or head.head == own.id or find_work(txn, head.head) is not None:
        return False
    if own.error and own.parent in {"", head.head}:
        return False  # it stands beside the branch: nothing has come since
    commit = find_commit(txn, head.head)
    return commit is not None and set(commit.provenance) != set(_links(job))


def output_of(job: Job, parent: str, root: Entry, added_bytes: int) -> OpenCommit:
    """The output of a job, ready to be published."""
    return OpenCommit(
        id=job.output_commit,
        repo=job.pipeline,
        branch=job.output_branch,
        parent=parent,
        message=f"job {job.id}",
        started_ns=job.started_ns or time.time_ns(),
        provenance=_links(job),
        root=root,
        added_bytes=added_bytes,
        folded=0,
    )


def _links(job: Job) -> tuple[CommitLink, ...]:
    return tuple(dict.fromkeys(CommitLink(item.repo, item.commit) for item in job.inputs))
