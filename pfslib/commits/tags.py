"""Tags: names for commits that never move."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.kv.tables import Table, name_key, name_prefix
from pfslib.model.encoding import pack, unpack
from pfslib.model.errors import AlreadyExistsError, NotFoundError, near_miss
from pfslib.model.history import Tag
from pfslib.model.names import check_name


def find_tag(txn: ReadTxn, repo: str, name: str) -> Tag | None:
    """A tag by name; None when there is none."""
    value = txn.get(Table.TAGS, name_key(repo, name))
    return unpack(Tag, value) if value is not None else None


def get_tag(txn: ReadTxn, repo: str, name: str) -> Tag:
    """A tag by name.

    Raises:
        NotFoundError: There is none.
    """
    tag = find_tag(txn, repo, name)
    if tag is None:
        near = near_miss(name, [known.name for known in list_tags(txn, repo)])
        hint = near or f"`pfs list-tag {repo}` lists its tags"
        raise NotFoundError(f"tag {name} not found in repo {repo}", hint=hint)
    return tag


def list_tags(txn: ReadTxn, repo: str) -> Iterator[Tag]:
    """The tags of a repo, by name."""
    for _, value in txn.scan(Table.TAGS, prefix=name_prefix(repo)):
        yield unpack(Tag, value)


def add_tag(txn: WriteTxn, repo: str, name: str, commit_id: str) -> Tag:
    """Give a commit a name that is no branch's.

    Raises:
        InvalidNameError: Not a name for a tag.
        AlreadyExistsError: There is a tag of that name.
    """
    check_name("tag", name)
    check_no_tag(txn, repo, name)
    tag = Tag(repo, name, commit_id, time.time_ns())
    txn.put(Table.TAGS, name_key(repo, name), pack(tag))
    return tag


def delete_tag(txn: WriteTxn, tag: Tag) -> None:
    """Remove a tag; its commit stays."""
    txn.delete(Table.TAGS, name_key(tag.repo, tag.name))


def check_no_tag(txn: ReadTxn, repo: str, name: str) -> None:
    """Make sure that a name is no tag's: no reference may mean two commits.

    Raises:
        AlreadyExistsError: It is.
    """
    tag = find_tag(txn, repo, name)
    if tag is not None:
        raise AlreadyExistsError(
            f"{name} is a tag of repo {repo}, at commit {tag.commit}", hint="use another name"
        )
