"""Which paths edits touch, so that what they do not touch can be read without applying them."""

from __future__ import annotations

from collections.abc import Iterable

from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import PathClashError
from pfslib.model.nodes import Entry
from pfslib.model.paths import join_path
from pfslib.trees.edit import Edit, Op, check_joinable
from pfslib.trees.lookup import find_child
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.walk import Parts


class Touched:
    """The paths of some edits."""

    __slots__ = ("_above", "_at")

    def __init__(self, edits: Iterable[Edit] = ()) -> None:
        self._at: dict[Parts, Edit] = {}
        self._above: set[Parts] = set()
        self.add(edits)

    def add(self, edits: Iterable[Edit]) -> None:
        """Take in more edits, which come after the others."""
        for edit in edits:
            self._at[edit.path] = edit
            self._above.update(edit.path[:depth] for depth in range(len(edit.path)))

    def touches(self, path: Parts) -> bool:
        """Whether an edit is at a path, above or below it."""
        if path in self._above:
            return True
        return any(path[:depth] in self._at for depth in range(len(path) + 1))

    def makes_file(self, path: Parts) -> bool:
        """Whether an edit leaves a file at a path, and no other one is above or below it."""
        last = self._at.get(path)
        if last is None or last.op == Op.DELETE or path in self._above:
            return False
        assert last.entry is not None
        above = any(path[:depth] in self._at for depth in range(len(path)))
        return last.entry.is_file and not above

    def file_put_at(self, path: Parts) -> Entry | None:
        """The file that an edit puts at a path, if it is that whatever is there else."""
        if not self.makes_file(path) or self._at[path].op != Op.PUT:
            return None
        return self._at[path].entry


def check_fits(txn: ReadTxn, root: Entry, edit: Edit, cache: TreeCache) -> None:
    """Make sure that an edit can be applied to a tree.

    Raises:
        PathClashError: It would make a file of a directory, or the other way round.
        IsADirectoryInCommitError, PathClashError: It adds to what is no file.
    """
    if edit.entry is None:
        return
    here = root
    for depth, name in enumerate(edit.path, 1):
        if not here.is_dir:
            path = join_path(edit.path[: depth - 1])
            raise PathClashError(path, "it is a file: nothing can be put below it")
        child = find_child(txn, here, name, cache)
        if child is None:
            return
        here = child
    if edit.joins:
        check_joinable(here, edit.path)
    elif here.is_dir != edit.entry.is_dir:
        what = "a directory" if here.is_dir else "a file"
        raise PathClashError(join_path(edit.path), f"it is {what}: delete it first")
