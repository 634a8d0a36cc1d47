"""What differs between two directories, without looking at what does not.

Equal parts have equal digests, whole subtrees and runs of one huge directory alike, so the cost
follows the changes and not the size.
"""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.kv.protocol import ReadTxn
from pfslib.model.nodes import Child, Entry
from pfslib.trees.damage import damage_at
from pfslib.trees.nodestore import TreeCache, get_directory_node
from pfslib.trees.walk import Parts

Difference = tuple[Parts, Entry | None, Entry | None]
"""A path with what was there and what is there now; None for nothing."""


def diff(
    txn: ReadTxn,
    old: Entry | None,
    new: Entry | None,
    cache: TreeCache,
    *,
    at: Parts = (),
    depth: int | None = None,
) -> Iterator[Difference]:
    """The files and links that differ between two entries, in path order.

    Args:
        txn: The state to read.
        old: What was there: a directory with all below it, a file or link; None for nothing.
        new: What is there.
        cache: What is remembered of trees.
        at: Path of both.
        depth: Directories with paths this long are told of as a whole, not looked into.

    Times are not compared. A file that became a directory is a file that is gone and files that
    are new. Cost: O(log n) nodes for each difference.
    """
    stack: list[Iterator[Difference]] = [iter([(at, old, new)])]
    while stack:
        row = next(stack[-1], None)
        if row is None:
            stack.pop()
            continue
        path, before, after = row
        if before is not None and after is not None and before.same_content(after):
            continue
        if len(path) == depth:
            yield path, before, after
            continue
        file_before, directory_before = _by_kind(before)
        file_after, directory_after = _by_kind(after)
        if file_before is not None or file_after is not None:
            yield path, file_before, file_after
        if directory_before is not None or directory_after is not None:
            stack.append(_below(txn, path, directory_before, directory_after, cache))


def _by_kind(entry: Entry | None) -> tuple[Entry | None, Entry | None]:
    """An entry as a file, and as a directory."""
    if entry is None:
        return None, None
    return (None, entry) if entry.is_dir else (entry, None)


class _Cursor:
    """The entries of one directory in order, in runs that are only opened when asked for."""

    __slots__ = ("_cache", "_runs", "_txn")

    def __init__(self, txn: ReadTxn, directory: Entry | None, cache: TreeCache) -> None:
        self._txn = txn
        self._cache = cache
        self._runs: list[list[Entry | Child]] = []
        if directory is not None:
            self._open(directory.node)

    def peek(self) -> Entry | Child | None:
        """The next entry, or the run that begins with it; None at the end."""
        while self._runs:
            if self._runs[-1]:
                return self._runs[-1][-1]
            self._runs.pop()
        return None

    def skip(self) -> None:
        """Go behind what `peek` showed."""
        self._runs[-1].pop()

    def open(self, run: Child) -> None:
        """Have `peek` show the parts of the run that it shows now."""
        self.skip()
        self._open(run.node)

    def _open(self, key: bytes) -> None:
        node = get_directory_node(self._txn, key, self._cache)
        self._runs.append(list(reversed(node.items)))


def _below(
    txn: ReadTxn, path: Parts, old: Entry | None, new: Entry | None, cache: TreeCache
) -> Iterator[Difference]:
    """The entries of two directories, but for those in runs that both have."""
    with damage_at(path):
        left, right = _Cursor(txn, old, cache), _Cursor(txn, new, cache)
    while True:
        a, b = left.peek(), right.peek()
        if isinstance(a, Child) or isinstance(b, Child):
            with damage_at(path):
                _step(left, a, right, b)
        elif a is None and b is None:
            return
        elif b is None or (a is not None and a.name < b.name):
            assert a is not None
            yield (*path, a.name), a, None
            left.skip()
        elif a is None or b.name < a.name:
            yield (*path, b.name), None, b
            right.skip()
        else:
            if not a.same_content(b):  # most that share a leaf with a difference are equal
                yield (*path, a.name), a, b
            left.skip()
            right.skip()


def _step(left: _Cursor, a: Entry | Child | None, right: _Cursor, b: Entry | Child | None) -> None:
    """Skip a run that both have next, or open the greater one.

    Skipping equal runs is right wherever they begin: the same names leave both sides.
    """
    if isinstance(a, Child) and isinstance(b, Child):
        if a.digest == b.digest:
            left.skip()
            right.skip()
        elif a.count >= b.count:
            left.open(a)
        else:
            right.open(b)
    elif isinstance(a, Child):
        left.open(a)
    else:
        assert isinstance(b, Child)
        right.open(b)
