"""Handles that take a key in brackets."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from pfslib.model.errors import InvalidInputError, NotFoundError, StateError

ItemT = TypeVar("ItemT")


class Keyed(Generic[ItemT]):
    """``handle[key]`` and ``key in handle``. Not iterated: that is what the listings are for."""

    __iter__: ClassVar[None] = None  # or Python would ask for the keys 0, 1, 2

    def _item(self, key: str) -> ItemT:
        """What a key means."""
        raise NotImplementedError

    def __getitem__(self, key: str) -> ItemT:
        """What a key means.

        Raises:
            TypeError: It is no text.
            PfsError: It means nothing; says why.
        """
        if not isinstance(key, str):
            raise TypeError(f"a name or reference is text, not {type(key).__name__}")
        return self._item(key)

    def __contains__(self, key: str) -> bool:
        """Whether a key means something that is there, and finished.

        Raises:
            TypeError: It is no text.
        """
        try:
            self[key]
        except (NotFoundError, StateError, InvalidInputError):
            return False
        return True
