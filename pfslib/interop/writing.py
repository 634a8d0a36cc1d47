"""The part of PfsFileSystem that writes; what a write belongs to is said elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from pfslib.api.data import Data
from pfslib.api.open_commit import OpenCommit
from pfslib.interop.locations import PROTOCOL, Location, parse_location
from pfslib.interop.reading import ReadingVerbs
from pfslib.model.errors import (
    AlreadyExistsError,
    InvalidInputError,
    IsADirectoryInCommitError,
    PathNotFoundError,
)
from pfslib.model.paths import normal_path


class WritingVerbs(ReadingVerbs):
    """Writing to branches and open commits; see PfsFileSystem."""

    _announced: set[str]
    """URLs of directories that were made, which are listed as empty until something is in them.

    So DuckDB wants it, which makes a directory, then lists it, both by URL. By path they are not
    there: that is what fsspec's own tests demand where directories come with their first file.
    """

    def _one_commit(self) -> AbstractContextManager[None]:
        """Make one commit of all writes of this thread in the block."""
        raise NotImplementedError

    def _writing(self, at: Location) -> AbstractContextManager[OpenCommit]:
        """The open commit that a write goes to."""
        raise NotImplementedError

    def _put(self, at: Location, data: Data, mode: str) -> None:
        """Write a file."""
        raise NotImplementedError

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:  # noqa: ANN401
        """Write the bytes of a file.

        Raises:
            AlreadyExistsError: Something is there, and the mode is ``create``.
        """
        at = parse_location(self._strip_protocol(path))
        self._put(at, value, "xb" if mode == "create" else "wb")

    def pipe(self, path: Any, value: bytes | None = None, **options: Any) -> None:  # noqa: ANN401
        """Write the bytes of a file, or of several, by path: one commit."""
        with self._one_commit():
            super().pipe(path, value, **options)

    def put_file(
        self,
        lpath: str | os.PathLike[str],
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Write a file of the host, with its mode and time.

        Raises:
            AlreadyExistsError: Something is there, and the mode is ``create``.
        """
        source = Path(lpath)
        if source.is_dir():
            return
        callback.set_size(source.stat().st_size)
        at = parse_location(self._strip_protocol(rpath))
        self._put(at, source, "xb" if mode == "create" else "wb")
        callback.absolute_update(source.stat().st_size)

    def put(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - fsspec's
        """Write files of the host: one commit; see fsspec."""
        with self._one_commit():
            super().put(*args, **options)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:  # noqa: ANN401
        """Take a file over, by reference: its content is not read."""
        source = parse_location(self._strip_protocol(path1))
        target = parse_location(self._strip_protocol(path2))
        commit = self._commit(source)
        if commit.inspect_file(source.path).kind == "dir":
            return  # comes with the files in it
        with self._one_commit(), self._writing(target) as open_commit:
            open_commit.copy_file(commit, source.path, target.path)

    def copy(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - fsspec's
        """Take files over, by reference: one commit; see fsspec."""
        with self._one_commit():
            super().copy(*args, **options)

    def mv(
        self,
        path1: Any,  # noqa: ANN401 - a path or several, as in fsspec
        path2: Any,  # noqa: ANN401
        recursive: bool = False,  # noqa: FBT001, FBT002 - fsspec's signature
        maxdepth: int | None = None,
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Move files: one commit of each branch; see fsspec. What is moved onto itself stays.

        Raises:
            PathNotFoundError: Nothing is there.
            IsADirectoryInCommitError: A directory, without ``recursive``.
            InvalidInputError: Something is moved into itself, or onto what is moved as well.
        """
        if path1 == path2:
            return
        with self._one_commit():
            plan = _Plan(self)
            AbstractFileSystem.copy(plan, path1, path2, recursive, maxdepth, on_error="raise")
            if not plan.copies and isinstance(path1, str) and self.isdir(path1):
                raise IsADirectoryInCommitError(path1)
            for source, target in _moves(plan.copies):
                if not self.isdir(source):
                    self.cp_file(source, target)
                    self.rm_file(source)

    def rm_file(self, path: str) -> None:
        """Remove a file, or a directory with all below it."""
        at = parse_location(self._strip_protocol(path))
        self._commit(at).inspect_file(at.path)
        with self._writing(at) as open_commit:
            if at.path:
                open_commit.delete_file(at.path)
            else:
                open_commit.delete_glob("/*")

    def rm(
        self,
        path: str | list[str],
        recursive: bool = False,  # noqa: FBT001, FBT002 - fsspec's signature
        maxdepth: int | None = None,
    ) -> None:
        """Remove files, and with ``recursive`` directories: one commit.

        Raises:
            PathNotFoundError: Nothing is there.
            IsADirectoryInCommitError: A directory, without ``recursive``.
        """
        with self._one_commit():
            gone: set[str] = set()
            found = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)
            self._announced.difference_update(map(self.unstrip_protocol, found))
            for each in sorted(
                found, key=lambda each: each.count("/")
            ):  # what is above comes first
                if not gone.isdisjoint(map(str, PurePosixPath(each).parents)):
                    continue
                if self.isdir(each):
                    if not recursive:
                        raise IsADirectoryInCommitError(each)
                    if maxdepth is not None:  # what is deeper stays
                        continue
                self.rm_file(each)
                gone.add(each)

    _rm = rm_file

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:  # noqa: ANN401, ARG002, FBT001, FBT002
        """Nothing: a directory comes with the first file in it."""
        if path.startswith(f"{PROTOCOL}://"):
            self._announced.add(path)

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:  # noqa: ANN401, FBT001, FBT002
        """What is in a directory, by name; in one that was made, both by URL, nothing at first.

        Raises:
            PathNotFoundError: Nothing is there, or no such commit.
        """
        try:
            return super().ls(path, detail, **options)
        except PathNotFoundError:
            if path in self._announced:
                return []
            raise

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002
        """Nothing, but an error if something is there.

        Raises:
            AlreadyExistsError: Something is there; a directory is no matter with ``exist_ok``.
        """
        if self.exists(path) and not (exist_ok and self.isdir(path)):
            raise AlreadyExistsError(f"{self._strip_protocol(path)} exists already")

    def rmdir(self, path: str) -> None:
        """Nothing: a directory goes with the last file in it.

        Raises:
            InvalidInputError: There is something in it.
        """
        if self.ls(path, detail=False):
            raise InvalidInputError(
                f"{self._strip_protocol(path)} is not empty", hint="use rm(…, recursive=True)"
            )
        self._announced.discard(path)


class _Plan:
    """Takes the place of a file system in fsspec's `copy`, to know what it would copy where."""

    def __init__(self, fs: WritingVerbs) -> None:
        self.expand_path, self.isdir = fs.expand_path, fs.isdir
        self._strip = fs._strip_protocol  # noqa: SLF001 - of fsspec
        self.copies: list[tuple[str, str]] = []

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:  # noqa: ANN401
        self.copies.append((_normal(self._strip(path1)), _normal(self._strip(path2))))


def _moves(copies: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Which of the copies are moves; not those of something onto itself.

    Raises:
        InvalidInputError: By making one, another one's source would be lost.
    """
    moves = [(source, target) for source, target in copies if source != target]
    sources = {source for source, _ in moves}
    for source, target in moves:
        if target in sources or not sources.isdisjoint(map(str, PurePosixPath(target).parents)):
            raise InvalidInputError(
                f"{source} cannot be moved to {target}, which is, or lies in, what is moved"
            )
    return iter(moves)


def _normal(path: str) -> str:
    at = parse_location(path)
    return at.branch + normal_path(at.path).rstrip("/")
