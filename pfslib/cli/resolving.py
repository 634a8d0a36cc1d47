"""Which commit a place means, finished or open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfslib.model.errors import CommitNotFoundError, CommitOpenError, StateError

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.info import OpenCommitInfo
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.store import Store
    from pfslib.cli.places import Place


def find_readable(store: Store, place: Place) -> Commit | OpenCommit:
    """The commit to read files of: a finished one or, if named by its id, an open one.

    A branch means its head. What is not finished is nobody else's yet, so it is read only by
    somebody who asks for it by name.

    Raises:
        NotFoundError: Nothing is meant.
        StateError: A branch is meant that has no finished commit.
    """
    try:
        return store.commit(place.reference)
    except CommitOpenError as error:
        if error.commit.startswith(place.commit):
            return store.open_commit(place.repo, error.commit)
        hint = (
            f"`pfs finish-commit {place.repo} {place.commit}` finishes it; "
            "by its id, it can be read as it is so far"
        )
        raise StateError(error.message, hint=hint) from error


def find_any(store: Store, place: Place) -> Commit | OpenCommitInfo:
    """The commit to tell of."""
    try:
        return store.commit(place.reference)
    except CommitOpenError as error:
        return open_info(store, place.repo, error.commit)


def open_info(store: Store, repo: str, commit_id: str) -> OpenCommitInfo:
    """What there is to tell of an open commit.

    Raises:
        CommitNotFoundError: It has been finished or discarded meanwhile.
    """
    for info in store.repo(repo).list_open():
        if info.id == commit_id:
            return info
    raise CommitNotFoundError(repo, commit_id)
