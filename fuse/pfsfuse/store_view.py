"""A whole store as a directory: ``/<repo>/<branch, tag or commit id>/...``, as it is at any moment.

A branch's directory is another inode for each head. So a path leads to what the head is when it is
walked, while a file or a listing that is open, or a working directory, stays with the commit it was
found in: nothing is ever mixed of two commits.

What the kernel knows of a commit keeps it from gc: a `ShownCommit` lives as long as an inode of it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator
from typing import Protocol
from weakref import WeakValueDictionary

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

    def heads(self, only: str | None = None, /) -> list[CatalogEntry]:
        """The heads of all branches, or of those of one repo."""
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

    def deleted(self, commits: Iterable[str], /) -> set[str]:
        """Which of some commits, by id, are not there any more."""
        ...

    def keep(self, entry: CatalogEntry, /) -> object:
        """Keep the tree of a commit from gc while somebody has what this returns."""
        ...

    def tidy(self) -> None:
        """Let gc have what nobody wants kept any more."""
        ...


class ShownCommit(ShownTree):
    """The tree of a commit that was looked up, kept from gc."""

    def __init__(self, tree: Tree, *, label: bytes, kept: object) -> None:
        super().__init__(tree, label=label)
        self._kept = kept


_Known = WeakValueDictionary[str, ShownCommit]
"""The commits of which the kernel knows something, by id."""


class ShownStore(ShownDirectory):
    """The repos of a store."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: _Known = WeakValueDictionary()

    def top(self) -> Inode:
        """The directory of all repos, as old as the newest head is now."""
        newest_ns = _newest_ns(self._catalog.heads(), default=time.time_ns())
        return Inode(directory_entry(b"", mtime_ns=newest_ns), self)

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

    def deleted(self) -> list[ShownCommit]:
        """What the kernel knows something of though its commit was deleted."""
        known = {ref.key: ref() for ref in self._known.valuerefs()}  # another thread adds to it
        gone = self._catalog.deleted(known) if known else set()
        return [shown for commit, shown in known.items() if shown is not None and commit in gone]

    def tidy(self) -> None:
        """Let gc have the commits that the kernel has forgotten."""
        self._catalog.tidy()

    def _repo(self, directory: Inode, name: str) -> Inode:
        heads = self._catalog.heads(name)
        newest_ns = _newest_ns(heads, default=directory.entry.mtime_ns)
        entry = directory_entry(name.encode(), mtime_ns=newest_ns)
        return Inode(entry, ShownRepo(self._catalog, name, self._known), directory)


class ShownRepo(ShownDirectory):
    """The branches, tags and commits of a repo."""

    def __init__(self, catalog: Catalog, repo: str, known: _Known) -> None:
        self._catalog = catalog
        self._repo = repo
        self._known = known

    def child(self, directory: Inode, name: bytes, /) -> Inode:
        """See Shown."""
        text = _text(name)
        found = self._catalog.find(self._repo, text)
        while (shown := self._known.get(found.commit)) is None:
            kept, before = self._keep(found), found
            found = self._catalog.find(self._repo, text)
            if found.commit == before.commit:  # still there, so it cannot be swept now
                tree, label = self._catalog.open(found), self._label(found)
                shown = self._known[found.commit] = ShownCommit(tree, label=label, kept=kept)
                break
        return _inode(directory, found, shown)

    def children(self, directory: Inode, position: int = 0, /) -> Iterator[Inode]:
        """See Shown. They are only names until they are looked up, and do not keep anything."""
        for found in self._catalog.entries(self._repo)[position:]:
            shown = ShownTree(self._catalog.open(found), label=self._label(found))
            yield _inode(directory, found, shown)

    def _keep(self, entry: CatalogEntry) -> object:
        """Keep a commit from gc, or fail for this name alone: what is shown must stay readable."""
        try:
            return self._catalog.keep(entry)
        except OSError as error:  # no room, or no access: nothing that whoever looks could mend
            why = f"{self._repo}@{entry.commit} cannot be kept from gc: {error}"
            raise OSError(errno.EIO, why) from error

    def _label(self, found: CatalogEntry) -> bytes:
        return f"{self._repo}@{found.commit}".encode()


def _inode(directory: Inode, found: CatalogEntry, shown: ShownTree) -> Inode:
    salt = b"" if found.is_final else b"/" + found.commit.encode()
    return shown.under(directory, found.name.encode(), salt=salt)


def _newest_ns(heads: Iterable[CatalogEntry], *, default: int) -> int:
    """The time of the newest of some heads: the same however often they are mounted."""
    return max((head.root.mtime_ns for head in heads), default=default)


def _text(name: bytes) -> str:
    try:
        return name.decode("ascii")
    except UnicodeDecodeError:
        raise PathNotFoundError(name.decode("utf-8", "surrogateescape")) from None
