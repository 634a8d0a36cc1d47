"""Edits to tree, tree to commit, commit to head: one transaction.

Folding is the first half alone: staged edits become the open commit's root, so that it can be read
and its log of edits stays short.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from pfslib.commits.branches import advance
from pfslib.commits.provenance import link
from pfslib.commits.seal import sealed
from pfslib.commits.staging import (
    clear_staged,
    discard,
    get_open,
    put_open,
    staged,
    staged_end,
    with_root,
)
from pfslib.kv.protocol import KV, Hold, ReadTxn, WriteTxn
from pfslib.kv.tables import Table, id_key, name_prefix, number_key
from pfslib.model.encoding import pack, unpack
from pfslib.model.history import Commit, OpenCommit
from pfslib.model.nodes import Content, Entry
from pfslib.trees.assemble import assemble
from pfslib.trees.contents import ContentWriter
from pfslib.trees.damage import damage_at
from pfslib.trees.edit import Applied, Edit, apply_edits, list_joined
from pfslib.trees.nodestore import TreeCache

Path = tuple[bytes, ...]
ResultT = TypeVar("ResultT")


def fold(
    kv: KV,
    repo: str,
    commit_id: str,
    cache: TreeCache,
    writer: ContentWriter,
    edits: Sequence[Edit] = (),
) -> OpenCommit:
    """Turn the staged edits, and then those given, into the open commit's root.

    Args:
        kv: The store.
        repo: The commit's repo.
        commit_id: The open commit.
        cache: What is remembered of trees.
        writer: Where the contents of the given edits wait.
        edits: Edits that were not staged.

    Raises:
        CommitNotFoundError: It is not open any more.
        PathClashError: A path would be a file and a directory; the edits stay staged.
    """
    return _fold_then(kv, repo, commit_id, cache, writer, edits, lambda _, folded: folded)


def fold_batches(
    kv: KV,
    seen: OpenCommit,
    end: int,
    cache: TreeCache,
    writer: ContentWriter,
    batches: Iterable[Sequence[Edit]],
    hold: Hold,
) -> bool:
    """Turn any number of edits into the open commit's root, all of them or none.

    Each batch goes, in a transaction of its own, into a tree that nothing but a hold leads to; the
    open commit takes that over at the end.

    Args:
        kv: The store.
        seen: The open commit in the state that the edits are for; its root is held.
        end: The number after that of its last staged edit then.
        cache: What is remembered of trees.
        writer: Where the contents of the edits wait.
        batches: The edits; those that are staged, if any, first.
        hold: Takes the roots on the way; to be released by the caller.

    Returns:
        Whether that was done: not if the open commit is in another state by now.

    Raises:
        CommitNotFoundError: It is not open any more.
        PathClashError: A path would be a file and a directory; nothing was changed.
    """
    root, added = seen.root, 0
    for edits in batches:
        if any(edit.joins for edit in edits):
            writer.spill()  # joining reads what is joined back from the store
        with kv.read() as txn:
            joined = _join(txn, root, edits, cache, writer)
        with writer.writing() as change:
            applied = _applied(change, seen, root, edits, joined, cache)
            hold.add((applied.root.node,))
        root, added = applied.root, added + applied.added_bytes
    with kv.write() as change:
        if not _unchanged(change, seen, end):
            return False
        _fold_into(change, seen, Applied(root, added))
    return True


def finish(
    kv: KV,
    repo: str,
    commit_id: str,
    cache: TreeCache,
    writer: ContentWriter,
    edits: Sequence[Edit] = (),
    *,
    allow_empty: bool = True,
    message: str = "",
) -> Commit | None:
    """Make the open commit a commit and the head of its branch; durable when this returns.

    Args:
        kv: The store.
        repo: The commit's repo.
        commit_id: The open commit.
        cache: What is remembered of trees.
        writer: Where the contents of the given edits wait.
        edits: Edits that were not staged.
        allow_empty: Also when the tree is its parent's; otherwise such a commit is discarded.
        message: Why, instead of what was said at the start; empty for that.

    Returns:
        The commit; None when it was discarded as empty.

    Raises:
        CommitNotFoundError: It is not open any more.
        HeadMovedError: The branch was moved meanwhile.
        PathClashError: A path would be a file and a directory; the commit stays open.
    """

    def publish_or_discard(txn: WriteTxn, folded: OpenCommit) -> Commit | None:
        if not allow_empty and _is_empty(txn, folded):
            discard(txn, folded)
            return None
        if message:
            folded = msgspec.structs.replace(folded, message=message)
        return publish(txn, folded)

    return _fold_then(kv, repo, commit_id, cache, writer, edits, publish_or_discard)


def _fold_then(
    kv: KV,
    repo: str,
    commit_id: str,
    cache: TreeCache,
    writer: ContentWriter,
    edits: Sequence[Edit],
    then: Callable[[WriteTxn, OpenCommit], ResultT],
) -> ResultT:
    """Fold, and do something with the outcome in the same transaction."""
    if any(edit.joins for edit in edits):
        writer.spill()  # joining reads what is joined back from the store
    while True:
        with kv.read() as txn:
            seen = get_open(txn, repo, commit_id)
            end = staged_end(txn, seen)
            todo = [*staged(txn, seen), *edits]
            joined = _join(txn, seen.root, todo, cache, writer)
        with writer.writing() as txn:
            now = get_open(txn, repo, commit_id)
            todo = [*staged(txn, now), *edits]
            # Contents were joined to what was seen: if that is stale, join again.
            if any(edit.joins for edit in todo) and not _unchanged(txn, seen, end):
                continue
            return then(txn, _apply(txn, now, todo, joined, cache))


def _join(
    txn: ReadTxn, root: Entry, edits: Sequence[Edit], cache: TreeCache, writer: ContentWriter
) -> dict[Path, Content]:
    """The whole content of each path that the edits append to or write into."""
    if not any(edit.joins for edit in edits):
        return {}
    joined: dict[Path, Content] = {}
    for path, parts in list_joined(txn, root, edits, cache).items():
        with damage_at(path):
            joined[path] = assemble(txn, parts, writer, cache)
    return joined


def publish(txn: WriteTxn, folded: OpenCommit, *, error: str = "") -> Commit:
    """Make a commit of an open commit whose edits are all folded, and move its branch to it.

    Args:
        txn: The change to make it in.
        folded: What to make it of.
        error: Why the job that made it failed. Such a commit stands beside the branch: readable
            by id, never a head, so nothing inherits it and nothing is triggered by it.

    Raises:
        HeadMovedError: The branch was moved meanwhile.
    """
    branch = "" if error else folded.branch
    commit = sealed(
        Commit(
            id=folded.id,
            repo=folded.repo,
            branch=branch,
            number=_next_position(txn, folded.repo, branch),
            parent=folded.parent,
            root=folded.root,
            provenance=folded.provenance,
            message=folded.message,
            started_ns=folded.started_ns,
            finished_ns=time.time_ns(),
            added_bytes=folded.added_bytes,
            error=error,
        )
    )
    key = id_key(commit.id)
    txn.put(Table.COMMITS, key, pack(commit))
    position = name_prefix(commit.repo, commit.branch) + number_key(commit.number)
    txn.put(Table.POSITIONS, position, key)
    link(txn, commit)
    if branch:
        advance(txn, commit.repo, branch, expected=commit.parent, head=commit.id)
    discard(txn, folded)
    return commit


def _next_position(txn: ReadTxn, repo: str, branch: str) -> int:
    last = next(txn.scan(Table.POSITIONS, prefix=name_prefix(repo, branch), reverse=True), None)
    return int.from_bytes(last[0][-8:], "big") + 1 if last else 0


def _apply(
    txn: WriteTxn,
    now: OpenCommit,
    edits: Sequence[Edit],
    joined: dict[Path, Content],
    cache: TreeCache,
) -> OpenCommit:
    return _fold_into(txn, now, _applied(txn, now, now.root, edits, joined, cache))


def _applied(
    txn: WriteTxn,
    open_commit: OpenCommit,
    root: Entry,
    edits: Sequence[Edit],
    joined: dict[Path, Content],
    cache: TreeCache,
) -> Applied:
    """The outcome of the open commit's edits to a tree."""
    return apply_edits(
        txn,
        root,
        edits,
        cache,
        origin=id_key(open_commit.id),
        now_ns=time.time_ns(),
        joined=joined,
    )


def _fold_into(txn: WriteTxn, now: OpenCommit, applied: Applied) -> OpenCommit:
    """Give the open commit the tree that its edits, with the staged ones, make."""
    folded = with_root(now, applied.root, applied.added_bytes, staged_end(txn, now))
    clear_staged(txn, now)
    put_open(txn, folded)
    return folded


def _unchanged(txn: ReadTxn, seen: OpenCommit, end: int) -> bool:
    now = get_open(txn, seen.repo, seen.id)
    return now == seen and staged_end(txn, now) == end


def _is_empty(txn: ReadTxn, folded: OpenCommit) -> bool:
    if not folded.parent:
        return folded.root.files == 0
    value = txn.get(Table.COMMITS, id_key(folded.parent))
    return value is not None and unpack(Commit, value).root.content == folded.root.content
