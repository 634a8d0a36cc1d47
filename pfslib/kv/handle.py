"""One user's hold on a backend that several may share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from pfslib.kv.protocol import KV, Hold, ReadTxn, Room, Sweep, WriteTxn
from pfslib.model.errors import StoreClosedError


class KVHandle:
    """A KV that can be closed by itself: what was made with it ends, and nothing of the others'."""

    def __init__(self, kv: KV, path: Path) -> None:
        self._kv: KV | None = kv
        self._path = path

    def read(self) -> AbstractContextManager[ReadTxn]:
        """See KV."""
        return self._open().read()

    def write(self) -> AbstractContextManager[WriteTxn]:
        """See KV."""
        return self._open().write()

    def hold(self) -> Hold:
        """See KV."""
        return self._open().hold()

    def sweeping(self) -> AbstractContextManager[Sweep]:
        """See KV."""
        return self._open().sweeping()

    def room(self) -> Room:
        """See KV."""
        return self._open().room()

    def compact(self) -> None:
        """See KV."""
        self._open().compact()

    def close(self) -> None:
        """See KV."""
        kv, self._kv = self._kv, None
        if kv is not None:
            kv.close()

    def _open(self) -> KV:
        kv = self._kv
        if kv is None:
            raise StoreClosedError(str(self._path))
        return kv
