"""Edits kept until all of them are known, however many: in memory, and then in a file."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final

from pfslib.model.encoding import pack, unpack
from pfslib.trees.edit import Edit

MEMORY_MAX: Final = 30_000
"""Edits held in memory: about 15 MB, and some tenths of a second to apply."""

_SIZE = struct.Struct("<I")


class EditSpool:
    """A sequence of edits: filled once, then read once. A context manager."""

    def __init__(self) -> None:
        self._head: list[Edit] = []
        self._rest: IO[bytes] | None = None
        self._count = 0

    def __enter__(self) -> EditSpool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rest is not None:
            self._rest.close()

    def __len__(self) -> int:
        return self._count

    def add(self, edit: Edit) -> None:
        """Add an edit at the end."""
        self._count += 1
        if len(self._head) < MEMORY_MAX:
            self._head.append(edit)
            return
        if self._rest is None:
            self._rest = tempfile.TemporaryFile(prefix="pfs-edits-")  # noqa: SIM115 - see __exit__
        data = pack(edit)
        self._rest.write(_SIZE.pack(len(data)) + data)

    def batches(self) -> Iterator[list[Edit]]:
        """All edits, in lists that fit into memory."""
        yield self._head
        if self._rest is not None:
            self._rest.seek(0)
            rest = self._read()
            while batch := list(islice(rest, MEMORY_MAX)):
                yield batch

    def _read(self) -> Iterator[Edit]:
        assert self._rest is not None
        while size := self._rest.read(_SIZE.size):
            yield unpack(Edit, self._rest.read(*_SIZE.unpack(size)))
