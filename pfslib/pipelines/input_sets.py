"""Which commits go together: those of one job must not come from different states of one branch.

When the outputs of two pipelines are joined, and both were made from commits of one repo, a job
reads those that were made from the same commit: the first to arrive waits for the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pfslib.commits.branches import find_branch
from pfslib.commits.reflog import read_moves
from pfslib.commits.refs import find_commit
from pfslib.kv.protocol import ReadTxn
from pfslib.kv.tables import Table, name_prefix
from pfslib.model.history import Commit, HeadMoved
from pfslib.model.inputs import Input
from pfslib.model.work import JobInput, Pipeline
from pfslib.pipelines.branch_triggers import fired_commit
from pfslib.pipelines.ledger import find_pipeline
from pfslib.pipelines.works import find_work

_Sources = Mapping[tuple[str, str], Commit]


class InputSet(NamedTuple):
    """The commits of one job."""

    inputs: tuple[JobInput, ...]
    failed: str = ""
    """Why it cannot run: which of them is the output of a failed job. Empty when it can."""


class Heads:
    """The heads of branches as they were at a place in the reflog, which moves on.

    Args:
        txn: The state to read.
        place: Moves from here on have not happened yet; None for now.
    """

    def __init__(self, txn: ReadTxn, place: int | None = None) -> None:
        self._txn = txn
        self._heads: dict[tuple[str, str], str] = {}
        if place is not None:
            for _, move in read_moves(txn, place):
                self._heads.setdefault((move.repo, move.branch), move.old)

    def move(self, move: HeadMoved) -> None:
        """Go on beyond a move."""
        self._heads[move.repo, move.branch] = move.new

    def find(self, repo: str, branch: str) -> Commit | None:
        """The head of a branch; None when there is none."""
        head = self._heads.get((repo, branch))
        if head is None:
            found = find_branch(self._txn, repo, branch)
            head = found.head if found is not None else ""
        return find_commit(self._txn, head) if head else None


def reads(item: Input, repo: str, branch: str) -> bool:
    """Whether an input is of a branch."""
    return item.repo == repo and item.branch in {"", branch}


def find_input_set(
    txn: ReadTxn, pipeline: Pipeline, commit: Commit, branch: str, heads: Heads
) -> InputSet | None:
    """The commits that a pipeline reads together with one that has just become a head.

    Args:
        txn: The state to read.
        pipeline: What reads them.
        commit: The commit, or the output of a failed job that would have become a head.
        branch: The branch that it is the head of.
        heads: Where the other branches stand.

    Returns:
        None when it is not read, or when one of the others is not there yet.
    """
    if not any(reads(item, commit.repo, branch) for item in pipeline.inputs):
        return None
    chosen = _sources(txn, commit, branch)
    inputs: list[JobInput] = []
    failed = commit.error and _of_failed(commit)
    for item in pipeline.inputs:
        if reads(item, commit.repo, branch):
            inputs.append(JobInput(item.name, item.repo, branch, commit.id))
            continue
        other = item.branch or branch
        found = _matching(txn, pipeline, item, other, chosen, heads)
        if found is None:
            return None
        failed = failed or (found.error and _of_failed(found))
        inputs.append(JobInput(item.name, item.repo, other, found.id))
        chosen = {**_sources(txn, found, other), **chosen}
    return InputSet(tuple(inputs), failed)


def _matching(
    txn: ReadTxn,
    pipeline: Pipeline,
    item: Input,
    branch: str,
    chosen: _Sources,
    heads: Heads,
) -> Commit | None:
    """The newest commit of a branch that goes with others; else a failed one that would have."""
    head = heads.find(item.repo, branch)
    if item.trigger is not None:
        head = fired_commit(txn, pipeline, item)
    elif head is not None and (item.repo, branch) in chosen:
        return chosen[item.repo, branch]  # what another of them was made from
    for commit in _ancestors(txn, head):
        sources = _sources(txn, commit, branch)
        match = _compare(sources, chosen)
        if match == 0:
            return commit
        if match < 0 or (commit is head and _is_to_come(txn, item.repo, sources, chosen, heads)):
            break
    for commit in _failed_outputs(txn, item.repo):
        sources = _sources(txn, commit, branch)
        match = _compare(sources, chosen)
        if match == 0 and _shares(sources, chosen):
            return commit
        if match < 0:
            break
    return None


def _is_to_come(txn: ReadTxn, repo: str, sources: _Sources, chosen: _Sources, heads: Heads) -> bool:
    """Whether a pipeline is still to follow a branch that was moved back to what was chosen."""
    return find_pipeline(txn, repo) is not None and any(
        heads.find(*place) == chosen[place]
        for place in sources.keys() & chosen.keys()
        if sources[place].id != chosen[place].id
    )


def _ancestors(txn: ReadTxn, commit: Commit | None) -> Iterator[Commit]:
    while commit is not None:
        yield commit
        commit = find_commit(txn, commit.parent) if commit.parent else None


def _failed_outputs(txn: ReadTxn, repo: str) -> Iterator[Commit]:
    """The outputs of failed jobs, newest first."""
    for _, commit_id in txn.scan(Table.POSITIONS, prefix=name_prefix(repo, ""), reverse=True):
        commit = find_commit(txn, commit_id.hex())
        if commit is not None and commit.error:
            yield commit


def _sources(txn: ReadTxn, commit: Commit, branch: str) -> dict[tuple[str, str], Commit]:
    """The commit and all that it was made from, by the branch that each was read at.

    That may be another than the one it was made on: a branch can be moved to any commit.
    """
    found = {(commit.repo, branch): commit}
    todo = [commit]
    while todo:
        for place, source in _made_from(txn, todo.pop()):
            if place not in found:
                found[place] = source
                todo.append(source)
    return found


def _made_from(txn: ReadTxn, commit: Commit) -> Iterator[tuple[tuple[str, str], Commit]]:
    work = find_work(txn, commit.id) if commit.provenance else None
    if work is not None:
        read = [(item.repo, item.branch, item.commit) for item in work.inputs]
    else:
        read = [(link.repo, "", link.id) for link in commit.provenance]
    for repo, branch, commit_id in read:
        source = find_commit(txn, commit_id)
        if source is not None:
            yield (repo, branch or source.branch), source


def _shares(one: _Sources, other: _Sources) -> bool:
    return bool(one.keys() & other.keys())


def _compare(one: _Sources, other: _Sources) -> int:
    """0 when two sets of sources agree; else less than 0 if the first has an older one."""
    differ = [
        _older(one[key], other[key])
        for key in one.keys() & other.keys()
        if one[key].id != other[key].id
    ]
    return min(differ, default=0)


def _older(one: Commit, other: Commit) -> int:
    """Less than 0 if the first is older, for all that can be told; else more."""
    return -1 if one.branch == other.branch and one.number < other.number else 1


def _of_failed(commit: Commit) -> str:
    return f"its input {commit.repo}@{commit.id} is the output of a job that failed: {commit.error}"
