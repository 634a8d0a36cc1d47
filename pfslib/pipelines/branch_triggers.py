"""Triggers of inputs: the head of a branch counts when enough has gathered since it last did."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from pfslib.commits.branches import find_branch
from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, name_key
from pfslib.model.encoding import pack, unpack
from pfslib.model.history import Commit
from pfslib.model.inputs import Input, Trigger
from pfslib.model.ticks import last_tick
from pfslib.model.work import Pipeline

_PREFIX = b"trigger:"


class _Fired(msgspec.Struct, array_like=True, frozen=True):
    """When a trigger last fired, and for which commit."""

    commit: str
    when_ns: int


_NEVER = _Fired("", 0)


def fires(txn: WriteTxn, pipeline: Pipeline, commit: Commit, branch: str) -> bool:
    """Whether a new head counts for a pipeline; remembered if it does.

    It does at once unless all inputs of the branch have triggers.
    """
    items = [
        item for item in pipeline.inputs if item.repo == commit.repo and item.branch in {"", branch}
    ]
    if commit.error or not items or any(item.trigger is None for item in items):
        return True
    now_ns = time.time_ns()
    due = [item for item in items if _is_due(txn, pipeline, item, commit, now_ns)]
    for item in due:
        _remember(txn, pipeline, item, commit, now_ns)
    return bool(due)


def fired_commit(txn: ReadTxn, pipeline: Pipeline, item: Input) -> Commit | None:
    """The commit for which an input's trigger last fired."""
    fired = _find(txn, pipeline, item)
    return find_commit(txn, fired.commit) if fired.commit else None


def last_fired(txn: ReadTxn, pipeline: Pipeline, repo: str, branch: str) -> Commit | None:
    """The commit for which a trigger of a branch last fired, of whichever input."""
    fired = [
        _find(txn, pipeline, item)
        for item in pipeline.inputs
        if item.trigger is not None and (item.repo, item.branch) == (repo, branch)
    ]
    last = max(fired, key=lambda found: found.when_ns, default=_NEVER)
    return find_commit(txn, last.commit) if last.commit else None


def due_by_clock(txn: ReadTxn, pipeline: Pipeline, now_ns: int) -> Iterator[tuple[Input, Commit]]:
    """The inputs whose trigger is due by its own clock, with the head that counts now."""
    for item in pipeline.inputs:
        if item.trigger is None or not item.trigger.cron:
            continue
        head = find_branch(txn, item.repo, item.branch)
        fired = _find(txn, pipeline, item)
        if head is None or head.head == fired.commit:
            continue
        commit = find_commit(txn, head.head)
        if commit is None or not _has_ticked(item.trigger.cron, fired, pipeline, now_ns):
            continue
        if not item.trigger.every or _is_due(txn, pipeline, item, commit, now_ns):
            yield item, commit


def fire(txn: WriteTxn, pipeline: Pipeline, item: Input, commit: Commit, now_ns: int) -> None:
    """Remember that a trigger has fired."""
    _remember(txn, pipeline, item, commit, now_ns)


def forget_other_triggers(txn: WriteTxn, old: Pipeline, new: Pipeline) -> None:
    """Forget what the triggers of inputs did that read something else in a new version."""
    kept = {(item.name, item.repo, item.branch) for item in new.inputs}
    for item in old.inputs:
        if (item.name, item.repo, item.branch) not in kept:
            txn.delete(Table.META, _key(old, item))


def forget_triggers(txn: WriteTxn, pipeline: str) -> None:
    """Forget what the triggers of a pipeline did: it is deleted."""
    for key, _ in list(txn.scan(Table.META, prefix=_PREFIX + name_key(pipeline) + b"\0")):
        txn.delete(Table.META, key)


def _is_due(txn: ReadTxn, pipeline: Pipeline, item: Input, commit: Commit, now_ns: int) -> bool:
    trigger = item.trigger
    assert trigger is not None
    fired = _find(txn, pipeline, item)
    conditions = list(_conditions(txn, trigger, fired, commit, pipeline, now_ns))
    return bool(conditions) and (all if trigger.every else any)(conditions)


def _conditions(
    txn: ReadTxn, trigger: Trigger, fired: _Fired, commit: Commit, pipeline: Pipeline, now_ns: int
) -> Iterator[bool]:
    """Whether each condition of a trigger holds.

    That of its own clock is looked at here only if all have to: it fires without a commit, too.
    """
    if trigger.size:
        yield sum(new.added_bytes for new in _since(txn, fired, commit)) >= trigger.size
    if trigger.commits:
        yield len(_since(txn, fired, commit)) >= trigger.commits
    if trigger.rate_limit:
        yield _has_ticked(trigger.rate_limit, fired, pipeline, now_ns)
    if trigger.cron and trigger.every:
        yield _has_ticked(trigger.cron, fired, pipeline, now_ns)


def _has_ticked(schedule: str, fired: _Fired, pipeline: Pipeline, now_ns: int) -> bool:
    """Whether a clock has ticked since a trigger fired, or since there is the pipeline."""
    return last_tick(schedule, fired.when_ns or pipeline.created_ns, now_ns) is not None


def _since(txn: ReadTxn, fired: _Fired, commit: Commit) -> list[Commit]:
    """The commits since a trigger fired, newest first.

    Cost: linear in them; in all of history, if the branch was moved to what does not stand on the
    commit that fired it.
    """
    new: list[Commit] = []
    for one in _ancestors(txn, commit.id):
        if one.id == fired.commit:
            return new
        new.append(one)
    before = {one.id for one in _ancestors(txn, fired.commit)}
    return [one for one in new if one.id not in before]


def _ancestors(txn: ReadTxn, commit_id: str) -> Iterator[Commit]:
    """A commit and all that it stands on, newest first."""
    while commit_id and (commit := find_commit(txn, commit_id)) is not None:
        yield commit
        commit_id = commit.parent


def _key(pipeline: Pipeline, item: Input) -> bytes:
    return _PREFIX + name_key(pipeline.name, item.name)


def _find(txn: ReadTxn, pipeline: Pipeline, item: Input) -> _Fired:
    value = txn.get(Table.META, _key(pipeline, item))
    return unpack(_Fired, value) if value is not None else _NEVER


def _remember(txn: WriteTxn, pipeline: Pipeline, item: Input, commit: Commit, now_ns: int) -> None:
    txn.put(Table.META, _key(pipeline, item), pack(_Fired(commit.id, now_ns)))
