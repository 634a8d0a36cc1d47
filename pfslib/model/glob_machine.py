"""What a glob means, and a machine that matches it one character at a time.

A pattern is a sequence of items; what is left of it to match is a set of such sequences. A
character leads from one set to the next (Antimirov's partial derivatives). A pattern has few sets,
each is worked out once, and no name can make the matching explode, as it can with regular
expressions that go back and try again. In the middle of a path a machine also knows whether
anything below can match, which is what a walk through a tree needs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_SETS_MAX: Final = 4096
"""Sets remembered by a machine; names of many different characters can ask for more."""


class Chars(NamedTuple):
    """One character of, or not of, some ranges."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def takes(self, char: str) -> bool:
        """Whether it is such a character."""
        return any(low <= char <= high for low, high in self.ranges) != self.negated


class Run(NamedTuple):
    """Any number of characters: ``*``, and ``**``, which also takes '/'."""

    with_slashes: bool


class Choice(NamedTuple):
    """One of several patterns."""

    options: frozenset[Sequence]


class Repeated(NamedTuple):
    """Any number of occurrences, none included, of one of several patterns."""

    options: frozenset[Sequence]


class Unlike(NamedTuple):
    """Any run without '/' that is not one of several patterns."""

    options: frozenset[Sequence]


Item = Chars | Run | Choice | Repeated | Unlike
Sequence = tuple[Item, ...]
Left = frozenset[Sequence]
"""What is left to match: one of these sequences. None at all: nothing can match any more."""


_ANYTHING: Final[Left] = frozenset({(Run(with_slashes=False),), (Run(with_slashes=True),)})


def literal(char: str) -> Chars:
    """One certain character."""
    return Chars(((char, char),))


def matches_nothing_more(left: Left) -> bool:
    """Whether the end is a match."""
    return any(all(map(_may_be_empty, sequence)) for sequence in left)


def _may_be_empty(item: Item) -> bool:
    if isinstance(item, Chars):
        return False
    if isinstance(item, Choice):
        return matches_nothing_more(item.options)
    return not isinstance(item, Unlike) or not matches_nothing_more(item.options)


def after(left: Left, char: str) -> Left:
    """What is left after a character."""
    found: set[Sequence] = set()
    for sequence in left:
        for at, item in enumerate(sequence):
            rest = sequence[at + 1 :]
            found.update(begun + rest for begun in _begun(item, char))
            if not _may_be_empty(item):
                break
    return frozenset(found)


def _begun(item: Item, char: str) -> Left:
    """What is left of an item after a character."""
    if isinstance(item, Chars):
        return frozenset({()}) if item.takes(char) else frozenset()
    if isinstance(item, Run):
        return frozenset({(item,)}) if item.with_slashes or char != "/" else frozenset()
    left = after(item.options, char)
    if isinstance(item, Choice):
        return left
    if isinstance(item, Repeated):
        return frozenset((*begun, item) for begun in left)
    return frozenset({(Unlike(left),)}) if char != "/" else frozenset()


def slashes_in(sequence: Sequence) -> int | None:
    """How many '/' each match has; None if not all have as many."""
    total = 0
    for item in sequence:
        count = _slashes_of(item)
        if count is None:
            return None
        total += count
    return total


def _slashes_of(item: Item) -> int | None:
    if isinstance(item, Chars):
        return int(item.takes("/"))
    if isinstance(item, Run):
        return None if item.with_slashes else 0
    if isinstance(item, Unlike):
        return 0
    counts = {slashes_in(option) for option in item.options}
    if isinstance(item, Repeated):
        return 0 if counts <= {0} else None
    return counts.pop() if len(counts) == 1 else None


class State:
    """How far a path has come in a machine.

    Attributes:
        accepts: Whether the path so far matches.
        is_dead: Whether nothing that begins like it can match.
    """

    __slots__ = ("_left", "_next", "_states", "_takes_any_name", "accepts", "is_dead")

    def __init__(self, left: Left, states: dict[Left, State]) -> None:
        self._left = left
        self._states = states
        self._next: dict[str, State] = {}
        self._takes_any_name = bool(left) and left <= _ANYTHING
        self.accepts = matches_nothing_more(left)
        self.is_dead = not left

    def feed(self, text: str) -> State:
        """The state after some more of the path."""
        if self._takes_any_name and "/" not in text:
            return self
        state = self
        for char in text:
            state = state._next.get(char) or state._step(char)
        return state

    def must_begin(self) -> str:
        """What every match goes on with; a match may end in it only at its end."""
        found: list[str] = []
        left = self._left
        while len(left) == 1:
            (sequence,) = left
            first = sequence[0] if sequence else None
            if not isinstance(first, Chars) or first.negated or len(first.ranges) != 1:
                break
            low, high = first.ranges[0]
            if low != high:
                break
            found.append(low)
            left = frozenset({sequence[1:]})
        return "".join(found)

    def _step(self, char: str) -> State:
        left = after(self._left, char)
        state = self._states.get(left)
        if state is None:
            if len(self._states) >= _SETS_MAX:
                return State(left, self._states)
            state = self._states[left] = State(left, self._states)
        self._next[char] = state
        return state


def machine(sequence: Sequence) -> State:
    """The state before the first character of a path."""
    states: dict[Left, State] = {}
    start = frozenset({sequence})
    return states.setdefault(start, State(start, states))
