"""The verbs that compare, the same on finished and on open commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfslib.api.differences import DiffEntry, diff_text, diff_trees
from pfslib.api.listing import Listing
from pfslib.api.pages import differences_html
from pfslib.api.tree import Tree

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.tree_source import TreeSource


class DiffVerbs:
    """What differs from another commit. Of an open commit, what has been put so far counts."""

    _store: TreeSource

    def _tree(self) -> Tree:
        """What there is to compare now."""
        raise NotImplementedError

    def parent(self) -> Commit | None:
        """The commit it is on top of; None for the first."""
        raise NotImplementedError

    def diff(self, other: Commit | None = None, path: str = "/") -> Listing[DiffEntry]:
        """The files and links that differ from another commit, in path order.

        Args:
            other: The commit to compare to, of any repo of the store; None for the parent, or for
                the empty tree if there is none.
            path: The directory or file to look at.

        Raises:
            PathNotFoundError: Neither commit has it.

        Cost: O(log n) for each difference, whatever the size of the commits. Times alone are no
        difference.
        """
        old, new = self._or_parent(other), self._tree()
        return Listing(lambda: diff_trees(self._store, old, new, path), differences_html)

    def text_diff(self, path: str, other: Commit | None = None, *, context: int = 3) -> str:
        """The lines of a text file that differ from another commit, as a unified diff.

        Args:
            path: The file.
            other: The commit to compare to; None for the parent.
            context: How many equal lines to show around each difference.

        Returns:
            The diff, empty if nothing differs; for files that are not text, a sentence.

        Raises:
            PathNotFoundError: Neither commit has it.
            IsADirectoryInCommitError: A directory is there.
            InvalidInputError: The file is longer than 8 MiB.
        """
        return diff_text(self._store, self._or_parent(other), self._tree(), path, context)

    def _or_parent(self, other: Commit | None) -> Tree | None:
        old = other if other is not None else self.parent()
        return old.tree if old is not None else None
