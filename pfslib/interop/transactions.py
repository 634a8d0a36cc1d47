"""PfsTransaction: what ``fs.transaction`` is."""

from __future__ import annotations

from types import TracebackType
from typing import Never, SupportsIndex

from fsspec.transaction import Transaction

from pfslib.api.commit import Commit
from pfslib.interop.batches import Batch
from pfslib.model.errors import StateError


class PfsTransaction(Transaction):  # type: ignore[misc] # fsspec has no types
    """A commit of each branch written to in a block, nothing on an error; see Batch.

    Attributes:
        batch: The open commits.
    """

    def __init__(self, batch: Batch, shared: list[Batch]) -> None:
        """Prepare one, or see the one that is under way.

        Args:
            batch: The open commits.
            shared: Where to list it while it is under way.
        """
        super().__init__(None)
        self.batch = batch
        self._shared = shared

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise StateError(
            "a transaction belongs to its process, and is not pickled",
            hint="`start_commit` makes a commit that several processes can write to",
        )

    @property
    def message(self) -> str:
        """Of the commits; set it in the block."""
        return self.batch.message

    @message.setter
    def message(self, text: str) -> None:
        self.batch.message = text

    @property
    def commits(self) -> list[Commit]:
        """The commits that were published."""
        return self.batch.commits

    def start(self) -> None:
        """Take all writes of this thread from now on.

        Raises:
            StateError: A transaction is under way already.
        """
        self.batch.begin()
        self._shared.append(self.batch)

    def complete(self, commit: bool = True) -> None:  # noqa: FBT001, FBT002 - fsspec's signature
        """Publish all that was written, or discard it."""
        try:
            self.batch.end(publish=commit)
        finally:
            self._shared[:] = [batch for batch in self._shared if batch is not self.batch]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.complete(commit=kind is None)
