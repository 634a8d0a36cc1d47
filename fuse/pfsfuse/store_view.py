"""A whole store as a directory: ``/<repo>/<branch, tag or commit id>/...``, as it is at any moment.

A branch's directory is another inode for each head. So a path leads to what the head is when it is
walked, while a file or a listing that is open, or a working directory, stays with the commit it was
found in: nothing is ever mixed of two commits.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from typing import Protocol

from pfsfuse.inodes import Inode
from pfsfuse.views import ShownDirectory, ShownTree, Tree, directory_entry
from pfslib import CatalogEntry, Entry, PathNotFoundError


class Catalog(Protocol):
    """What the mount needs of a store; `pfslib.Catalog` has it."""

    def repos(self) -> list[str]:
        """The names of all repos, sorted."""
        ...

    def has_repo(self, repo: str, /) -> bool:
        """Whether there is a repo of a name."""
        ...

    def entries(self, repo: str, /) -> list[CatalogEntry]:
        """All branches, tags and commits of a repo."""
        ...

    def heads(self) -> list[CatalogEntry]:
        """The heads of all branches."""
        ...

    def find(self, repo: str, name: str, /) -> CatalogEntry:
        """What a name in a repo means, now.

        Raises:
            CommitNotFoundError: Nothing.
        """
        ...

    def open(self, entry: CatalogEntry, /) -> Tree:
        """The tree of a commit."""
        ...

    def keep(self, entry: CatalogEntry, /) -> None:
        """Keep the tree of a commit from gc as long as the store is open."""
        ...


class ShownStore(ShownDirectory):
    """The repos of a store."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def top(self) -> Inode:
        """The directory of all repos."""
        return Inode(directory_entry(b"", mtime_ns=time.time_ns()), self)

    def child(self, directory: Inode, name: bytes, /) -> Inode:
        """See Shown."""
        text = _text(name)
        if not self._catalog.has_repo(text):
            raise PathNotFoundError(text)
        return self._repo(directory, text)

    def children(self, directory: Inode, position: int = 0, /) -> Iterator[Inode]:
        """See Shown."""
        return (self._repo(directory, name) for name in self._catalog.repos()[position:])

    def total(self, top: Inode, /) -> Entry:
        """See Shown. What the heads of all branches hold: each commit holds much of the same."""
        heads = self._catalog.heads()
        size, files = sum(head.root.size for head in heads), sum(head.root.files for head in heads)
        return directory_entry(b"", mtime_ns=top.entry.mtime_ns, size=size, files=files)

    def _repo(self, directory: Inode, name: str) -> Inode:
        entry = directory_entry(name.encode(), mtime_ns=directory.entry.mtime_ns)
        return Inode(entry, ShownRepo(self._catalog, name), directory)


class ShownRepo(ShownDirectory):
    """The branches, tags and commits of a repo."""

    def __init__(self, catalog: Catalog, repo: str) -> None:
        self._catalog = catalog
        self._repo = repo

    def child(self, directory: Inode, name: bytes, /) -> Inode:
        """See Shown."""
        text = _text(name)
        found, kept = self._catalog.find(self._repo, text), None
        while kept is None or kept.commit != found.commit:
            kept = found
            self._keep(kept)
            found = self._catalog.find(self._repo, text)  # still there, so it cannot be swept now
        return self._inode(directory, found)

    def children(self, directory: Inode, position: int = 0, /) -> Iterator[Inode]:
        """See Shown."""
        entries = self._catalog.entries(self._repo)[position:]
        return (self._inode(directory, found) for found in entries)

    def _keep(self, entry: CatalogEntry) -> None:
        """Keep a commit from gc, or fail for this name alone: what is shown must stay readable."""
        try:
            self._catalog.keep(entry)
        except OSError as error:  # no room, or no access: nothing that whoever looks could mend
            why = f"{self._repo}@{entry.commit} cannot be kept from gc: {error}"
            raise OSError(errno.EIO, why) from error

    def _inode(self, directory: Inode, found: CatalogEntry) -> Inode:
        salt = b"" if found.is_final else b"/" + found.commit.encode()
        shown = ShownTree(self._catalog.open(found), label=f"{self._repo}@{found.commit}".encode())
        return shown.under(directory, found.name.encode(), salt=salt)


def _text(name: bytes) -> str:
    try:
        return name.decode("ascii")
    except UnicodeDecodeError:
        raise PathNotFoundError(name.decode("utf-8", "surrogateescape")) from None
