"""Head moves in, jobs out: each move once, in order, whatever crashes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from blake3 import blake3

from pfslib.commits.branches import find_branch, list_branches
from pfslib.commits.reflog import read_moves
from pfslib.commits.refs import get_commit, list_commit_ids
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.kv.tables import ID_SIZE, Table, number_key
from pfslib.model.encoding import pack
from pfslib.model.history import Commit, HeadMoved
from pfslib.model.work import Job, JobInput, Pipeline
from pfslib.pipelines.ledger import add_job, list_pipelines

_CURSOR = b"cursor:pipelines"
_BATCH = 256


def create_jobs(kv: KV) -> int:
    """Create the jobs of all head moves since the last call; how many are new.

    The cursor moves in the transaction that creates the jobs, so a crash repeats nothing.
    """
    created = 0
    while True:
        with kv.read() as txn:
            if next(read_moves(txn, _cursor(txn)), None) is None:
                return created
        with kv.write() as txn:
            cursor = _cursor(txn)
            moves = [row for row, _ in zip(read_moves(txn, cursor), range(_BATCH), strict=False)]
            for following, move in moves:
                cursor = following
                jobs = _jobs_of_move(txn, following - 1, move)
                created += sum(add_job(txn, job) is not None for job in jobs)
            txn.put(Table.META, _CURSOR, number_key(cursor))


def create_jobs_of_pipeline(txn: WriteTxn, pipeline: Pipeline) -> None:
    """Create the jobs of a new pipeline for the commits that are there already."""
    first = pipeline.inputs[0]
    for branch in list(list_branches(txn, first.repo)):
        if first.branch not in {"", branch.name}:
            continue
        if pipeline.every_commit:
            ids = list(list_commit_ids(txn, first.repo, branch=branch.name))
        else:
            ids = [branch.head]
        for commit in [get_commit(txn, commit_id) for commit_id in ids]:
            for job in _jobs_of_commit(txn, pipeline, commit, branch.name):
                add_job(txn, job)


def _cursor(txn: ReadTxn) -> int:
    return int.from_bytes(txn.get(Table.META, _CURSOR) or b"", "big")


def _jobs_of_move(txn: ReadTxn, place: int, move: HeadMoved) -> Iterator[Job]:
    if not move.new or txn.get(Table.COMMITS, bytes.fromhex(move.new)) is None:
        return  # the branch was deleted, or the commit has been since
    commit = get_commit(txn, move.new)
    for pipeline in list(list_pipelines(txn)):
        # An earlier commit got its job when the pipeline was created, if at all.
        if place >= pipeline.since:
            yield from _jobs_of_commit(txn, pipeline, commit, move.branch)


def _jobs_of_commit(txn: ReadTxn, pipeline: Pipeline, commit: Commit, branch: str) -> Iterator[Job]:
    """The job that a commit on a branch triggers: other inputs are taken at their heads."""
    if not any(i.repo == commit.repo and i.branch in {"", branch} for i in pipeline.inputs):
        return
    inputs: list[JobInput] = []
    for item in pipeline.inputs:
        if item.repo == commit.repo and item.branch in {"", branch}:
            inputs.append(JobInput(item.name, item.repo, branch, commit.id))
            continue
        head = find_branch(txn, item.repo, item.branch or branch)
        if head is None:
            return  # an input without data: the job comes when the data does
        inputs.append(JobInput(item.name, item.repo, head.name, head.head))
    yield job_of(pipeline, tuple(inputs), pipeline.output_branch or branch)


def job_of(pipeline: Pipeline, inputs: tuple[JobInput, ...], output_branch: str) -> Job:
    """The one job of a pipeline version and input commits: its id follows from them."""
    identity = [pipeline.name, pipeline.version, pipeline.created_ns]
    seed = pack([*identity, [(i.name, i.repo, i.commit) for i in inputs], output_branch])
    return Job(
        id=blake3(seed, derive_key_context="pfslib 1 job").hexdigest(ID_SIZE),
        pipeline=pipeline.name,
        version=pipeline.version,
        inputs=inputs,
        output_commit=blake3(seed, derive_key_context="pfslib 1 output").hexdigest(ID_SIZE),
        output_branch=output_branch,
        number=-1,
        created_ns=time.time_ns(),
    )
