"""Head moves in, jobs out: each move once, in order, whatever crashes."""

from __future__ import annotations

import time

import msgspec
from blake3 import blake3

from pfslib.commits.branches import list_branches
from pfslib.commits.reflog import read_moves
from pfslib.commits.refs import find_commit, get_commit
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.kv.tables import ID_SIZE, Table, number_key
from pfslib.model.encoding import pack
from pfslib.model.history import Branch, Commit, HeadMoved
from pfslib.model.work import Job, JobInput, JobState, Pipeline
from pfslib.pipelines.branch_triggers import fires, last_fired
from pfslib.pipelines.input_sets import Heads, InputSet, find_input_set, reads
from pfslib.pipelines.job_outputs import is_overtaken, publish_nothing
from pfslib.pipelines.ledger import add_job, find_job, list_pipelines, newest_job, put_job

_CURSOR = b"cursor:pipelines"
_BATCH = 256


def create_jobs(kv: KV) -> int:
    """Create the jobs of all head moves since the last call; how many are new.

    The cursor moves in the transaction that creates the jobs, so a crash repeats nothing.
    """
    created = 0
    while True:
        with kv.read() as txn:
            if is_up_to_date(txn):
                return created
        with kv.write() as txn:
            cursor = _cursor(txn)
            heads = Heads(txn, cursor)
            moves = [row for row, _ in zip(read_moves(txn, cursor), range(_BATCH), strict=False)]
            for following, move in moves:
                cursor = following
                heads.move(move)
                created += _follow(txn, following - 1, move, heads)
            txn.put(Table.META, _CURSOR, number_key(cursor))


def is_up_to_date(txn: ReadTxn) -> bool:
    """Whether the jobs of all head moves have been created."""
    return next(read_moves(txn, _cursor(txn)), None) is None


def create_jobs_of_pipeline(txn: WriteTxn, pipeline: Pipeline, *, history: bool) -> None:
    """Create the jobs of a new pipeline for the commits that are there already.

    Args:
        txn: The change to make it in.
        pipeline: The pipeline, stored already.
        history: Whether all that has ever been a head counts, in that order, or the heads only.
    """
    if history:
        heads = Heads(txn, 0)
        for _, move in list(read_moves(txn, 0)):
            heads.move(move)
            commit = find_commit(txn, move.new) if move.new else None
            if commit is not None:
                _create(txn, pipeline, commit, move.branch, heads)
        return
    heads = Heads(txn)
    for item in pipeline.inputs:
        for branch in list(list_branches(txn, item.repo)):
            if reads(item, item.repo, branch.name):
                _create_of_branch(txn, pipeline, branch, heads)


def _create_of_branch(txn: WriteTxn, pipeline: Pipeline, branch: Branch, heads: Heads) -> None:
    """Create the job of what counts of a branch: its head, or what fired its trigger last."""
    head: Commit | None = get_commit(txn, branch.head)
    assert head is not None
    if not fires(txn, pipeline, head, branch.name):
        head = last_fired(txn, pipeline, branch.repo, branch.name)
    if head is not None:
        _create_unasked(txn, pipeline, head, branch.name, heads, at_creation=True)


def create_job_now(txn: WriteTxn, pipeline: Pipeline, commit: Commit, branch: str) -> bool:
    """Create the job of a commit whose trigger has fired; whether there was none yet."""
    return _create_unasked(txn, pipeline, commit, branch, Heads(txn))


def make_unrunnable(txn: WriteTxn, failed: Job) -> None:
    """Say of the jobs that would have read the output of a failed one that they never will.

    Each has an output that says so, too, so that whoever waits for it, or reads it, learns it.
    """
    output = find_commit(txn, failed.output_commit)
    assert output is not None
    heads = Heads(txn)
    for pipeline in list(list_pipelines(txn)):
        _create(txn, pipeline, output, failed.output_branch, heads)


def _cursor(txn: ReadTxn) -> int:
    return int.from_bytes(txn.get(Table.META, _CURSOR) or b"", "big")


def _follow(txn: WriteTxn, place: int, move: HeadMoved, heads: Heads) -> int:
    """Create the jobs of one move; how many."""
    commit = find_commit(txn, move.new) if move.new else None
    if commit is None:
        return 0  # the branch was deleted, or the commit has been since
    # An earlier commit got its job when the pipeline was created, if at all.
    concerned = [pipeline for pipeline in list_pipelines(txn) if place >= pipeline.since]
    return sum(_create(txn, pipeline, commit, move.branch, heads) for pipeline in concerned)


def _create(
    txn: WriteTxn,
    pipeline: Pipeline,
    commit: Commit,
    branch: str,
    heads: Heads,
) -> bool:
    """Create the job that a commit triggers, if it does."""
    if not fires(txn, pipeline, commit, branch):
        return False
    return _create_unasked(txn, pipeline, commit, branch, heads)


def _create_unasked(
    txn: WriteTxn,
    pipeline: Pipeline,
    commit: Commit,
    branch: str,
    heads: Heads,
    *,
    at_creation: bool = False,
) -> bool:
    """The same, its trigger having been asked.

    There is none if the newest on the output branch is of these very commits already.
    """
    found = find_input_set(txn, pipeline, commit, branch, heads)
    if found is None:
        return False
    output_branch = pipeline.output_branch or branch
    job = next_job_of(txn, pipeline, found.inputs, output_branch)
    if job.rerun:  # a branch was moved back, and the output has to follow; if it is not there
        newest = newest_job(txn, pipeline.name, output_branch)
        if at_creation or (newest is not None and _is_current(txn, newest, found)):
            return False
    job = add_job(txn, job)
    if found.failed:
        _end_unrunnable(txn, job, found)
    return True


def _is_current(txn: ReadTxn, newest: Job, found: InputSet) -> bool:
    """Whether the output is, or will be, that of some commits."""
    return newest.inputs == found.inputs and not is_overtaken(txn, newest)


def _end_unrunnable(txn: WriteTxn, job: Job, found: InputSet) -> None:
    publish_nothing(txn, job, found.failed)
    ended = msgspec.structs.replace(
        job, state=JobState.UNRUNNABLE, reason=found.failed, finished_ns=time.time_ns()
    )
    put_job(txn, ended)
    make_unrunnable(txn, ended)


def next_job_of(
    txn: ReadTxn,
    pipeline: Pipeline,
    inputs: tuple[JobInput, ...],
    output_branch: str,
    *,
    rerun: int = 0,
) -> Job:
    """The job of some commits that is not there yet, of the first number of reruns that is free."""
    while True:
        job = job_of(pipeline, inputs, output_branch, rerun=rerun)
        # A deleted job has left its output, which must not be taken for that of this one.
        if find_job(txn, job.id) is None and find_commit(txn, job.output_commit) is None:
            return job
        rerun += 1


def job_of(
    pipeline: Pipeline, inputs: tuple[JobInput, ...], output_branch: str, *, rerun: int = 0
) -> Job:
    """The one job of a pipeline version and input commits: its id follows from them."""
    identity = [pipeline.name, pipeline.version, pipeline.created_ns]
    if rerun:
        identity.append(rerun)
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
        rerun=rerun,
    )
