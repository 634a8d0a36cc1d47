"""Edits kept until all of them are known, however many: in memory, and then in a file."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Final

from pfslib.kv.room import room_needed
from pfslib.model.encoding import pack, unpack
from pfslib.trees.edit import Edit

MEMORY_MAX: Final = 30_000
"""Edits held in memory: about 15 MB, and some tenths of a second to apply."""

_SIZE = struct.Struct("<I")


class EditSpool:
    """A sequence of edits: filled once, then read as often as needed. A context manager.

    Args:
        directory: Where they go when they are many, into a file without a name: a disk with room,
            which the folder for temporary files, often in memory, need not be.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._head: list[Edit] = []
        self._rest: IO[bytes] | None = None
        self._count = 0

    def __enter__(self) -> EditSpool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rest is not None:
            with suppress(OSError):  # what is still to be written is not wanted any more
                self._rest.close()

    def __len__(self) -> int:
        return self._count

    def add(self, edit: Edit) -> None:
        """Add an edit at the end.

        Raises:
            StoreFullError: No room.
        """
        self._count += 1
        if len(self._head) < MEMORY_MAX:
            self._head.append(edit)
            return
        data = pack(edit)
        with room_needed(self._directory):
            if self._rest is None:
                self._rest = self._new_file()
            self._rest.write(_SIZE.pack(len(data)) + data)

    def _new_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(prefix=".pfs-edits-", dir=self._directory)

    def batches(self) -> Iterator[list[Edit]]:
        """All edits, in lists that fit into memory.

        Raises:
            StoreFullError: No room for those that were added last.
        """
        yield self._head
        if self._rest is not None:
            with room_needed(self._directory):
                self._rest.seek(0)
            rest = self._read()
            while batch := list(islice(rest, MEMORY_MAX)):
                yield batch

    def _read(self) -> Iterator[Edit]:
        assert self._rest is not None
        while size := self._rest.read(_SIZE.size):
            yield unpack(Edit, self._rest.read(*_SIZE.unpack(size)))
