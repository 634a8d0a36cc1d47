"""SteppedKV: something is done before each transaction, such as another writer's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pfslib.kv.protocol import KV, ReadTxn, WriteTxn
from pfslib.testing.wrapped import WrappedKV


class SteppedKV(WrappedKV):
    """A KV that calls back before each of its transactions, with their number from 0.

    What is called back may use the backend by itself: no transaction is open meanwhile.
    """

    def __init__(self, kv: KV, on_step: Callable[[int], None]) -> None:
        super().__init__(kv)
        self._on_step = on_step
        self.steps = 0

    @contextmanager
    def read(self) -> Iterator[ReadTxn]:
        """See KV."""
        self._step()
        with self._kv.read() as txn:
            yield txn

    @contextmanager
    def write(self) -> Iterator[WriteTxn]:
        """See KV."""
        self._step()
        with self._kv.write() as txn:
            yield txn

    def _step(self) -> None:
        step, self.steps = self.steps, self.steps + 1
        self._on_step(step)
