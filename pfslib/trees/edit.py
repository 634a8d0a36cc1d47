"""Root and edits in, new root out.

The edits of a commit are first laid over each other, in order, as a sparse tree of changes; then
each changed directory is written once, from the bottom up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

import msgspec

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.model.errors import IsADirectoryInCommitError, PathClashError
from pfslib.model.nodes import Content, Entry, Kind
from pfslib.model.paths import join_path
from pfslib.trees.assemble import Patchwork
from pfslib.trees.damage import damage_at
from pfslib.trees.directories import Change, empty_directory, write_directory
from pfslib.trees.lookup import find_child
from pfslib.trees.nodestore import TreeCache


class Op(IntEnum):
    """What an edit does. The numbers are part of the format."""

    PUT = 0
    APPEND = 1
    DELETE = 2
    WRITE = 3


_JOINS: Final = (Op.APPEND, Op.WRITE)


class Edit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One change to a tree, as staged in an open commit."""

    op: int
    path: tuple[bytes, ...]
    entry: Entry | None = None
    """PUT: the new entry, a file, link or whole directory. APPEND, WRITE: what goes into the file
    at its end, or over what is at the offset."""

    offset: int = 0
    """WRITE: first byte that is written over."""

    @property
    def joins(self) -> bool:
        """Whether the new content is made of the old one."""
        return self.op in _JOINS


class Applied(msgspec.Struct, frozen=True):
    """The outcome of edits."""

    root: Entry
    added_bytes: int


class _Changes:
    """Changes below one directory; `fresh` when what was there before does not count."""

    __slots__ = ("base", "children", "fresh", "written")

    def __init__(self, *, fresh: bool = False, base: Entry | None = None, written: int = 0) -> None:
        self.fresh = fresh
        self.base = base
        self.written = written
        self.children: dict[bytes, _Changes | _Put | None] = {}

    def only_delete(self) -> bool:
        """Whether nothing is put below the directory, after what it begins with."""
        return all(
            child is None or (isinstance(child, _Changes) and child.only_delete())
            for child in self.children.values()
        )


class _Put:
    """A new entry.

    Attributes:
        entry: What is put.
        fresh: Something was deleted at its place before.
        emptied: Changes at its place before, which must have left nothing of a directory.
        joined: What goes into it, in order; into what was put first, if anything was. Each with the
            offset it is written at, None for the end. None, without a list, for most.
        whole: Nothing of what was there before is kept: something was put first, or deleted.
        written: Bytes that the edits wrote.
    """

    __slots__ = ("emptied", "entry", "fresh", "joined", "whole", "written")

    def __init__(self, entry: Entry, *, fresh: bool, emptied: _Changes | None = None) -> None:
        self.entry = entry
        self.fresh = fresh
        self.emptied = emptied
        self.joined: list[tuple[Content, int | None]] | None = None
        self.whole = True
        self.written = entry.size

    def join(self, entry: Entry, offset: int | None) -> None:
        """Add to what is put, or write over a part of it."""
        if self.joined is None:
            self.joined = []
        self.joined.append((Content(entry.size, entry.content), offset))
        self.written += entry.size
        self.entry = msgspec.structs.replace(
            entry,
            kind=max(self.entry.kind, entry.kind),  # executable, if either is
        )


def apply_edits(
    txn: WriteTxn,
    root: Entry,
    edits: Iterable[Edit],
    cache: TreeCache,
    *,
    origin: bytes,
    now_ns: int,
    joined: Mapping[tuple[bytes, ...], Content] | None = None,
) -> Applied:
    """Apply edits, in order, to a tree.

    Args:
        txn: The change to make it in.
        root: The tree's root directory.
        edits: What to do.
        cache: What is remembered of trees.
        origin: Id of the commit that makes the changes.
        now_ns: Modification time of the directories that change.
        joined: For each path that `list_joined` gives, what its parts make.

    Returns:
        The new root, and the bytes that the edits wrote. A put of what is there already changes
        nothing, not even times.

    Raises:
        PathClashError: A path would be a file and a directory.
    """
    overlay = _overlay(root, edits, origin)
    writer = _Writer(txn, cache, origin=origin, now_ns=now_ns, joined=joined or {})
    new_root = writer.directory(root, overlay, b"", ())
    if new_root is None:
        new_root = empty_directory(txn, mtime_ns=now_ns, origin=origin)
    if new_root.same_content(root):
        return Applied(root, 0)
    return Applied(new_root, writer.added_bytes)


