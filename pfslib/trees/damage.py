"""What damage hits: the path is noted down where it is known, and told where the commit is, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pfslib.model.errors import CorruptionError
from pfslib.model.paths import join_path, split_path


@contextmanager
def damage_at(path: tuple[bytes, ...]) -> Iterator[None]:
    """Note down, for damage met in the block, at which path that was; the innermost block's."""
    try:
        yield
    except CorruptionError as error:
        error.file = error.file or join_path(path)
        raise


@contextmanager
def damage_of(
    where: str, path: str | bytes = "/", *, check_there: Callable[[], None] | None = None
) -> Iterator[None]:
    """Let the errors for damage met in the block name a file, and what it is of.

    Args:
        where: What is read, such as a commit.
        path: What is read of it, if nothing inside has noted down a path.
        check_there: Raises if what is read was deleted; then what is missing of it is no damage.
    """
    try:
        yield
    except CorruptionError as error:
        if check_there is not None:
            check_there()
        if error.of:
            raise
        file = error.file or join_path(split_path(path))
        named = CorruptionError(f"{file} of {where} is damaged: {error.message}", hint=error.hint)
        named.file, named.of = file, where
        raise named from error
