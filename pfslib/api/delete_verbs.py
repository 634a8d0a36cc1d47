"""The verbs of an open commit that delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfslib.api.editing import Editing, holding
from pfslib.api.exclusive import Turns, one_at_a_time
from pfslib.kv.short_reads import ShortReads
from pfslib.model.errors import InvalidPathError, PathNotFoundError
from pfslib.model.globs import compile_glob
from pfslib.model.paths import join_path, split_path
from pfslib.trees.edit import Edit, Op
from pfslib.trees.glob import glob_entries
from pfslib.trees.walk import Parts

if TYPE_CHECKING:
    from pfslib.api.store import Store


class DeleteVerbs:
    """Deleting files and directories."""

    _store: Store
    _editing: Editing
    _turns: Turns

    @one_at_a_time
    def delete_file(self, path: str, *, missing_ok: bool = False) -> None:
        """Remove a file, or a directory with all below it.

        Args:
            path: The file or directory.
            missing_ok: Do nothing if it is not there, as Pachyderm does.

        Raises:
            InvalidPathError: It is the root.
            PathNotFoundError: Nothing is there.
        """
        parts = split_path(path)
        check_deletable(parts, path)
        if self._editing.makes_file(parts):
            self._editing.add([Edit(Op.DELETE, parts)])
            return
        while True:
            seen, entry = self._editing.find(parts)
            if entry is None:
                if missing_ok:
                    return
                raise PathNotFoundError(join_path(parts), self._editing.said)
            if self._editing.add([Edit(Op.DELETE, parts)], seen):
                return

    @one_at_a_time
    def delete_glob(self, pattern: str) -> list[str]:
        """Remove every file and directory that a glob matches.

        Args:
            pattern: See `glob`.

        Returns:
            The paths that matched and are gone; none if nothing matched.
        """
        glob = compile_glob(pattern)
        while True:
            gone: list[Parts] = []
            with holding(self._store.kv) as hold, self._editing.naming():
                seen = self._editing.see_held((), hold)
                txn = ShortReads(self._store.kv)
                for parts, _ in glob_entries(txn, seen.root, glob, self._store.cache):
                    if not gone or parts[: len(gone[-1])] != gone[-1]:
                        gone.append(parts)
            for parts in gone:
                check_deletable(parts, pattern)
            if self._editing.add([Edit(Op.DELETE, parts) for parts in gone], seen):
                return [join_path(parts) for parts in gone]


def check_deletable(parts: Parts, asked: str) -> None:
    """See that what is to be deleted is not the root.

    Args:
        parts: What is to be deleted.
        asked: The path or glob that means it.

    Raises:
        InvalidPathError: It is the root.
    """
    if not parts:
        raise InvalidPathError(asked, "it is the root; the glob `/*` deletes what is in it")
