"""The output commit of a job; of one that never ran, empty and with the reason in its record."""

from __future__ import annotations

import time

from pfslib.commits.finish import publish
from pfslib.kv.protocol import WriteTxn
from pfslib.kv.tables import id_key
from pfslib.model.history import CommitLink, OpenCommit
from pfslib.model.nodes import Entry
from pfslib.model.work import Job
from pfslib.pipelines.works import put_empty_work
from pfslib.trees.directories import empty_directory


def publish_nothing(txn: WriteTxn, job: Job, reason: str) -> None:
    """Publish such an output, so that whoever waits for it, or reads it, learns what happened."""
    root = empty_directory(txn, mtime_ns=time.time_ns(), origin=id_key(job.output_commit))
    publish(txn, output_of(job, "", root, 0), error=reason)
    put_empty_work(txn, job)


def output_of(job: Job, parent: str, root: Entry, added_bytes: int) -> OpenCommit:
    """The output of a job, ready to be published."""
    links = dict.fromkeys((item.repo, item.commit) for item in job.inputs)
    return OpenCommit(
        id=job.output_commit,
        repo=job.pipeline,
        branch=job.output_branch,
        parent=parent,
        message=f"job {job.id}",
        started_ns=job.started_ns or time.time_ns(),
        provenance=tuple(CommitLink(repo, commit) for repo, commit in links),
        root=root,
        added_bytes=added_bytes,
        folded=0,
    )
