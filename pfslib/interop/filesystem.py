"""PfsFileSystem: the store as a file system of fsspec, ``pfs://repo@ref/path``."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final

from fsspec.compression import compr
from fsspec.core import get_compression
from fsspec.spec import make_instance

from pfslib.api.commit import Commit
from pfslib.api.data import Data
from pfslib.api.file import BUFFER_SIZE
from pfslib.api.open_commit import OpenCommit
from pfslib.api.store import Store
from pfslib.interop.batches import Batch, find_batch, inherited_batch
from pfslib.interop.locations import PROTOCOL, Location, choose_store, parse_location
from pfslib.interop.streams import PackedWriter, PfsReader, PfsWriter, TextWriter
from pfslib.interop.transactions import PfsTransaction
from pfslib.interop.writing import WritingVerbs
from pfslib.kv.lmdb_kv import identity
from pfslib.model.errors import (
    AlreadyExistsError,
    BranchNotFoundError,
    CommitOpenError,
    InvalidInputError,
    NotFoundError,
    PathNotFoundError,
    PfsError,
    RepoNotFoundError,
    StateError,
    StoreNotFoundError,
)
from pfslib.model.names import is_commit_id

_TEXT_OPTIONS: Final = ("encoding", "errors", "newline")


class _Meant:
    """Which stores are meant now; instances that were made where others were meant are others."""

    def __get__(self, instance: object, owner: type) -> tuple[str, str]:
        try:
            return str(Path.cwd()), str(choose_store(None))
        except (StoreNotFoundError, OSError):
            return "", ""


class PfsFileSystem(WritingVerbs):
    """Files of all commits of a store, by ``repo@ref/path``.

    ``ref`` is what references have: a branch, a tag, an id or its beginning, with ``^`` or ``.2``,
    also the id of a commit that is open. A branch is looked up at every call; see `pinned`.

    Written is to branches, or to an open commit. Outside a transaction every call, and every file
    when it is closed, makes one commit; in ``with fs.transaction:`` all becomes one commit of each
    branch, and nothing on an error. What was written in a transaction can be read in it.

    Directories are there as long as there are files in them. Links are not followed: their content
    is their target. Found by fsspec as ``pfs``; picklable.
    """

    protocol = PROTOCOL
    transaction_type = PfsTransaction
    _meant: ClassVar = _Meant()
    _extra_tokenize_attributes = ("_meant",)

    def __init__(
        self,
        store: str | os.PathLike[str] | Store | None = None,
        *,
        wait_s: float = 60.0,
        **options: Any,  # noqa: ANN401 - fsspec's own
    ) -> None:
        """See a store.

        Args:
            store: Its directory, or the store itself; without it see `choose_store`.
            wait_s: Seconds to wait for a branch that somebody else is writing to.
            options: What fsspec does with every file system.

        Raises:
            StoreNotFoundError: No store is there.
        """
        super().__init__(**options)
        self._path = choose_store(store)
        self._wait_s = wait_s
        self._identity = identity(self._path)
        self._opened = Store(self._path)
        self._transactions: list[Batch] = []
        self._announced: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return make_instance, (type(self), (), {**self.storage_options, "store": str(self._path)})

    @property
    def fsid(self) -> str:
        """What tells one store from another."""
        return f"{PROTOCOL}:{self._path}"

    def pinned(self, path: str) -> str:
        """The same path by the id of the commit that it means now: it will not change.

        Raises:
            PathNotFoundError: The commit is not there.
        """
        at = parse_location(self._strip_protocol(path))
        return f"{PROTOCOL}://{at.repo}@{self._commit(at).id}/{at.path}"

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - bytes or text, for reading or writing
        """Open a file as `open` does: ``r``, ``w``, ``x`` and ``a``, with ``b`` or as text.

        Raises:
            PathNotFoundError: Nothing is there.
            AlreadyExistsError: Something is there, and the mode is ``x``.
            InvalidInputError: Another mode.
        """
        if "b" not in mode:
            options.setdefault("encoding", "utf-8")
        if mode.startswith("r"):
            return super().open(
                path, mode, block_size, cache_options, compression=compression, **options
            )
        path = self._strip_protocol(path)
        binary = mode.replace("t", "").replace("b", "") + "b"
        batch = self._batch()
        file: Any = self._writer(path, binary, batch)
        if packing := get_compression(path, compression):
            file = PackedWriter(file, compr[packing](file, mode=binary[0]))
        if "b" not in mode:
            text = {key: options[key] for key in _TEXT_OPTIONS if key in options}
            file = TextWriter(file, **text)
        if batch is not None:
            batch.files.append(file)
        return file

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        **_: Any,  # noqa: ANN401
    ) -> PfsReader:
        if mode != "rb":
            raise _bad_mode(mode, path)
        return self._reader(parse_location(path), path, block_size or BUFFER_SIZE)

    def _writer(self, path: str, mode: str, batch: Batch | None) -> PfsWriter:
        if mode not in {"wb", "xb", "ab"}:
            raise _bad_mode(mode, path)
        at = parse_location(path)
        if mode == "xb" and self.exists(path):
            raise AlreadyExistsError(f"{path} exists already", hint='mode "w" overwrites')
        start = self.size(path) if mode == "ab" and self.exists(path) else 0
        return PfsWriter(path, mode, lambda file: self._put(at, file, mode, batch), start=start)

    # --- commits -------------------------------------------------------------------------

    @property
    def transaction(self) -> PfsTransaction:
        """The transaction under way here, or else a new one, for a ``with`` block."""
        return PfsTransaction(self._batch() or self._new_batch(), self._transactions)

    def start_transaction(self) -> PfsTransaction:
        """Begin a transaction of this thread, until `end_transaction`.

        Raises:
            StateError: One is under way.
        """
        transaction = self.transaction
        transaction.start()
        transaction.batch.halves_of = threading.get_ident()
        return transaction

    def end_transaction(self) -> None:
        """Publish what was written since `start_transaction`.

        Raises:
            StateError: None is under way here.
        """
        if self._batch() is None:
            raise StateError("no transaction is under way here", hint="begin it in this thread")
        self.transaction.complete()

    @property
    def _store(self) -> Store:
        """The store that is at the path now: it may have been deleted, and made anew."""
        try:
            now = identity(self._path)
        except OSError:
            choose_store(self._path)  # says that it is gone
            raise
        if now != self._identity:
            self._opened, self._identity = Store(choose_store(self._path)), now
        return self._opened

    def _new_batch(self) -> Batch:
        store = self._store
        return Batch(self._identity, lambda repo, branch: self._start(store, repo, branch))

    def _start(self, store: Store, repo: str, branch: str) -> OpenCommit:
        """Start a commit on a branch; waits for those of others."""
        parents = inherited_batch(self._identity)
        # The parent may be waiting for this process.
        wait_s = 0.0 if parents is not None and parents.find(repo, branch) else self._wait_s
        try:
            found = store.repo(repo)
        except RepoNotFoundError as error:
            raise self._missing(Location(repo, branch, ""), error) from error
        return found.commit(branch, wait_s=wait_s, check_at_once=True)

    def _batch(self) -> Batch | None:
        """What a write belongs to; None if it is a commit of its own."""
        return find_batch(self._identity, self._transactions)

    @contextmanager
    def _one_commit(self) -> Iterator[None]:
        """Make one commit of all writes of this thread in the block."""
        if self._batch() is not None:
            yield
            return
        with self._new_batch():
            yield

    def _commit(self, at: Location) -> Commit | OpenCommit:
        """What is to be read at a place: what is being written there, if anything is."""
        batch = self._batch()
        written = batch.find(at.repo, at.ref) if batch is not None else None
        if written is not None:
            return written
        try:
            return self._store.commit(at.branch)
        except CommitOpenError as error:
            if error.commit.startswith(at.ref):
                return self._store.open_commit(at.repo, error.commit)
            raise self._missing(at, error) from error  # a branch of which it will be the first
        except NotFoundError as error:
            raise self._missing(at, error) from error

    def _missing(self, at: Location, error: PfsError) -> PathNotFoundError:
        path = "/".join(filter(None, (at.branch, at.path)))
        return PathNotFoundError(path, f"store {self._path}: {error}", hint=error.hint)

    @contextmanager
    def _writing(self, at: Location, opened_in: Batch | None = None) -> Iterator[OpenCommit]:
        """The open commit that a write goes to, published afterwards if it is for that alone."""
        batch = opened_in or self._batch()
        if (batch is None or batch.find(at.repo, at.ref) is None) and self._is_of_commit(at):
            yield self._store.open_commit(at.repo, at.ref)
            return
        if batch is not None:
            with batch.writing(at.repo, at.ref) as open_commit:
                if open_commit is not None:
                    yield open_commit
                    return
        if opened_in is not None:
            raise StateError(f"the transaction that {at.branch}/{at.path} was written in is over")
        with self._start(self._store, at.repo, at.ref) as open_commit:
            yield open_commit

    def _is_of_commit(self, at: Location) -> bool:
        """Whether a reference means a commit itself, not a branch that is there or could be made.

        A branch may be named ``master.0``, but not by somebody who may mean the first commit.
        """
        if is_commit_id(at.ref):
            return True
        try:
            self._store.commit(at.branch)
        except CommitOpenError as error:
            # By the beginning of its id; else it is the first of a branch, which another makes.
            return error.commit.startswith(at.ref)
        except NotFoundError:
            return False
        # Asked last: a branch that was made meanwhile is a branch.
        with suppress(BranchNotFoundError):
            self._store.repo(at.repo).list_commit(at.ref)  # lists none of them yet
            return False
        return True

    def _put(self, at: Location, data: Data, mode: str, opened_in: Batch | None = None) -> None:
        with self._writing(at, opened_in) as open_commit:
            if mode == "xb" and (open_commit / at.path).exists():
                raise AlreadyExistsError(
                    f"{at.branch}/{at.path} exists already", hint="overwrite it, or name another"
                )
            open_commit.put_file(at.path, data, append=mode == "ab")


def _bad_mode(mode: str, path: str) -> InvalidInputError:
    return InvalidInputError(f"mode {mode!r} cannot be used for {path}", hint="use r, w, x or a")
