"""Where commits came from and what was made from them."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import ID_SIZE, Table, id_key, name_prefix
from pfslib.model.encoding import unpack
from pfslib.model.history import Commit, CommitLink


def link(txn: WriteTxn, commit: Commit) -> None:
    """Record, at each commit that this one was made from, that it was."""
    for source in commit.provenance:
        txn.put(Table.SUBVENANCE, id_key(source.id) + id_key(commit.id), b"")


def provenance(txn: ReadTxn, commit: Commit) -> Iterator[CommitLink]:
    """All commits that a commit was made from, directly or not; nearest first, none twice.

    A commit that was force-deleted is named, but not what it was made from.
    """
    seen: set[str] = set()
    level = list(commit.provenance)
    while level:
        following: list[CommitLink] = []
        for source in level:
            if source.id in seen:
                continue
            seen.add(source.id)
            yield source
            value = txn.get(Table.COMMITS, id_key(source.id))
            if value is not None:
                following.extend(unpack(Commit, value).provenance)
        level = following


def subvenance(txn: ReadTxn, commit_id: str) -> Iterator[CommitLink]:
    """All commits made from a commit, directly or not; nearest first, none twice."""
    seen: set[str] = set()
    level = [commit_id]
    while level:
        following: list[str] = []
        for source in level:
            for key, _ in txn.scan(Table.SUBVENANCE, prefix=id_key(source)):
                made = key[ID_SIZE:]
                value = txn.get(Table.COMMITS, made)
                if value is None or made.hex() in seen:
                    continue
                seen.add(made.hex())
                yield CommitLink(unpack(Commit, value).repo, made.hex())
                following.append(made.hex())
        level = following


def subvenance_repos(txn: ReadTxn, repo: str) -> set[str]:
    """The repos with commits made directly from a repo's commits."""
    found: set[str] = set()
    for _, commit_id in txn.scan(Table.POSITIONS, prefix=name_prefix(repo)):
        for key, _ in txn.scan(Table.SUBVENANCE, prefix=commit_id):
            value = txn.get(Table.COMMITS, key[ID_SIZE:])
            if value is not None:
                found.add(unpack(Commit, value).repo)
    return found
