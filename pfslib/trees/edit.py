"""Root and edits in, new root out.

The edits of a commit are first laid over each other, in order, as a sparse tree of changes; then
each changed directory is written once, from the bottom up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

import msgspec

from pfslib.kv.protocol import WriteTxn
from pfslib.model.errors import PathClashError
from pfslib.model.nodes import Content, Entry, Kind
from pfslib.model.paths import join_path
from pfslib.trees.directories import Change, empty_directory, write_directory
from pfslib.trees.lookup import find_child
from pfslib.trees.nodestore import TreeCache


class Op(IntEnum):
    """What an edit does. The numbers are part of the format."""

    PUT = 0
    APPEND = 1
    DELETE = 2


class Edit(msgspec.Struct, array_like=True, frozen=True):
    """One change to a tree, as staged in an open commit."""

    op: int
    path: tuple[bytes, ...]
    entry: Entry | None = None
    """PUT: the new entry, a file, link or whole directory. APPEND: what is added to the file."""


class Applied(msgspec.Struct, frozen=True):
    """The outcome of edits."""

    root: Entry
    added_bytes: int


class _Changes:
    """Changes below one directory; `fresh` when what was there before does not count."""

    __slots__ = ("base", "children", "fresh")

    def __init__(self, *, fresh: bool = False, base: Entry | None = None) -> None:
        self.fresh = fresh
        self.base = base
        self.children: dict[bytes, _Changes | _Put | None] = {}


class _Put:
    """A new entry; `fresh` when something was deleted at its place before."""

    __slots__ = ("entry", "fresh")

    def __init__(self, entry: Entry, *, fresh: bool) -> None:
        self.entry = entry
        self.fresh = fresh


def apply_edits(
    txn: WriteTxn,
    root: Entry,
    edits: Iterable[Edit],
    cache: TreeCache,
    *,
    origin: bytes,
    now_ns: int,
    appended: Mapping[tuple[bytes, ...], Content] | None = None,
) -> Applied:
    """Apply edits, in order, to a tree.

    Args:
        txn: The change to make it in.
        root: The tree's root directory.
        edits: What to do.
        cache: What is remembered of trees.
        origin: Id of the commit that makes the changes.
        now_ns: Modification time of the directories that change.
        appended: Whole new content of each path that an APPEND names.

    Returns:
        The new root, and the bytes that the edits wrote. A put of what is there already changes
        nothing, not even times.

    Raises:
        PathClashError: A path would be a file and a directory.
    """
    overlay = _Changes(base=root)
    added = 0
    for edit in edits:
        added += _lay(overlay, edit, appended or {}, origin)
    writer = _Writer(txn, cache, origin=origin, now_ns=now_ns)
    new_root = writer.directory(root, overlay, b"", ())
    if new_root is None:
        new_root = empty_directory(txn, mtime_ns=now_ns, origin=origin)
    if new_root.same_content(root):
        return Applied(root, 0)
    return Applied(new_root, added - writer.unchanged_bytes)


def _lay(
    overlay: _Changes,
    edit: Edit,
    appended: Mapping[tuple[bytes, ...], Content],
    origin: bytes,
) -> int:
    """Lay one edit over the earlier ones; the bytes it writes."""
    *above, name = edit.path
    place = overlay
    for depth, part in enumerate(above):
        place = _below(place, part, edit.path[: depth + 1])
    known = name in place.children
    before = place.children.get(name)
    if edit.op == Op.DELETE:
        place.children[name] = None
        return 0
    assert edit.entry is not None
    entry = msgspec.structs.replace(edit.entry, name=name, origin=origin)
    if isinstance(before, _Changes) and (before.children or before.base is not None):
        raise PathClashError(join_path(edit.path), "it is a directory: delete it first")
    size = entry.size
    if edit.op == Op.APPEND:
        whole = appended[edit.path]
        entry = msgspec.structs.replace(entry, size=whole.size, content=whole.ref)
    fresh = (known and before is None) or (isinstance(before, _Put) and before.fresh)
    place.children[name] = _Put(entry, fresh=fresh)
    return size


def _below(place: _Changes, part: bytes, path: tuple[bytes, ...]) -> _Changes:
    """The changes of a subdirectory that an edit passes through."""
    found = place.children.get(part)
    if isinstance(found, _Changes):
        return found
    if isinstance(found, _Put):
        if found.entry.kind != Kind.DIRECTORY:
            raise PathClashError(join_path(path), "it is a file: nothing can be put below it")
        below = _Changes(fresh=True, base=found.entry)
    else:
        below = _Changes(fresh=part in place.children)
    place.children[part] = below
    return below


class _Writer:
    """Writes changed directories, from the bottom up."""

    def __init__(self, txn: WriteTxn, cache: TreeCache, *, origin: bytes, now_ns: int) -> None:
        self._txn = txn
        self._cache = cache
        self._origin = origin
        self._now_ns = now_ns
        self.unchanged_bytes = 0

    def directory(
        self, base: Entry | None, changes: _Changes, name: bytes, path: tuple[bytes, ...]
    ) -> Entry | None:
        """The changed directory; None when nothing is left in it."""
        rows: list[Change] = []
        for child in sorted(changes.children):
            old = find_child(self._txn, base, child, self._cache) if base is not None else None
            new = self._child(old, changes.children[child], child, (*path, child))
            if new is not old:
                rows.append((child, new))
        if not rows:
            return base
        written = write_directory(
            self._txn,
            base,
            rows,
            self._cache,
            name=name,
            mtime_ns=self._now_ns,
            origin=self._origin,
        )
        if base is not None and written is not None and written.content == base.content:
            return base
        return written

    def _child(
        self,
        old: Entry | None,
        change: _Changes | _Put | None,
        name: bytes,
        path: tuple[bytes, ...],
    ) -> Entry | None:
        if change is None:
            return None
        if isinstance(change, _Changes):
            base = change.base if change.fresh else old
            if base is not None and base.kind != Kind.DIRECTORY:
                raise PathClashError(join_path(path), "it is a file: nothing can be put below it")
            return self.directory(base, change, name, path)
        entry = change.entry
        if old is None:
            return entry
        if entry.same_content(old):
            self.unchanged_bytes += entry.size
            return old
        if not change.fresh and (old.kind == Kind.DIRECTORY) != (entry.kind == Kind.DIRECTORY):
            what = "a directory" if old.kind == Kind.DIRECTORY else "a file"
            raise PathClashError(join_path(path), f"it is {what}: delete it first")
        return entry