def list_joined(
    txn: ReadTxn, root: Entry, edits: Iterable[Edit], cache: TreeCache
) -> dict[tuple[bytes, ...], Patchwork]:
    """The paths that edits append to or write into, each with the parts it will be made of.

    Raises:
        IsADirectoryInCommitError: A directory is written into.
        PathClashError: A link is, or a path would be a file and a directory.
    """
    found: dict[tuple[bytes, ...], Patchwork] = {}
    _collect_joined(txn, root, _overlay(root, edits, b""), (), found, cache)
    return found


def _collect_joined(
    txn: ReadTxn,
    base: Entry | None,
    changes: _Changes,
    path: tuple[bytes, ...],
    found: dict[tuple[bytes, ...], Patchwork],
    cache: TreeCache,
) -> None:
    for name, change in changes.children.items():
        below = (*path, name)
        if isinstance(change, _Changes):
            with damage_at(path):
                inside = change.base if change.fresh else _find(txn, base, name, cache)
            _collect_joined(txn, inside, change, below, found, cache)
        elif change is not None and change.joined:
            parts = found[below] = Patchwork()
            with damage_at(path):
                old = None if change.whole else _find(txn, base, name, cache)
            if old is not None and not (old.is_dir and change.emptied is not None):
                check_joinable(old, below)
                parts.append(Content(old.size, old.content))
            for content, offset in change.joined:
                if offset is None:
                    parts.append(content)
                else:
                    parts.write(content, offset)


def _find(txn: ReadTxn, base: Entry | None, name: bytes, cache: TreeCache) -> Entry | None:
    if base is None or not base.is_dir:
        return None
    return find_child(txn, base, name, cache)


def check_joinable(entry: Entry, path: tuple[bytes, ...]) -> None:
    """Refuse to append to, or write into, anything but a file.

    Raises:
        IsADirectoryInCommitError: It is a directory.
        PathClashError: It is a symbolic link.
    """
    if entry.is_dir:
        raise IsADirectoryInCommitError(join_path(path))
    if entry.is_symlink:
        why = "it is a symbolic link: nothing can be written into it"
        raise PathClashError(join_path(path), why)


def _overlay(root: Entry, edits: Iterable[Edit], origin: bytes) -> _Changes:
    """All edits laid over each other."""
    overlay = _Changes(base=root)
    above: tuple[bytes, ...] = ()
    place: _Changes | None = overlay
    for edit in edits:
        if place is None or edit.path[:-1] != above:  # mostly those of a directory come together
            above = edit.path[:-1]
            place = _place_of(overlay, edit)
        if place is not None:
            _lay(place, edit, origin)
    return overlay


def _place_of(overlay: _Changes, edit: Edit) -> _Changes | None:
    """The changes of the directory that an edit is in; None for a delete below a file."""
    place = overlay
    for depth, part in enumerate(edit.path[:-1]):
        below = _below(place, part)
        if below is None:
            if edit.op == Op.DELETE:
                return None
            path = join_path(edit.path[: depth + 1])
            raise PathClashError(path, "it is a file: nothing can be put below it")
        place = below
    return place


