"""WrappedKV: a KV that passes everything on, for those that change one thing about it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from pfslib.kv.protocol import KV, Hold, ReadTxn, Room, Sweep, WriteTxn


class WrappedKV:
    """A backend, as it is."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv

    def read(self) -> AbstractContextManager[ReadTxn]:
        """See KV."""
        return self._kv.read()

    def write(self) -> AbstractContextManager[WriteTxn]:
        """See KV."""
        return self._kv.write()

    def hold(self) -> Hold:
        """See KV."""
        return self._kv.hold()

    def sweeping(self) -> AbstractContextManager[Sweep]:
        """See KV."""
        return self._kv.sweeping()

    def changes(self) -> int:
        """See KV."""
        return self._kv.changes()

    def room(self) -> Room:
        """See KV."""
        return self._kv.room()

    def compact(self) -> None:
        """See KV."""
        self._kv.compact()

    def close(self) -> None:
        """See KV."""
        self._kv.close()
