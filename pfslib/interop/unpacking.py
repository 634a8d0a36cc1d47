"""A stream as it was before it was packed, by gzip, bzip2 or xz, if it was."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK: Final = 1 << 20

_OPENERS: Final[dict[bytes, Callable[[Any], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x5d\0\0": lzma.open,
}
"""By what a packed stream begins with. All of them read several, one after the other, as one."""


@contextmanager
def unpacked(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The stream, unpacked; its position is known, and it can be moved forward.

    Args:
        file: Read from where it is; need not be seekable.
    """
    with io.BufferedReader(_Raw(file), _BLOCK) as packed:
        begins = packed.peek(8)
        for magic, opener in _OPENERS.items():
            if begins.startswith(magic):
                with opener(packed) as plain:
                    yield cast("IO[bytes]", _Forward(plain))
                return
        yield cast("IO[bytes]", _Forward(packed))


class _Raw(io.RawIOBase):
    """What can be read from somebody's file, and no more of it than that; it stays open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)


class _Forward:
    """A file that can be read, and skipped, as far as `TarFile` needs it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._at += len(data)
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._at:
            msg = "it would have to be read backwards"
            raise ValueError(msg)
        while self._at < offset and self.read(min(_BLOCK, offset - self._at)):
            pass
        return self._at
