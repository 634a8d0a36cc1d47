"""What differs between two commits."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from pfslib.api.info import KIND_NAMES
from pfslib.api.line_diff import unified_diff
from pfslib.api.tree import Tree
from pfslib.kv.short_reads import ShortReads
from pfslib.model.errors import (
    InvalidInputError,
    IsADirectoryInCommitError,
    PathNotFoundError,
)
from pfslib.model.nodes import Entry, Kind
from pfslib.model.paths import join_path, split_path, to_text
from pfslib.trees.damage import damage_of
from pfslib.trees.diff import Difference, diff
from pfslib.trees.lookup import find_entry

if TYPE_CHECKING:
    from pfslib.api.tree_source import TreeSource

TEXT_BYTES_MAX: Final = 8 << 20
"""Longer files are not compared line by line: all of both is in memory meanwhile."""


class DiffEntry(msgspec.Struct, frozen=True):
    """A file or link that differs between two commits."""

    op: str
    """``added``, ``removed`` or ``changed``."""

    path: str
    """Absolute, in both commits."""

    old_size: int
    """Bytes; 0 if added."""

    new_size: int
    """Bytes; 0 if removed."""

    kind: str
    """``file`` or ``symlink``; what it is now, or was if it is gone."""

    @classmethod
    def of(cls, difference: Difference) -> DiffEntry:
        """The public form of a difference."""
        path, old, new = difference
        entry = new if new is not None else old
        assert entry is not None
        return cls(
            op="added" if old is None else "removed" if new is None else "changed",
            path=join_path(path),
            old_size=old.size if old is not None else 0,
            new_size=new.size if new is not None else 0,
            kind=KIND_NAMES[Kind(entry.kind)],
        )


def diff_trees(store: TreeSource, old: Tree | None, new: Tree, path: str) -> Iterator[DiffEntry]:
    """See ``DiffVerbs.diff``."""
    before, after = _both(store, old, new, path)
    rows = diff(ShortReads(store.kv), before, after, store.cache, at=split_path(path))
    return _named(map(DiffEntry.of, rows), old, new, path)


def _named(
    rows: Iterator[DiffEntry], old: Tree | None, new: Tree, path: str
) -> Iterator[DiffEntry]:
    """The same, but damage that is met says where."""
    where = f"{new.where}, or {old.where}" if old is not None else new.where

    def check_there() -> None:
        for tree in (new, old):
            if tree is not None:
                tree.check_there()

    with damage_of(where, path, check_there=check_there):
        yield from rows


def diff_text(store: TreeSource, old: Tree | None, new: Tree, path: str, context: int) -> str:
    """See ``DiffVerbs.text_diff``."""
    path = join_path(split_path(path))
    before, after = _files(*_both(store, old, new, path), path)
    texts = _lines(old or new, before, path), _lines(new, after, path)
    labels = f"a{path}" if before else "/dev/null", f"b{path}" if after else "/dev/null"
    if any("\0" in line for line in chain(*texts)):
        return f"Binary files {labels[0]} and {labels[1]} differ\n" if texts[0] != texts[1] else ""
    rows = unified_diff(*texts, *labels, context=context)
    return "".join(
        row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows
    )


def _files(
    before: Entry | None, after: Entry | None, path: str
) -> tuple[Entry | None, Entry | None]:
    """The same; a directory that became a file, or was one, counts as nothing, as in `diff`.

    Raises:
        IsADirectoryInCommitError: No commit has a file there.
    """
    files = [None if entry is None or entry.is_dir else entry for entry in (before, after)]
    if files == [None, None]:
        raise IsADirectoryInCommitError(path)
    return files[0], files[1]


def _lines(tree: Tree, entry: Entry | None, path: str) -> list[str]:
    if entry is None:
        return []
    if entry.size > TEXT_BYTES_MAX:
        raise InvalidInputError(
            f"{path} has {entry.size} bytes, more than the {TEXT_BYTES_MAX} that are compared",
            hint="export both commits and use a tool for large files",
        )
    data = tree.read(entry, path=path)
    return [to_text(line) for line in io.BytesIO(data)]  # only a newline ends a line


def _both(
    store: TreeSource, old: Tree | None, new: Tree, path: str
) -> tuple[Entry | None, Entry | None]:
    """What is at a path of two trees.

    Raises:
        PathNotFoundError: Neither has it.
    """
    parts, txn = split_path(path), ShortReads(store.kv)
    before = None
    if old is not None:
        with old.naming(path):
            before = find_entry(txn, old.root, parts, store.cache)
    with new.naming(path):
        after = find_entry(txn, new.root, parts, store.cache)
    if before is None and after is None:
        raise PathNotFoundError(join_path(parts), f"{new.where}, nor in what it is compared to")
    return before, after
