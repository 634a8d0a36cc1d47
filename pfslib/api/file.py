"""CommitFile: a file of a commit as Python's own kind of file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from pfslib.api.tree import Tree
from pfslib.model.errors import InvalidInputError
from pfslib.model.nodes import Entry

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_SIZE: Final = 64 * 1024
"""An average chunk: less would inflate each several times, more costs random reads."""


class CommitFile(io.RawIOBase):
    """The bytes of one file, unbuffered; nothing that happens in the store changes them.

    Attributes:
        name: The file's path in the commit.
        mode: ``rb``.
        size: Its size in bytes.
    """

    mode = "rb"

    def __init__(self, tree: Tree, entry: Entry, path: str) -> None:
        super().__init__()
        self._tree = tree
        self._entry = entry
        self._position = 0
        self.name = path
        self.size = entry.size

    def __repr__(self) -> str:
        return f"<CommitFile {self.name}>"

    def __reduce__(self) -> tuple[type[CommitFile], tuple[Tree, Entry, str], int]:
        return type(self), (self._tree, self._entry, self.name), self.tell()

    def __setstate__(self, position: int) -> None:
        self._position = position

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether one can move in it: yes."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, which may be beyond the end; returns it.

        Raises:
            InvalidInputError: It would be before the beginning.
        """
        self._check_open()
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        if whence not in starts:
            raise InvalidInputError(f"whence must be 0, 1 or 2, not {whence}")
        position = starts[whence] + offset
        if position < 0:
            raise InvalidInputError(f"cannot go to position {position} of {self.name}")
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer from the position on; how many bytes there were."""
        self._check_open()
        target = memoryview(buffer).cast("B")
        data = self._tree.read(self._entry, self._position, len(target), path=self.name)
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        """All bytes from the position on."""
        self._check_open()
        data = self._tree.read(self._entry, self._position, path=self.name)
        self._position += len(data)
        return data

    def _check_open(self) -> None:
        if self.closed:
            msg = "I/O operation on closed file"
            raise ValueError(msg)


class FileReader(io.BufferedReader):
    """A file of a commit, with a buffer; goes to other processes with its position."""

    def __init__(self, raw: CommitFile, buffer: int = BUFFER_SIZE) -> None:
        super().__init__(raw, buffer)
        self._buffer = buffer

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.raw, self._buffer), self.tell()

    def __setstate__(self, position: int) -> None:
        self.seek(position)


def open_file(
    tree: Tree,
    entry: Entry,
    path: str,
    mode: str,
    *,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> io.BufferedReader | io.TextIOWrapper:
    """A file of a tree, opened as `open` does.

    Raises:
        InvalidInputError: Not a mode for reading, or an encoding for bytes.
    """
    if mode not in {"rb", "r", "rt"}:
        raise InvalidInputError(
            f"mode {mode!r} is not for reading",
            hint='use "rb", or "r" for text; `put_file` of an open commit writes',
        )
    if mode == "rb" and (encoding, errors, newline) != (None, None, None):
        raise InvalidInputError("binary mode takes no encoding, errors or newline", hint='use "r"')
    buffered = FileReader(CommitFile(tree, entry, path))
    if mode == "rb":
        return buffered
    return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)
