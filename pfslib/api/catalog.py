"""Catalog: the names of a store and the trees they lead to, for the mount that shows all of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

import msgspec

from pfslib.api.tree import Tree
from pfslib.api.tree_source import STORE_PARAMETERS, TreeSource
from pfslib.commits.branches import find_branch, list_branches
from pfslib.commits.refs import find_commit, list_commit_ids
from pfslib.commits.repos import find_repo, list_repos
from pfslib.commits.tags import find_tag, list_tags
from pfslib.kv.protocol import ReadTxn
from pfslib.kv.store_dir import check_store
from pfslib.model.errors import CommitNotFoundError, RepoNotFoundError
from pfslib.model.names import is_commit_id
from pfslib.model.nodes import Entry


class CatalogEntry(msgspec.Struct, frozen=True):
    """A name in a repo, and the commit it means."""

    name: str
    """A branch, a tag, or the commit's own id."""

    commit: str
    """Its id."""

    root: Entry
    """Its directory."""

    @property
    def is_final(self) -> bool:
        """Whether it means the same for ever: only an id does."""
        return self.name == self.commit


class Kept:
    """A tree is kept from gc while somebody has this."""


class Catalog(TreeSource):
    """A store opened for its names and trees: light, for mounts."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._kept: WeakValueDictionary[bytes, Kept] = WeakValueDictionary()
        self._keeping = self.kv.hold()
        self._noted = 0
        self._lock = Lock()

    def repos(self) -> list[str]:
        """The names of all repos, sorted."""
        with self.kv.read() as txn:
            return [repo.name for repo in list_repos(txn)]

    def has_repo(self, repo: str) -> bool:
        """Whether there is a repo of a name."""
        with self.kv.read() as txn:
            return find_repo(txn, repo) is not None

    def entries(self, repo: str) -> list[CatalogEntry]:
        """All branches, tags and commits of a repo, sorted by name.

        Raises:
            RepoNotFoundError: There is none.

        Cost: a look-up for each commit.
        """
        with self.kv.read() as txn:
            if find_repo(txn, repo) is None:
                raise RepoNotFoundError(repo)
            named = dict(_named(txn, repo))
            found = (_entry(txn, repo, name, commit) for name, commit in sorted(named.items()))
            return [entry for entry in found if entry is not None]

    def heads(self, only: str | None = None) -> list[CatalogEntry]:
        """The heads of all branches of all repos, or of one. Cost: a look-up for each."""
        with self.kv.read() as txn:
            repos = [repo.name for repo in list_repos(txn)] if only is None else [only]
            found = (
                _entry(txn, repo, branch.name, branch.head)
                for repo in repos
                for branch in list_branches(txn, repo)
            )
            return [entry for entry in found if entry is not None]

    def find(self, repo: str, name: str) -> CatalogEntry:
        """What a name in a repo means, now.

        Args:
            repo: The repo.
            name: A branch, a tag or a commit's id.

        Raises:
            CommitNotFoundError: Nothing.

        Cost: a few look-ups.
        """
        with self.kv.read() as txn:
            entry = _entry(txn, repo, name, _commit_of(txn, repo, name))
        if entry is None:
            raise CommitNotFoundError(repo, name)
        return entry

    def open(self, entry: CatalogEntry) -> Tree:
        """The tree of a commit."""
        return Tree(self.kv, entry.root, self.cache, where=f"commit {entry.commit}")

    def deleted(self, commits: Iterable[str]) -> set[str]:
        """Which of some commits, by id, are not there any more. Cost: a look-up for each."""
        with self.kv.read() as txn:
            return {commit for commit in commits if find_commit(txn, commit) is None}

    def keep(self, entry: CatalogEntry) -> Kept:
        """Keep the tree of a commit from gc.

        To be sure of all of it, see afterwards that the commit is there.

        Returns:
            What to hold on to meanwhile; when nobody does, `tidy` lets gc have the tree.

        Raises:
            StoreFullError: There is no room to note it down.
            OSError: The store's directory cannot be written to.
        """
        root = entry.root.node
        with self._lock:
            kept = self._kept.get(root)
            if kept is None:
                self._keeping.add((root,))
                self._noted += 1
                self._kept[root] = kept = Kept()
            return kept

    def tidy(self) -> None:
        """Let gc have what nobody wants kept any more. Cost: 32 bytes written for all else.

        Raises:
            StoreFullError: There is no room to note down the rest.
            OSError: The store's directory cannot be written to.
        """
        with self._lock:
            wanted = dict(self._kept)
            if len(wanted) == self._noted:
                return
            before, self._keeping = self._keeping, self.kv.hold()
            try:
                self._keeping.add(wanted)
            except BaseException:
                self._keeping = before
                raise
            self._noted = len(wanted)
            before.release()

    def close(self) -> None:
        """See TreeSource."""
        self._keeping.release()
        super().close()


def _named(txn: ReadTxn, repo: str) -> Iterator[tuple[str, str]]:
    for branch in list_branches(txn, repo):
        yield branch.name, branch.head
    for tag in list_tags(txn, repo):
        yield tag.name, tag.commit
    for commit in list_commit_ids(txn, repo):
        yield commit, commit


def _commit_of(txn: ReadTxn, repo: str, name: str) -> str:
    """The id of the commit that a name means; empty for none."""
    branch = find_branch(txn, repo, name)
    if branch is not None:
        return branch.head
    tag = find_tag(txn, repo, name)
    if tag is not None:
        return tag.commit
    return name if is_commit_id(name) else ""


def _entry(txn: ReadTxn, repo: str, name: str, commit_id: str) -> CatalogEntry | None:
    commit = find_commit(txn, commit_id) if commit_id else None
    if commit is None or commit.repo != repo:
        return None
    return CatalogEntry(name, commit.id, commit.root)


def open_catalog(path: str | os.PathLike[str]) -> Catalog:
    """Open an existing store for its names and trees.

    Raises:
        StoreNotFoundError: No store there.
        UnknownFormatError: The store was made by a newer pfslib.
    """
    return Catalog(check_store(Path(path).absolute(), STORE_PARAMETERS))
