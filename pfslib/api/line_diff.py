"""Two texts compared line by line, in bounded time.

Myers' greedy search for the fewest changed lines, as git has it. Where that would take long, which
is when the texts have next to nothing in common, the rest counts as replaced.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_STEPS_MAX: Final = 2_000_000
"""Lines looked at: about a second."""


class Block(NamedTuple):
    """Lines that both texts have: as many from a place in the old one and one in the new."""

    old: int
    new: int
    size: int


def unified_diff(
    old: Sequence[str], new: Sequence[str], old_name: str, new_name: str, *, context: int
) -> Iterator[str]:
    """The lines of a unified diff, as `diff -u` prints them; none for equal texts.

    Args:
        old: Lines, each with its end.
        new: The others.
        old_name: What to call the old text.
        new_name: What to call the new one.
        context: Equal lines shown around changes.
    """
    hunks = _hunks(common_blocks(old, new), len(old), len(new), context)
    for number, hunk in enumerate(hunks):
        if number == 0:
            yield f"--- {old_name}\n"
            yield f"+++ {new_name}\n"
        first, last = hunk[0], hunk[-1]
        olds = _range(first.old, last.old + last.size)
        news = _range(first.new, last.new + last.size)
        yield f"@@ -{olds} +{news} @@\n"
        for at, block in enumerate(hunk):
            yield from (f" {line}" for line in old[block.old : block.old + block.size])
            if at + 1 < len(hunk):
                following = hunk[at + 1]
                yield from (f"-{line}" for line in old[block.old + block.size : following.old])
                yield from (f"+{line}" for line in new[block.new + block.size : following.new])


def _range(start: int, end: int) -> str:
    size = end - start
    first = start + 1 if size else start
    return str(first) if size == 1 else f"{first},{size}"


def _hunks(
    blocks: Sequence[Block], old_size: int, new_size: int, context: int
) -> Iterator[list[Block]]:
    """The changes and what stands around them: blocks, with a change between any two."""
    ends = [Block(0, 0, 0), *blocks, Block(old_size, new_size, 0)]
    merged = [ends[0]]
    for block in ends[1:]:
        before = merged[-1]
        if (before.old + before.size, before.new + before.size) == block[:2]:
            merged[-1] = Block(before.old, before.new, before.size + block.size)
        else:
            merged.append(block)
    if len(merged) == 1:
        return
    hunk = [_tail(merged[0], context)]
    for block in merged[1:-1]:
        if block.size > 2 * context:
            yield [*hunk, Block(block.old, block.new, context)]
            hunk = [_tail(block, context)]
        else:
            hunk.append(block)
    last = merged[-1]
    yield [*hunk, Block(last.old, last.new, min(last.size, context))]


def _tail(block: Block, size: int) -> Block:
    skipped = max(block.size - size, 0)
    return Block(block.old + skipped, block.new + skipped, block.size - skipped)


def common_blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """What both texts have, in order. Fewest changes, unless that would take long."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    left = shorter - head
    tail = next((at for at in range(left) if old[-1 - at] != new[-1 - at]), left)
    numbers: dict[str, int] = {}
    inner_old, inner_new = (
        [numbers.setdefault(line, len(numbers)) for line in text[head : len(text) - tail]]
        for text in (old, new)
    )
    found = [Block(0, 0, head)] if head else []
    found += [Block(head + a, head + b, size) for a, b, size in _search(inner_old, inner_new)]
    if tail:
        found.append(Block(len(old) - tail, len(new) - tail, tail))
    return found


def _search(old: Sequence[int], new: Sequence[int]) -> list[Block]:
    """Myers' search: how far down each diagonal one gets with so many changes, one more at a time.

    A diagonal is how much further one is in the old text than in the new. With an even number of
    changes only even ones can be reached, from -changes to changes: a row has one place for each.
    """
    rows = [array("q", [_equal_until(old, new, 0, 0)])]
    best, steps = (rows[0][0], 0, 0), 0
    while (furthest := best[0]) < len(old) or furthest - best[1] < len(new):
        changes, before = len(rows), rows[-1]
        row = array("q")
        for at, diagonal in enumerate(range(-changes, changes + 1, 2)):
            x = before[at] if _comes_from_above(before, at) else before[at - 1] + 1
            reached = _equal_until(old, new, x, x - diagonal)
            row.append(reached)
            steps += 1 + reached - x
            inside = reached <= len(old) and reached - diagonal <= len(new)
            if inside and 2 * reached - diagonal >= 2 * best[0] - best[1]:
                best = (reached, diagonal, changes)
        rows.append(row)
        if steps > _STEPS_MAX:
            break
    return _way_to(rows, *best)


def _comes_from_above(before: Sequence[int], at: int) -> bool:
    """Whether a diagonal is best reached by a new line, rather than by leaving out an old one."""
    return at == 0 or (at < len(before) and before[at - 1] < before[at])


def _equal_until(old: Sequence[int], new: Sequence[int], x: int, y: int) -> int:
    while x < len(old) and y < len(new) and old[x] == new[y]:
        x, y = x + 1, y + 1
    return x


def _way_to(rows: Sequence[Sequence[int]], x: int, diagonal: int, changes: int) -> list[Block]:
    """The equal lines on the way to a place that so many changes reach."""
    found: list[Block] = []
    for count in range(changes, 0, -1):
        before, at = rows[count - 1], (diagonal + count) // 2
        from_above = _comes_from_above(before, at)
        start = before[at] if from_above else before[at - 1] + 1
        if x > start:
            found.append(Block(start, start - diagonal, x - start))
        x = before[at] if from_above else before[at - 1]
        diagonal += 1 if from_above else -1
    if x:
        found.append(Block(0, 0, x))
    return found[::-1]
