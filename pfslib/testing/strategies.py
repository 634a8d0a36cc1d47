"""Hypothesis strategies for what goes into a store: names, paths, contents, globs."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from pfslib.chunks.split import CHUNK_AVERAGE, CHUNK_MAX, CHUNK_MIN
from pfslib.model.nodes import INLINE_MAX, PIECE_MAX
from pfslib.model.paths import COMPONENT_MAX, to_text

BORDER_SIZES = (
    0,
    1,
    INLINE_MAX - 1,
    INLINE_MAX,
    INLINE_MAX + 1,
    CHUNK_MIN - 1,
    CHUNK_MIN,
    CHUNK_MIN + 1,
    PIECE_MAX - 1,
    PIECE_MAX,
    PIECE_MAX + 1,
    CHUNK_AVERAGE,
    CHUNK_MAX - 1,
    CHUNK_MAX,
    CHUNK_MAX + 1,
    3 * CHUNK_MAX,
)
"""Sizes around everything that treats a content differently by its size."""

_FORBIDDEN = {b".", b".."}


def noise(size: int, seed: int = 0) -> bytes:
    """Incompressible bytes, the same for the same arguments."""
    return random.Random(f"{size} {seed}").randbytes(size)  # noqa: S311 - test data


def components() -> st.SearchStrategy[bytes]:
    """Names of files and directories: any bytes, and often ones that order or escape oddly."""
    odd = st.sampled_from(
        [b"a", b"b", b"a b", b"a.b", b"-rf", b"\xff", b"\n", b"*", b"n" * COMPONENT_MAX]
    )
    any_bytes = st.binary(min_size=1, max_size=8).map(
        lambda name: name.replace(b"\0", b"0").replace(b"/", b"1")
    )
    return (odd | any_bytes).filter(lambda name: name not in _FORBIDDEN)


def paths(
    *, names: st.SearchStrategy[bytes] | None = None, depth: int = 3
) -> st.SearchStrategy[tuple[bytes, ...]]:
    """Paths of one or more components."""
    return st.lists(components() if names is None else names, min_size=1, max_size=depth).map(tuple)


def few_names() -> st.SearchStrategy[bytes]:
    """So few names that paths often meet."""
    return st.sampled_from([b"a", b"b", b"c"])


def contents(*, large: bool = True) -> st.SearchStrategy[bytes]:
    """Contents of files, of sizes around what matters; `large` ones take several chunks."""
    sizes = [size for size in BORDER_SIZES if large or size <= PIECE_MAX + 1]
    return st.binary(max_size=20) | st.builds(noise, st.sampled_from(sizes), st.integers(0, 3))


def divisions(total: int) -> st.SearchStrategy[list[int]]:
    """Ways to divide so many bytes into blocks: the sizes, some of them 0."""
    return st.lists(st.integers(0, total), max_size=12).map(
        lambda cuts: [
            end - start
            for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), total], strict=True)
        ]
    )


def blocks_of(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in blocks of the given sizes."""
    blocks, at = [], 0
    for size in sizes:
        blocks.append(data[at : at + size])
        at += size
    assert at == len(data)
    return blocks


def path_texts() -> st.SearchStrategy[str]:
    """Paths as users write them: with or without slashes around, doubled ones inside."""
    slashes = st.sampled_from(["", "/", "//"])
    return st.builds(
        lambda parts, before, between, after: (
            before + (between or "/").join(to_text(part) for part in parts) + after
        ),
        paths(),
        slashes,
        slashes,
        slashes,
    )
