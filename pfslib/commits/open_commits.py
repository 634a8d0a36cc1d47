"""Find the open commits: light, for those that only want to know what a reference means."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn
from pfslib.kv.tables import Table, id_key, name_key
from pfslib.model.encoding import unpack
from pfslib.model.history import OpenCommit


def find_open(txn: ReadTxn, commit_id: str) -> OpenCommit | None:
    """An open commit by its full id; None when there is none."""
    value = txn.get(Table.OPEN, id_key(commit_id))
    return unpack(OpenCommit, value) if value is not None else None


def find_open_on(txn: ReadTxn, repo: str, branch: str) -> OpenCommit | None:
    """The open commit of a branch, if any."""
    commit_id = txn.get(Table.OPEN_BRANCHES, name_key(repo, branch))
    return find_open(txn, commit_id.hex()) if commit_id is not None else None


def list_open(txn: ReadTxn, repo: str) -> Iterator[OpenCommit]:
    """The open commits of a repo, by branch."""
    for _, commit_id in txn.scan(Table.OPEN_BRANCHES, prefix=name_key(repo) + b"\0"):
        found = find_open(txn, commit_id.hex())
        if found is not None:
            yield found
