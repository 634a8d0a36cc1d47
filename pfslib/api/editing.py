"""The edits that one handle makes to an open commit, until they are in its tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from pfslib.commits.finish import finish, fold, fold_batches
from pfslib.commits.forsaken import leave_block
from pfslib.commits.open_commits import find_open
from pfslib.commits.refs import find_commit
from pfslib.commits.staging import discard, stage, staged, staged_end
from pfslib.kv.protocol import KV, Hold, ReadTxn
from pfslib.model.errors import (
    BusyError,
    CommitFinishedError,
    CommitNotFoundError,
    PfsError,
)
from pfslib.model.history import Commit as CommitRecord
from pfslib.model.history import OpenCommit as OpenRecord
from pfslib.model.nodes import Entry
from pfslib.trees.contents import ContentWriter
from pfslib.trees.damage import damage_of
from pfslib.trees.edit import Edit
from pfslib.trees.lookup import find_entry
from pfslib.trees.spool import MEMORY_MAX, EditSpool
from pfslib.trees.touched import Touched, check_fits
from pfslib.trees.walk import Parts

if TYPE_CHECKING:
    from pfslib.api.store import Store

_STAGED_MAX: Final = 64
"""Edits staged in the store before they are folded: every call that stages looks at all of them."""

_TRIES: Final = 20
"""Times that many edits are applied once more because others have edited the commit meanwhile."""


class Seen(NamedTuple):
    """A state of an open commit."""

    record: OpenRecord
    end: int
    """Number after that of the last staged edit."""

    @property
    def root(self) -> Entry:
        """The tree with all edits that were folded."""
        return self.record.root


class Editing:
    """Edits to one open commit.

    Those of a commit that outlives processes are staged in the store at once; others wait here. In
    both cases they are folded into the commit's tree when they are many, when what they touch is
    to be read, and at the end.

    Attributes:
        where: What the commit is called in errors.
        said: The same in those that are the user's own.
        writer: Takes the contents of the edits.
        check_at_once: Whether edits that do not fit are refused when they are added, at the cost of
            a look-up each, also of a commit that does not outlive this process.
        ended: Whether the commit was finished or discarded by way of this.
    """

    def __init__(self, store: Store, record: OpenRecord, *, durable: bool) -> None:
        self._store = store
        self._repo, self._id = record.repo, record.id
        self.where = f"open commit {record.repo}@{record.id} on {record.branch}"
        # The id of one that was made for this block, or command, says nothing to its user.
        self.said = self.where if durable else f"the new commit on {record.repo}@{record.branch}"
        self._durable = durable
        self._edits: list[Edit] = []
        self._touched = Touched()
        self._noted = 0
        self.check_at_once = False
        self.writer = ContentWriter(store.kv)
        self.ended = False

    def check(self) -> None:
        """Make sure that the commit was not ended by way of this.

        Raises:
            CommitFinishedError: It was finished.
            CommitNotFoundError: It was discarded.
        """
        if self.ended:
            with self._store.kv.read() as txn:
                raise self._gone(txn)

    def naming(self, path: Parts = ()) -> AbstractContextManager[None]:
        """Let reports of damage that is met inside name a file, and the commit."""
        return damage_of(self.where, b"/".join(path))

    # --- adding --------------------------------------------------------------------------

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Leave nothing to be stored of what the block gave to the writer, if it raises."""
        if not self._durable:
            with self.writer.all_or_nothing():
                yield
            return
        try:
            yield
        except BaseException:
            self.writer.close()
            raise

    def add(self, edits: Sequence[Edit], seen: Seen | None = None) -> bool:
        """Add edits.

        Args:
            edits: What to add; all of them, or on an error none.
            seen: The state that the edits were made for and fit, if they depend on one.

        Returns:
            Whether they were added: not if the commit is in another state than was seen.

        Raises:
            CommitFinishedError, CommitNotFoundError: The commit is no longer open.
            PathClashError: A path would be a file and a directory; of a commit that does not
                outlive this process only said later, when the edits are folded.
        """
        if not edits:
            return True
        if self._durable:
            return self._stage(edits, seen)
        if self.check_at_once:
            self._check_fit(edits)
        before = len(self._edits)
        self._edits.extend(edits)
        if len(self._edits) >= MEMORY_MAX:
            try:
                self.fold()
            except BaseException:
                del self._edits[before:]  # so that the call may be made again
                raise
            self.writer.let_go()
        return True

    def add_all(self, spool: EditSpool, seen: Seen | None = None) -> bool:
        """The same for edits of any number; more than MEMORY_MAX are folded at once.

        Raises:
            BusyError: Others edit the commit so often that it cannot be done between two edits.
        """
        if len(spool) <= MEMORY_MAX:
            return all(self.add(batch, seen) for batch in spool.batches())
        for _ in range(_TRIES):
            with holding(self._store.kv) as hold:
                now = self._look_held(hold)
                if seen is not None and seen != now:
                    return False
                if self._fold_all(now, spool, hold):
                    self._forget()
                    self.writer.let_go()
                    return True
        raise BusyError(
            f"{self.where}: others edit it all the time, {len(spool)} edits do not fit in between",
            hint="put fewer files at once, or wait until the others have done",
        )

    def _fold_all(self, now: Seen, spool: EditSpool, hold: Hold) -> bool:
        """Fold what is staged, what waits here, and a spool."""
        with self._store.kv.read() as txn:
            waiting = [*staged(txn, now.record), *self._edits]
        with self.naming():
            return fold_batches(
                self._store.kv,
                now.record,
                now.end,
                self._store.cache,
                self.writer,
                filter(None, chain([waiting], spool.batches())),
                hold,
            )

    def _stage(self, edits: Sequence[Edit], seen: Seen | None) -> bool:
        """Stage edits in the store, if they fit."""
        try:
            return self._stage_fitting(edits, seen)
        except BaseException:
            self.writer.close()  # or what was refused would be written with the next edit
            raise

    def _stage_fitting(self, edits: Sequence[Edit], seen: Seen | None) -> bool:
        while True:
            with self._store.kv.read() as txn:
                now = self._look_in(txn)
                if seen is not None and seen != now:
                    return False
                waiting = Touched(staged(txn, now.record))
                fits = seen is not None or self._fit(txn, now, edits, waiting)
            if not fits:
                self.fold()
                continue
            with self.writer.writing() as txn:
                if self._look_in(txn) != now:
                    continue
                stage(txn, now.record, edits)
            self.writer.let_go()
            if now.end + len(edits) - now.record.folded >= _STAGED_MAX:
                with suppress(PfsError):  # they are staged, and finishing folds them, too
                    self.fold()
            return True

    def _check_fit(self, edits: Sequence[Edit]) -> None:
        """Make sure that edits fit with those that wait here."""
        while True:
            with self._store.kv.read() as txn:
                if self._fit(txn, self._look_in(txn), edits, self._waiting()):
                    return
            self.fold()  # the contents of these edits stay held: they are in no tree yet

    def _fit(self, txn: ReadTxn, now: Seen, edits: Sequence[Edit], touched: Touched) -> bool:
        """Whether edits fit; False if one has to fold what waits, and touches them, to know."""
        for edit in edits:
            entry = edit.entry
            if entry is not None and entry.is_file and touched.makes_file(edit.path):
                continue
            if touched.touches(edit.path):
                return False
            with self.naming(edit.path):
                check_fits(txn, now.root, edit, self._store.cache)
        return True

    # --- reading -------------------------------------------------------------------------

    def see(self, path: Parts) -> Seen:
        """A state of the commit whose root shows what is at a path and below it.

        Raises:
            CommitFinishedError, CommitNotFoundError: The commit is no longer open.
            PathClashError: A path would be a file and a directory.
        """
        with self._store.kv.read() as txn:
            now = self._look_in(txn)
            waiting = Touched(staged(txn, now.record))
        if waiting.touches(path) or self._waiting().touches(path):
            self.fold()
            self.writer.let_go()
            return self._look()
        return now

    def see_held(self, path: Parts, hold: Hold) -> Seen:
        """The same, with a tree that stays for as long as it is held, whatever others do."""
        while True:
            seen = self.see(path)
            if self._look_held(hold).root == seen.root:
                return seen

    def find(self, path: Parts) -> tuple[Seen, Entry | None]:
        """What is at a path, and the state in which it is.

        Raises:
            CommitFinishedError, CommitNotFoundError: The commit is no longer open.
            PathClashError: A path would be a file and a directory.
        """
        while True:
            seen = self.see(path)
            with self._store.kv.read() as txn, self.naming(path):
                if self._look_in(txn) == seen:  # or its tree may be gone
                    return seen, find_entry(txn, seen.root, path, self._store.cache)

    def makes_file(self, path: Parts) -> bool:
        """Whether an edit that waits here puts a file at a path, whatever is there else."""
        return self._waiting().makes_file(path)

    def waiting_file(self, path: Parts) -> Entry | None:
        """The file that an edit puts which waits here; None if it is not known without folding."""
        return self._waiting().file_put_at(path)

    def _waiting(self) -> Touched:
        """The paths of the edits that wait here."""
        self._touched.add(self._edits[self._noted :])
        self._noted = len(self._edits)
        return self._touched

    def _look(self) -> Seen:
        with self._store.kv.read() as txn:
            return self._look_in(txn)

    def _look_held(self, hold: Hold) -> Seen:
        """The state of now, with its root held."""
        seen = self._look()
        while True:
            hold.add((seen.root.node,))
            before, seen = seen, self._look()
            if seen.root == before.root:  # nobody has made garbage of it before it was held
                return seen

    def _look_in(self, txn: ReadTxn) -> Seen:
        record = find_open(txn, self._id)
        if record is None or self.ended:
            raise self._gone(txn)
        return Seen(record, staged_end(txn, record))

    def _gone(self, txn: ReadTxn) -> PfsError:
        if find_commit(txn, self._id) is not None:
            return CommitFinishedError(self._repo, self._id)
        return CommitNotFoundError(self._repo, self._id, hint="it was discarded")

    # --- folding, and the end ------------------------------------------------------------

    def fold(self) -> None:
        """Bring the commit's tree up to date."""
        self._look()
        self._fold_with(self._edits)
        self._forget()

    def _fold_with(self, edits: Sequence[Edit]) -> None:
        with self.naming():
            fold(self._store.kv, self._repo, self._id, self._store.cache, self.writer, edits)

    def finish(self, *, allow_empty: bool, message: str) -> CommitRecord | None:
        """See `pfslib.commits.finish.finish`."""
        self._look()
        with self.naming():
            record = finish(
                self._store.kv,
                self._repo,
                self._id,
                self._store.cache,
                self.writer,
                self._edits,
                allow_empty=allow_empty,
                message=message,
            )
        self._end()
        return record

    def discard(self) -> None:
        """Remove the commit with all its edits. Idempotent."""
        self._end()
        with self._store.kv.write() as txn:
            found = find_open(txn, self._id)
            if found is not None:
                discard(txn, found)

    def _end(self) -> None:
        self.ended = True
        leave_block(self._id)
        self.writer.close()
        self._forget()

    def _forget(self) -> None:
        self._edits, self._touched, self._noted = [], Touched(), 0


@contextmanager
def holding(kv: KV) -> Iterator[Hold]:
    """A hold for the block."""
    hold = kv.hold()
    try:
        yield hold
    finally:
        hold.release()
