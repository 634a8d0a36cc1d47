"""Cron inputs: ticks of the clock as commits of repos that pfs makes itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from pfslib.commits.branches import find_branch
from pfslib.commits.finish import publish
from pfslib.commits.refs import get_commit
from pfslib.commits.staging import new_commit_id
from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.kv.tables import id_key
from pfslib.model.history import OpenCommit
from pfslib.model.inputs import Cron, Input
from pfslib.model.nodes import EMPTY, Entry, Kind
from pfslib.model.ticks import last_tick
from pfslib.model.work import Pipeline
from pfslib.pipelines.branch_triggers import due_by_clock, fire
from pfslib.pipelines.ledger import get_pipeline, list_pipelines
from pfslib.pipelines.trigger import create_job_now
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, Op, apply_edits
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import walk

BRANCH = "master"


def tick(kv: KV, cache: TreeCache, now_ns: int | None = None) -> int:
    """Make the commits of all ticks that are due, and the jobs of triggers that are; how many."""
    now_ns = now_ns or time.time_ns()
    with kv.read() as txn:
        if not any(True for _ in _due(txn, now_ns)):
            return 0
    with kv.write() as writing:
        due = list(_due(writing, now_ns))
        for pipeline, item, tick_ns in due:
            if item.cron is not None:
                make_tick(writing, cache, item, tick_ns)
            else:
                for triggered, commit in list(due_by_clock(writing, pipeline, now_ns)):
                    fire(writing, pipeline, triggered, commit, now_ns)
                    create_job_now(writing, pipeline, commit, triggered.branch)
    return len(due)


def tick_now(kv: KV, cache: TreeCache, name: str) -> int:
    """Make the clocks of a pipeline tick now; how many there are.

    Raises:
        PipelineNotFoundError: There is none.
    """
    with kv.write() as txn:
        clocks = [item for item in get_pipeline(txn, name).inputs if item.cron is not None]
        for item in clocks:
            make_tick(txn, cache, item, time.time_ns())
        return len(clocks)


def make_tick(txn: WriteTxn, cache: TreeCache, item: Input, tick_ns: int) -> None:
    """Commit one tick: an empty file that is named by its time."""
    assert item.cron is not None
    head = find_branch(txn, item.repo, BRANCH)
    now_ns, commit_id = time.time_ns(), new_commit_id()
    origin = id_key(commit_id)
    edits: list[Edit] = []
    if head is None:
        base = empty_directory(txn, mtime_ns=now_ns, origin=origin)
    else:
        base = get_commit(txn, head.head).root
        if item.cron.overwrite:
            edits = [Edit(Op.DELETE, path) for path, _ in walk(txn, base, cache)]
    name = _file_name(tick_ns)
    file = Entry(b"", Kind.FILE, EMPTY.size, EMPTY.ref, tick_ns, b"")
    edits.append(Edit(Op.PUT, (name.encode(),), file))
    applied = apply_edits(txn, base, edits, cache, origin=origin, now_ns=now_ns)
    publish(
        txn,
        OpenCommit(
            id=commit_id,
            repo=item.repo,
            branch=BRANCH,
            parent=head.head if head is not None else "",
            message=f"tick {name}",
            started_ns=tick_ns,
            provenance=(),
            root=applied.root,
            added_bytes=0,
            folded=0,
        ),
    )


def has_clocks(txn: ReadTxn) -> bool:
    """Whether any pipeline waits for a clock."""
    return any(
        item.cron is not None or (item.trigger is not None and item.trigger.cron)
        for pipeline in list_pipelines(txn)
        for item in pipeline.inputs
        if not pipeline.stopped
    )


def _due(txn: ReadTxn, now_ns: int) -> Iterator[tuple[Pipeline, Input, int]]:
    for pipeline in list_pipelines(txn):
        if pipeline.stopped:
            continue
        for item in pipeline.inputs:
            if item.cron is None:
                continue
            last_ns = _last_ns(txn, pipeline, item, item.cron)
            tick_ns = last_tick(item.cron.spec, last_ns, now_ns)
            if tick_ns is not None:
                yield pipeline, item, tick_ns
        for item, _ in due_by_clock(txn, pipeline, now_ns):
            yield pipeline, item, now_ns


def _last_ns(txn: ReadTxn, pipeline: Pipeline, item: Input, cron: Cron) -> int:
    """When the clock last ticked; before the first time, when it was started."""
    head = find_branch(txn, item.repo, BRANCH)
    begin_ns = cron.start_ns or pipeline.created_ns
    return max(get_commit(txn, head.head).started_ns, begin_ns) if head is not None else begin_ns


def _file_name(tick_ns: int) -> str:
    return (
        datetime.fromtimestamp(tick_ns / 1e9, UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )
