"""Writes that become one commit of each branch: those of a transaction, or of one call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from fsspec.transaction import Transaction

from pfslib.api.commit import Commit
from pfslib.api.open_commit import OpenCommit
from pfslib.interop.locations import Location

Start = Callable[[str, str], OpenCommit]
"""Starts a commit: of a repo, on a branch."""


class Batch:
    """The open commits of writes that belong together; threads may share it.

    Attributes:
        commits: What was published; filled at the end.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._open: dict[tuple[str, str], OpenCommit] = {}
        self._lock = threading.Lock()
        self.commits: list[Commit] = []

    def find(self, at: Location) -> OpenCommit | None:
        """The open commit of a branch, if something was written to it."""
        return self._open.get((at.repo, at.ref))

    def open(self, at: Location) -> OpenCommit:
        """The open commit of a branch; started now if there is none."""
        with self._lock:
            key = (at.repo, at.ref)
            if key not in self._open:
                self._open[key] = self._start(*key)
            return self._open[key]

    def finish(self, message: str = "") -> None:
        """Publish, a branch after the other; on an error, discard what is left."""
        try:
            for key in list(self._open):
                commit = self._open[key].finish(message=message)
                del self._open[key]
                if commit is not None:
                    self.commits.append(commit)
        finally:
            self.discard()

    def discard(self) -> None:
        """Throw away what is not published."""
        while self._open:
            _, commit = self._open.popitem()
            commit.discard()


class Starts(Protocol):
    """A file system that commits can be started in."""

    def start_commit(self, repo: str, branch: str) -> OpenCommit:
        """Start a commit that ends with its batch."""


class PfsTransaction(Transaction):  # type: ignore[misc] # fsspec has no types
    """What ``fs.transaction`` is: a commit of each branch written to, nothing on an error.

    Attributes:
        message: Of the commits; set it in the block.
        batch: The open commits.
    """

    def __init__(self, fs: Starts) -> None:
        super().__init__(fs)
        self.fs: Any = fs
        self.message = ""
        self.batch = Batch(fs.start_commit)

    @property
    def commits(self) -> list[Commit]:
        """The commits that were published."""
        return self.batch.commits

    def complete(self, commit: bool = True) -> None:  # noqa: FBT001, FBT002 - fsspec's signature
        """Publish all that was written, or discard it."""
        fs, files = self.fs, list(self.files)
        self.files.clear()
        try:
            for file in files:
                if commit:
                    file.close()
                else:
                    file.discard()
            if commit:
                self.batch.finish(self.message)
        finally:
            self.batch.discard()
            fs._intrans = False  # noqa: SLF001 - as fsspec's own transactions do
            fs._transaction = None  # noqa: SLF001
            self.fs = None
