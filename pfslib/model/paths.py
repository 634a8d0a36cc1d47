"""Paths inside a commit: absolute, normalised, ordered as bytes, any byte but NUL and '/'.

Text is UTF-8 with ``surrogateescape``, as everywhere in Python, so that names of any bytes survive
the round trip.
"""

from __future__ import annotations

import os

from pfslib.model.errors import InvalidPathError

COMPONENT_MAX = 255
"""Longest name in bytes, as in Linux file systems, so that every commit can be mounted."""

DEPTH_MAX = 256
"""Most components of a path: directories are worked on recursively, two calls a level, and half of
Python's stack belongs to the caller."""


def to_bytes(path: str | bytes | os.PathLike[str]) -> bytes:
    """The bytes of a path given as text, bytes or path object.

    Raises:
        InvalidPathError: The text holds a lone surrogate that stands for no byte.
    """
    if isinstance(path, bytes):
        return path
    text = os.fspath(path)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidPathError(text, "it cannot be encoded as UTF-8") from error


def to_text(path: bytes) -> str:
    """The text of a path given as bytes; bytes that are not UTF-8 become surrogates."""
    return path.decode("utf-8", "surrogateescape")


def to_plain(text: str) -> str:
    """A sentence as a record can hold it: bytes that are not UTF-8 are written in hex."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        raw = text.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")


def split_path(path: str | bytes | os.PathLike[str]) -> tuple[bytes, ...]:
    """The components of a path; the empty tuple is the root.

    A leading '/', doubled and trailing slashes mean nothing.

    Raises:
        InvalidPathError: A component is '.', '..', too long, or holds NUL.
    """
    raw = to_bytes(path)
    parts = tuple(part for part in raw.split(b"/") if part)
    for part in parts:
        if part in {b".", b".."}:
            why = f"it has a component {to_text(part)!r}"
            raise InvalidPathError(to_text(raw), why, hint="a path goes down from the root only")
        if len(part) > COMPONENT_MAX:
            why = f"a component has {len(part)} bytes, more than {COMPONENT_MAX}"
            raise InvalidPathError(to_text(raw), why, hint="shorten that name")
    if b"\0" in raw:
        raise InvalidPathError(to_text(raw), "it holds a NUL character")
    if len(parts) > DEPTH_MAX:
        raise InvalidPathError(to_text(raw[:64]) + "…", f"it has more than {DEPTH_MAX} components")
    return parts


def join_path(parts: tuple[bytes, ...]) -> str:
    """The text form of components: '/' for the root, '/a/b' otherwise."""
    return "/" + to_text(b"/".join(parts))


def normal_path(path: str | bytes | os.PathLike[str]) -> str:
    """The one text form of a path.

    Raises:
        InvalidPathError: It cannot be a path.
    """
    return join_path(split_path(path))
