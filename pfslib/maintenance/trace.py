"""Which files and directories a damaged piece or node hits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from pfslib.kv.protocol import ReadTxn
from pfslib.model.errors import CorruptionError
from pfslib.model.nodes import PIECE_MAX, Entry, Inner, Leaf
from pfslib.model.paths import join_path
from pfslib.trees.nodestore import TreeCache, get_directory_node, get_piece_list

WHERES_MAX: Final = 8
"""Places told of each; one commit after the other has the same file."""

_Parts = tuple[bytes, ...]
_Step = tuple[bytes, bool, _Parts]
"""A node below, whether it is a list of pieces, and the path that it belongs to."""


def trace(
    txn: ReadTxn,
    names: Collection[bytes],
    roots: Iterable[tuple[str, Entry]],
    tell: Callable[[bytes, str], bool],
) -> None:
    """Say where damaged things are met.

    Args:
        txn: The state of the store.
        names: Digests of pieces and keys of nodes.
        roots: Where to look, each with what its paths begin with.
        tell: Told a name and where it is met; whether to go on at all.

    Cost: like a walk of all trees, each node once where nothing is damaged below it.
    """
    search = _Search(txn, names, tell)
    for prefix, entry in roots:
        if not search.go_down(prefix, entry):
            return


class _Visit:
    """A node on the way from the root to where the search is."""

    __slots__ = ("hit", "key", "rest")

    def __init__(self, key: bytes, rest: Iterator[_Step]) -> None:
        self.key = key
        self.rest = rest
        self.hit = False


class _Search:
    """Goes down trees, past what is known to be clean."""

    def __init__(
        self, txn: ReadTxn, names: Collection[bytes], tell: Callable[[bytes, str], bool]
    ) -> None:
        self._txn = txn
        self._names = names
        self._tell = tell
        self._clean: set[bytes] = set()
        self._cache = TreeCache()
        self._prefix = ""
        self._hit = False
        self._goes_on = True

    def go_down(self, prefix: str, entry: Entry) -> bool:
        """Search a tree; whether to go on with others."""
        self._prefix = prefix
        way = [_Visit(b"", self._steps_of(entry, ()))]
        while way and self._goes_on:
            visit = way[-1]
            self._hit = False
            step = next(visit.rest, None)
            visit.hit |= self._hit
            if step is None:
                way.pop()
                if not visit.hit:
                    self._clean.add(visit.key)
                elif way:
                    way[-1].hit = True
            elif step[0] in self._names:
                visit.hit = True
                self._meet(step[0], step[2])
            elif step[0] not in self._clean:
                way.append(_Visit(step[0], self._below(step)))
        return self._goes_on

    def _meet(self, name: bytes, path: _Parts) -> None:
        self._hit = True
        self._goes_on = self._goes_on and self._tell(name, f"{self._prefix}{join_path(path)}")

    def _below(self, step: _Step) -> Iterator[_Step]:
        key, is_list, path = step
        try:
            if is_list:
                node = get_piece_list(self._txn, key, self._cache)
                for item in node.items:
                    if node.level:
                        yield item.digest, True, path
                    elif item.digest in self._names:
                        self._meet(item.digest, path)
                return
            found = get_directory_node(self._txn, key, self._cache)
        except CorruptionError:
            return  # it is among the names if anything is to be said of it
        if isinstance(found, Inner):
            for child in found.items:
                yield child.node, False, path
        elif isinstance(found, Leaf):
            for entry in found.items:
                yield from self._steps_of(entry, (*path, entry.name))

    def _steps_of(self, entry: Entry, path: _Parts) -> Iterator[_Step]:
        if entry.is_dir:
            yield entry.node, False, path
        elif entry.size > PIECE_MAX:
            yield entry.content, True, path
        elif not entry.is_inline and entry.content in self._names:
            self._meet(entry.content, path)
