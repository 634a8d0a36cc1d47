"""Inputs combined to datums: cross, union, join and group, in any nesting.

Each combination can be asked for all of its rows, or only for what is not the same for two sets of
commits; the second costs as much as what it finds, except that a join or group whose inputs have
changed looks at all that they match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product

from pfslib.kv.protocol import ReadTxn
from pfslib.model.inputs import Combination, How, Input
from pfslib.model.nodes import Entry
from pfslib.pipelines.datums import Change, Datum, Row
from pfslib.pipelines.matches import changed_rows, matching_rows
from pfslib.pipelines.orders import of_number, of_text, shortened
from pfslib.trees.nodestore import TreeCache

Part = int | Combination
Roots = Sequence[Entry]
"""The root of the commit that is read, of each input."""

_Rows = Mapping[str, list[Row]]


class Datums:
    """The datums that inputs make of commits, in one state of the store."""

    def __init__(
        self,
        txn: ReadTxn,
        inputs: Sequence[Input],
        combined: Combination | None,
        cache: TreeCache,
    ) -> None:
        self._txn = txn
        self._inputs = inputs
        self._cache = cache
        everything = Combination(How.CROSS, tuple(range(len(inputs))))
        self._whole: Part = combined or (everything if len(inputs) != 1 else 0)

    def rows(self, roots: Roots) -> Iterator[Row]:
        """All datums; of one input in their order."""
        for order, datum in self._rows(self._whole, roots):
            yield Row(shortened(order), datum)

    def changes(self, old: Roots, new: Roots) -> list[Change]:
        """What differs between the datums of two sets of commits, in their order."""
        found = [
            Change(shortened(order), before, after)
            for order, before, after in self._changes(self._whole, old, new)
        ]
        return sorted(found, key=lambda change: change.order)

    # --- all of them ---------------------------------------------------------------------

    def _rows(self, part: Part, roots: Roots) -> Iterator[Row]:
        if isinstance(part, int):
            return matching_rows(self._txn, self._inputs[part], roots[part], self._cache)
        if part.how == How.CROSS:
            return _crossed([list(self._rows(below, roots)) for below in part.parts])
        if part.how == How.UNION:
            return self._union(part, roots)
        rows = [_by_key(self._rows(below, roots), part.how) for below in part.parts]
        keys = sorted({key for part_rows in rows for key in part_rows})
        return (row for key in keys for row in self._of_key(part, key, rows))

    def _union(self, part: Combination, roots: Roots) -> Iterator[Row]:
        for number, below in enumerate(part.parts):
            for order, datum in self._rows(below, roots):
                yield Row(of_number(number) + order, datum)

    def _of_key(self, part: Combination, key: str, rows: Sequence[_Rows]) -> Iterator[Row]:
        """The rows that a join or group makes of all that has one key."""
        found = [part_rows.get(key, []) for part_rows in rows]
        if part.how == How.GROUP:
            datum = tuple(item for part_rows in found for row in part_rows for item in row.datum)
            if datum:
                yield Row(of_text(key), datum)
            return
        if not all(found):
            found = [
                part_rows
                for below, part_rows in zip(part.parts, found, strict=True)
                if part_rows and self._is_outer(below)
            ]
        if found:
            for order, datum in _crossed(found):
                yield Row(of_text(key) + order, datum)

    def _is_outer(self, part: Part) -> bool:
        if isinstance(part, int):
            return self._inputs[part].outer_join
        return any(self._is_outer(below) for below in part.parts)

    # --- only what is not the same -------------------------------------------------------

    def _changes(self, part: Part, old: Roots, new: Roots) -> Iterator[Change]:
        if not self._may_differ(part, old, new):
            return iter(())
        if isinstance(part, int):
            return self._leaf_changes(part, old, new)
        if part.how == How.UNION:
            return self._union_changes(part, old, new)
        if part.how == How.CROSS:
            return self._cross_changes(part, old, new)
        return self._keyed_changes(part, old, new)

    def _may_differ(self, part: Part, old: Roots, new: Roots) -> bool:
        if isinstance(part, int):
            return not old[part].same_content(new[part])
        return any(self._may_differ(below, old, new) for below in part.parts)

    def _leaf_changes(self, part: int, old: Roots, new: Roots) -> Iterator[Change]:
        item = self._inputs[part]
        for before, after in changed_rows(self._txn, item, old[part], new[part], self._cache):
            row = after or before
            assert row is not None
            yield Change(row.order, before and before.datum, after and after.datum)

    def _union_changes(self, part: Combination, old: Roots, new: Roots) -> Iterator[Change]:
        for number, below in enumerate(part.parts):
            for order, before, after in self._changes(below, old, new):
                yield Change(of_number(number) + order, before, after)

    def _cross_changes(self, part: Combination, old: Roots, new: Roots) -> Iterator[Change]:
        """Each change of one part with all rows of the others, none twice.

        The first part in which a row of the product has changed tells of it: with what is the same
        in the parts before that one, and with all there is in those after.
        """
        changes = [list(self._changes(below, old, new)) for below in part.parts]
        numbered = list(enumerate(part.parts))
        for number, changed in enumerate(changes):
            if not changed:
                continue
            before = [self._same(below, new, changes[n]) for n, below in numbered[:number]]
            after = [
                [*self._same(below, new, changes[n]), *changes[n]]
                for n, below in numbered[number + 1 :]
            ]
            for combined in product(*before, changed, *after):
                change = _combined(combined)
                if change.old is not None or change.new is not None:
                    yield change

    def _same(self, part: Part, roots: Roots, changed: Sequence[Change]) -> list[Change]:
        """The rows that have not changed."""
        orders = {change.order for change in changed}
        rows = self._rows(part, roots)
        return [Change(order, datum, datum) for order, datum in rows if order not in orders]

    def _keyed_changes(self, part: Combination, old: Roots, new: Roots) -> Iterator[Change]:
        touched: set[str] = set()
        for below in part.parts:
            for change in self._changes(below, old, new):
                for datum in (change.old, change.new):
                    if datum is not None:
                        touched.add(_key_of(datum, part.how))
        wanted = touched.__contains__
        before, after = (
            [_by_key(self._rows(below, roots), part.how, wanted) for below in part.parts]
            for roots in (old, new)
        )
        for key in touched:
            was = dict(self._of_key(part, key, before))
            now = dict(self._of_key(part, key, after))
            for order in was.keys() | now.keys():
                yield Change(order, was.get(order), now.get(order))


def _crossed(parts: Iterable[Sequence[Row]]) -> Iterator[Row]:
    for rows in product(*parts):
        yield Row(
            b"".join(row.order for row in rows), tuple(item for row in rows for item in row.datum)
        )


def _combined(changes: Sequence[Change]) -> Change:
    return Change(
        b"".join(change.order for change in changes),
        _datum_of([change.old for change in changes]),
        _datum_of([change.new for change in changes]),
    )


def _datum_of(parts: Sequence[Datum | None]) -> Datum | None:
    """The datum of a product; None if a part of it is not there."""
    found: list[Datum] = [part for part in parts if part is not None]
    return tuple(item for part in found for item in part) if len(found) == len(parts) else None


def _by_key(
    rows: Iterable[Row], how: str, wanted: Callable[[str], bool] = lambda _: True
) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        key = _key_of(row.datum, how)
        if wanted(key):
            found.setdefault(key, []).append(row)
    return found


def _key_of(datum: Datum, how: str) -> str:
    """What a row is joined or grouped by: of several inputs, the first that says something."""
    keys = (item.grouped if how == How.GROUP else item.joined for item in datum)
    return next(filter(None, keys), "")
