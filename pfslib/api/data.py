"""What a file can be put from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final, Literal

from pfslib.model.errors import InvalidInputError
from pfslib.model.nodes import Content
from pfslib.trees.contents import ContentWriter

Data = bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes] | Iterable[bytes]
"""What a file can be put from: bytes, or whatever else has a buffer; text, stored as UTF-8; a path,
of a host file or directory; a binary file object; or an iterable of bytes."""

Special = Literal["refuse", "skip"]
"""What to do with devices, fifos and sockets of a host directory."""

SPECIAL_HINT: Final = (
    '`--skip-special`, or special="skip" in Python, leaves out devices, fifos and sockets'
)

_FILE_BLOCK: Final = 8 << 20


def add_data(writer: ContentWriter, data: Data) -> Content:
    """The content that some data, which is no path, makes.

    Raises:
        InvalidInputError: It is nothing of which a file can be made.
    """
    if isinstance(data, str):
        return writer.add_bytes(_encoded(data))
    plain = _bytes_of(data)
    if plain is not None:
        return writer.add_bytes(plain)
    if hasattr(data, "read"):
        return writer.add_blocks(_blocks_of(data))
    if not isinstance(data, Iterable):
        raise InvalidInputError(
            f"a file cannot be made of {type(data).__name__}",
            hint="give bytes, text, a pathlib.Path, a binary file or an iterable of bytes",
        )
    return writer.add_blocks(map(_block, data))


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"the text cannot be stored as UTF-8: {error.reason} at {error.start}",
            hint="encode it yourself, and put the bytes",
        ) from error


def _bytes_of(data: object) -> bytes | None:
    """The bytes of whatever has a buffer; None for everything else."""
    if isinstance(data, bytes):
        return data
    try:
        return bytes(memoryview(data))  # type: ignore[arg-type] # what has no buffer is no error
    except TypeError:
        return None


def _block(data: object) -> bytes:
    block = _bytes_of(data)
    if block is None:
        raise InvalidInputError(
            f"the iterable to be put gave {type(data).__name__} instead of bytes",
            hint="encode text first; give a file's path as a pathlib.Path",
        )
    return block


def _blocks_of(file: Any) -> Iterator[bytes]:  # noqa: ANN401 - whatever has a read method
    while True:
        block = file.read(_FILE_BLOCK)
        if isinstance(block, str):
            raise InvalidInputError(
                "the file to be put was opened as text", hint='open it with mode "rb"'
            )
        if block is None:
            raise InvalidInputError(
                "the file to be put does not block, and had nothing to read", hint="make it block"
            )
        if not block:
            return
        yield _block(block)
