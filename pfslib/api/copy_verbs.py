"""The verb of an open commit that copies, by reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfslib.api.commit import Commit
from pfslib.api.editing import Editing
from pfslib.api.exclusive import Turns, one_at_a_time
from pfslib.model.errors import InvalidInputError, InvalidPathError, PathNotFoundError
from pfslib.model.nodes import Entry
from pfslib.model.paths import join_path, split_path
from pfslib.trees.edit import Edit, Op
from pfslib.trees.walk import Parts

if TYPE_CHECKING:
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.store import Store


class CopyVerbs:
    """Taking files and directories over."""

    _store: Store
    _editing: Editing
    _turns: Turns

    def copy_file(self, source: Commit | OpenCommit, source_path: str, path: str) -> None:
        """Take a file or directory over from a commit of the same store, by reference.

        Args:
            source: The commit to take it from; of an open one, or this, what was put so far.
            source_path: What to take.
            path: Where it goes, in this commit.

        Raises:
            InvalidInputError: The commit is in another store.
            PathNotFoundError: Nothing is there.
            CommitNotFoundError: The commit was deleted.

        Cost: O(1) in the content, also for a whole directory; of a file that was put just before
            into this commit, that of an edit.
        """
        self._editing.check()
        if source.store_path != self._store.path:
            raise InvalidInputError(
                f"commit {source} is in another store, {source.store_path}",
                hint="put what `source.stream_file(path)` gives",
            )
        parts = split_path(path)
        if not parts:
            raise InvalidPathError(path, "it is the root; copy what is in it")
        if source is self:
            self._copy_within(split_path(source_path), parts)
            return
        tree = source.tree  # not within the turn: two commits may copy from each other
        self._copy(tree.find(source_path), parts, source)

    @one_at_a_time
    def _copy(self, entry: Entry, at: Parts, source: Commit | OpenCommit) -> None:
        self._editing.writer.keep(entry)
        if isinstance(source, Commit):
            source.check_there()
        self._editing.add([Edit(Op.PUT, at, entry)])

    @one_at_a_time
    def _copy_within(self, source: Parts, at: Parts) -> None:
        waiting = self._editing.waiting_file(source)  # the writer has its content
        if waiting is not None:
            self._editing.add([Edit(Op.PUT, at, waiting)])
            return
        seen = None
        while seen != (now := self._editing.find(source)):  # or it may be gone before it is kept
            seen = now
            if seen[1] is None:
                raise PathNotFoundError(join_path(source), self._editing.said)
            self._editing.writer.keep(seen[1])
        self._editing.add([Edit(Op.PUT, at, now[1])])
