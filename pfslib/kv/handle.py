"""One user's hold on a backend that several may share."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from pfslib.kv.protocol import KV, Hold, ReadTxn, Room, Sweep, WriteTxn
from pfslib.model.errors import StoreClosedError


class KVHandle:
    """A KV that can be closed by itself: what was made with it ends, and nothing of the others'.

    Closed, too, when nothing refers to it any more.

    Attributes:
        path: Where it is.
    """

    def __init__(self, kv: KV, path: Path, *, abandon: Callable[[], None]) -> None:
        """Hold a backend.

        Args:
            kv: The backend.
            path: Where it is.
            abandon: Closes it when this is forgotten instead of closed; a finalizer, so it may be
                called in the middle of anything.
        """
        self._kv: KV | None = kv
        self.path = path
        self._forgotten = weakref.finalize(self, abandon)
        self._forgotten.atexit = False  # the end of the process closes everything

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._kv is None

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

    def changes(self) -> int:
        """See KV."""
        return self._open().changes()

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
            self._forgotten.detach()
            kv.close()

    def _open(self) -> KV:
        kv = self._kv
        if kv is None:
            raise StoreClosedError(str(self.path))
        return kv