def _lay(place: _Changes, edit: Edit, origin: bytes) -> None:
    """Lay one edit over the earlier ones of its directory."""
    name, entry = edit.path[-1], edit.entry
    if entry is None or (entry.is_dir and entry.files == 0):
        # Only a root may be empty: where an empty directory is put nothing is.
        place.children[name] = None
        return
    entry = Entry(
        name,
        entry.kind,
        entry.size,
        entry.content,
        entry.mtime_ns,
        origin,
        entry.node,
        entry.files,
    )
    if edit.joins:
        _lay_join(place, entry, edit)
    else:
        place.children[name] = _put(place, entry, edit.path)


def _lay_join(place: _Changes, entry: Entry, edit: Edit) -> None:
    offset = edit.offset if edit.op == Op.WRITE else None
    before = place.children.get(entry.name)
    if isinstance(before, _Put):
        check_joinable(before.entry, edit.path)
        if not before.joined:
            before.joined = [(Content(before.entry.size, before.entry.content), None)]
        before.join(entry, offset)
        return
    nothing = msgspec.structs.replace(entry, kind=Kind.FILE, size=0, content=b"")
    put = place.children[entry.name] = _put(place, nothing, edit.path)
    put.whole = put.fresh
    put.join(entry, offset)


def _put(place: _Changes, entry: Entry, path: tuple[bytes, ...]) -> _Put:
    """What becomes of a place in a directory where an entry is put."""
    name = entry.name
    before = place.children.get(name)
    if isinstance(before, _Changes):
        if before.only_delete():
            return _Put(entry, fresh=before.fresh, emptied=before)
        if not entry.is_dir:
            raise PathClashError(join_path(path), "it is a directory: delete it first")
        return _Put(entry, fresh=before.fresh)
    if isinstance(before, _Put):
        _check_same_kind(before.entry, entry, path)
        return _Put(entry, fresh=before.fresh, emptied=before.emptied)
    return _Put(entry, fresh=name in place.children)


def _check_same_kind(old: Entry, new: Entry, path: tuple[bytes, ...]) -> None:
    if old.is_dir != new.is_dir:
        what = "a directory" if old.is_dir else "a file"
        raise PathClashError(join_path(path), f"it is {what}: delete it first")


def _below(place: _Changes, part: bytes) -> _Changes | None:
    """The changes of a subdirectory that an edit passes through; None when it is a file."""
    found = place.children.get(part)
    if isinstance(found, _Changes):
        return found
    if isinstance(found, _Put):
        if not found.entry.is_dir:
            return None
        below = _Changes(fresh=True, base=found.entry, written=found.written)
    else:
        below = _Changes(fresh=part in place.children)
    place.children[part] = below
    return below


class _Writer:
    """Writes changed directories, from the bottom up."""

    def __init__(
        self,
        txn: WriteTxn,
        cache: TreeCache,
        *,
        origin: bytes,
        now_ns: int,
        joined: Mapping[tuple[bytes, ...], Content],
    ) -> None:
        self._txn = txn
        self._cache = cache
        self._origin = origin
        self._now_ns = now_ns
        self._joined = joined
        self.added_bytes = 0

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
        if isinstance(change, _Put):
            return self._entry(old, change, path)
        if change is None:
            return None
        base = change.base if change.fresh else old
        if base is not None and not base.is_dir:
            if self.directory(None, change, name, path) is None:
                return old
            raise PathClashError(join_path(path), "it is a file: nothing can be put below it")
        self.added_bytes += change.written
        with damage_at(path):
            return self.directory(base, change, name, path)

    def _entry(self, old: Entry | None, change: _Put, path: tuple[bytes, ...]) -> Entry | None:
        entry = change.entry
        if change.joined:
            whole = self._joined[path]
            keeps = old is not None and old.is_file and not change.whole
            kind = max(entry.kind, old.kind) if old is not None and keeps else entry.kind
            entry = msgspec.structs.replace(entry, kind=kind, size=whole.size, content=whole.ref)
        if old is not None and entry.same_content(old):
            return old
        left = None if change.fresh else old
        if change.emptied is not None:
            left = self._child(old, change.emptied, entry.name, path)
        if left is not None:
            _check_same_kind(left, entry, path)
        self.added_bytes += change.written
        return entry
