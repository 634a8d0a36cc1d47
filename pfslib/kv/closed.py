"""What a closed store is left with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from pfslib.kv.protocol import ReadTxn, WriteTxn
from pfslib.model.errors import StoreClosedError


class ClosedKV:
    """A KV that refuses everything: the handle was closed, though others may use the store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> AbstractContextManager[ReadTxn]:
        """See KV."""
        raise StoreClosedError(str(self._path))

    def write(self) -> AbstractContextManager[WriteTxn]:
        """See KV."""
        raise StoreClosedError(str(self._path))

    def close(self) -> None:
        """See KV."""
