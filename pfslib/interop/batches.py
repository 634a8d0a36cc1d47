"""Writes that become one commit of each branch: those of a transaction, or of one call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Final, Protocol, Self

from pfslib.api.commit import Commit
from pfslib.api.open_commit import OpenCommit
from pfslib.model.errors import StateError

StoreIdentity = tuple[int, int]
"""What tells one store from another, whatever their paths."""

_under_way: Final = ContextVar[Mapping[StoreIdentity, "Batch | None"]](
    "batches of pfs", default=MappingProxyType({})
)


class Discardable(Protocol):
    """A file being written."""

    def close(self) -> None:
        """Put what was written. Idempotent."""

    def discard(self) -> None:
        """Throw away what was written. Idempotent."""


class Batch:
    """The open commits of writes that belong together.

    It belongs to the thread that begins it, with the tasks that this starts (of asyncio, and of
    pools that pass their context on), whatever the file system they write by; and to the process:
    a forked child has no part in it. Once ended, it takes no more writes.

    Attributes:
        message: Of the commits.
        files: Being written; those not closed at the end are closed then, or discarded.
        commits: What was published; filled at the end.
        inherited: That of the parent in whose midst this process was forked.
        halves_of: The thread whose it is in all its tasks; None of one for a ``with`` block.
    """

    def __init__(self, store: StoreIdentity, start: Callable[[str, str], OpenCommit]) -> None:
        """Prepare one.

        Args:
            store: The store that is written to.
            start: Starts a commit: of a repo, on a branch.
        """
        self.message = ""
        self.files: list[Discardable] = []
        self.commits: list[Commit] = []
        self.halves_of: int | None = None
        self._store = store
        self._start = start
        self._open: dict[tuple[str, str], OpenCommit] = {}
        self._unpublished = ExitStack()
        self._turn = threading.RLock()
        self.inherited: Batch | None = None
        self._maker = 0
        self._ended = False

    @property
    def is_under_way(self) -> bool:
        """Whether it takes writes: begun, by this process, and not ended."""
        return self._maker == os.getpid() and not self._ended

    @property
    def is_inherited(self) -> bool:
        """Whether it was under way in the parent when this process was forked."""
        return self._maker not in {0, os.getpid()} and not self._ended

    def find(self, repo: str, branch: str) -> OpenCommit | None:
        """The open commit of a branch, if something was written to it."""
        return self._open.get((repo, branch))

    @contextmanager
    def writing(self, repo: str, branch: str) -> Iterator[OpenCommit | None]:
        """Its commit of a branch, to write to before it can end; None if it has ended."""
        with self._turn:
            if not self.is_under_way:
                yield None
                return
            found = self.find(repo, branch)
            if found is None:
                found = self._unpublished.enter_context(self._start(repo, branch))
                self._open[repo, branch] = found
            yield found

    def begin(self) -> None:
        """Take all writes of this thread to the store from now on.

        Raises:
            StateError: Another one does, or this one has ended.
        """
        if self._maker or find_batch(self._store) is not None:
            raise StateError(
                "a transaction is under way here, and there are none in transactions",
                hint="write in that one; all of it will be one commit",
            )
        self._maker = os.getpid()
        self.inherited = inherited_batch(self._store)
        _under_way.set({**_under_way.get(), self._store: self})

    def end(self, *, publish: bool) -> None:
        """Publish, a branch after the other; what is not published is thrown away.

        In a forked child it only ends for the child.
        """
        try:
            if self.is_under_way:
                with self._turn:
                    self._end(publish=publish)
        finally:
            self._ended = True
            under_way = _under_way.get()
            if under_way.get(self._store) is self:
                _under_way.set({**under_way, self._store: self.inherited})
            with ExitStack() as left:
                for file in self.files:
                    left.callback(file.discard)
            self.files.clear()

    def _end(self, *, publish: bool) -> None:
        with suppress(_Unwanted), self._unpublished:
            try:
                if not publish:
                    raise _Unwanted
                for file in self.files:
                    file.close()
            finally:
                self._ended = True
            for commit in self._open.values():
                if (made := commit.finish(message=self.message)) is not None:
                    self.commits.append(made)

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.end(publish=kind is None)


class _Unwanted(Exception):  # noqa: N818 - not an error
    """What has the open commits of a batch discarded."""


def find_batch(store: StoreIdentity, shared: Sequence[Batch] = ()) -> Batch | None:
    """The batch that takes what is written here and now; None if it is a commit of its own.

    Args:
        store: The store that is written to.
        shared: The transactions under way on the file system that is written by. A thread that is
            none of Python's, as pyarrow and DuckDB have, writes for whoever gave the file system
            to them.

    Raises:
        StateError: A thread of a tool may be meant by several transactions.
    """
    batch = _under_way.get().get(store)
    if batch is not None and batch.is_under_way:
        return batch
    foreign = isinstance(threading.current_thread(), threading._DummyThread)  # noqa: SLF001
    here = threading.get_ident()
    meant = [
        batch for batch in shared if batch.is_under_way and (foreign or batch.halves_of == here)
    ]
    if len(meant) > 1:
        raise StateError(
            f"{len(meant)} transactions are under way on one file system, and a tool's own thread"
            " may write for any of them",
            hint="give each thread a file system of its own: fsspec.filesystem does",
        )
    return meant[0] if meant else None


def inherited_batch(store: StoreIdentity) -> Batch | None:
    """The batch of the parent, in whose midst this process was forked."""
    batch = _under_way.get().get(store)
    return batch if batch is None or batch.is_inherited else batch.inherited
