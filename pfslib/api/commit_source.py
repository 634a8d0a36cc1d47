"""CommitSource: a store opened to find finished commits and mount them, and nothing else.

What `pfs mount` opens: none of the modules for pipelines, and for writing, are imported.
"""

from __future__ import annotations

import os

from pfslib.api.commit import Commit
from pfslib.api.mount_verbs import MountVerbs
from pfslib.api.tree_source import STORE_PARAMETERS, TreeSource
from pfslib.commits.refs import resolve, resolve_open
from pfslib.commits.repos import get_repo
from pfslib.kv.store_dir import check_store, locate_store
from pfslib.model.errors import CommitNotFoundError, CommitOpenError, InvalidReferenceError
from pfslib.model.names import parse_file_reference


class CommitSource(TreeSource, MountVerbs):
    """An open store that commits can be read from. A context manager."""

    def commit(self, reference: str) -> Commit:
        """The finished commit that ``repo@ref`` means.

        ``ref`` is a branch, an id or the beginning of one, any of them with ``^``, ``~2`` (parents)
        or ``.0``, ``/0`` (position on the branch).

        Raises:
            RepoNotFoundError: No such repo.
            CommitNotFoundError: The reference means no commit.
            CommitOpenError: It means a commit that is not finished.
            InvalidReferenceError: Not a reference.
        """
        place = parse_file_reference(reference)
        with self.kv.read() as txn:
            get_repo(txn, place.repo)
            if not place.commit:
                raise InvalidReferenceError(reference, "it names a repo, not a commit")
            if place.path:
                raise InvalidReferenceError(reference, "it names a file, not a commit")
            try:
                return Commit(self, resolve(txn, place.repo, place.commit))
            except CommitNotFoundError:
                unfinished = resolve_open(txn, place.repo, place.commit)
                if unfinished is None:
                    raise
                raise CommitOpenError(place.repo, unfinished.id) from None


def open_commits(path: str | os.PathLike[str] | None = None) -> CommitSource:
    """Open an existing store to find commits: light, for `pfs mount`.

    Args:
        path: As for `pfslib.open`.

    Raises:
        StoreNotFoundError: No store there.
        UnknownFormatError: The store was made by a newer pfslib.
    """
    return CommitSource(check_store(locate_store(path, os.environ), STORE_PARAMETERS))
