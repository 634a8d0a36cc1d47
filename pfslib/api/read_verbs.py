"""The verbs that read files, the same on finished and on open commits."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal, overload

from pfslib.api.commit_path import CommitPath
from pfslib.api.file import open_file
from pfslib.api.info import FileInfo
from pfslib.api.listing import Listing
from pfslib.api.pages import files_html
from pfslib.api.tree import Tree
from pfslib.kv.short_reads import ShortReads
from pfslib.model.errors import (
    InvalidInputError,
    IsADirectoryInCommitError,
    NotADirectoryInCommitError,
)
from pfslib.model.globs import compile_glob
from pfslib.model.host_paths import host_path
from pfslib.model.nodes import Entry
from pfslib.model.paths import join_path, normal_path, split_path
from pfslib.trees.export import Exported, export_file, export_tree
from pfslib.trees.glob import glob_entries
from pfslib.trees.tally import Progress

if TYPE_CHECKING:
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.tree_source import TreeSource


class ReadVerbs:
    """Reading files, by path. Links are not followed: a link's content is its target."""

    _store: TreeSource

    def _tree(self) -> Tree:
        """What there is to read now."""
        raise NotImplementedError

    def _to_edit(self, path: str) -> OpenCommit:
        """The open commit that this is, to write to a path.

        Raises:
            CommitFinishedError: It is a finished one.
        """
        raise NotImplementedError

    @property
    def place(self) -> str:
        """What means this commit in all references: ``repo@id``."""
        raise NotImplementedError

    def url(self, path: str = "/") -> str:
        """A URL that pandas and others who speak fsspec read from: ``pfs://repo@id/path``.

        It is pinned to this commit: what it means never changes. The URL has no place for the
        store; see docs/fsspec.md for how that is found.
        """
        return f"pfs://{self.place}{normal_path(path)}"

    def __truediv__(self, path: str) -> CommitPath:
        """A path in the commit: ``commit / "data" / "a.csv"``; see `CommitPath`."""
        return CommitPath(self, path)

    def get_file(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file.

        Args:
            path: The file.
            offset: First byte; beyond the end gives nothing.
            size: Most bytes; None for all that follow.

        Raises:
            PathNotFoundError: Nothing there.
            IsADirectoryInCommitError: A directory is there.
            InvalidInputError: The offset or size is negative.
            CorruptionError: The stored bytes are damaged.

        Cost: reading the pieces that hold these bytes, each of 256 KiB at most.
        """
        tree, entry = self._file(path)
        return tree.read(entry, offset, size, path=path)

    def stream_file(self, path: str, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
        """The same as `get_file`, in blocks of a MiB; for files larger than memory."""
        if offset < 0 or (size is not None and size < 0):
            raise InvalidInputError(f"offset {offset} and size {size} must not be negative")
        tree, entry = self._file(path)
        return tree.stream(entry, offset, size, path=path)

    @overload
    def open(self, path: str, mode: Literal["rb"] = "rb") -> io.BufferedReader: ...

    @overload
    def open(
        self,
        path: str,
        mode: Literal["r", "rt"],
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.TextIOWrapper: ...

    def open(
        self,
        path: str,
        mode: str = "rb",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.BufferedReader | io.TextIOWrapper:
        """A file as Python's own kind of file, seekable, for zipfile, csv, pandas and the like.

        Args:
            path: The file.
            mode: ``rb`` for bytes; ``r`` or ``rt`` for text.
            encoding: Of text; None means UTF-8.
            errors: What to do with text that is not in the encoding; see `open`.
            newline: Which line ends text has; see `open`.

        Raises:
            PathNotFoundError: Nothing there.
            IsADirectoryInCommitError: A directory is there.
            InvalidInputError: Not a mode for reading.
        """
        tree, entry = self._file(path)
        return open_file(
            tree,
            entry,
            join_path(split_path(path)),
            mode,
            encoding=encoding,
            errors=errors,
            newline=newline,
        )

    def get_file_to(
        self,
        path: str,
        target: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Write a file of the commit as a file of the host, with its mode and time.

        Args:
            path: The file; a link becomes a link.
            target: The host file, whose directory exists. It appears whole or not at all.
            overwrite: Replace what is there.
            progress: Told files and bytes written so far.

        Raises:
            PathNotFoundError: Nothing there in the commit.
            AlreadyExistsError: Something is there on the host.

        Cost: reading and writing the file, in little memory.
        """
        tree, entry = self._file(path)
        with tree.naming(path):
            export_file(
                ShortReads(self._store.kv),
                entry,
                host_path(target),
                self._store.cache,
                overwrite=overwrite,
                progress=progress,
            )

    def export(
        self,
        directory: str | os.PathLike[str],
        path: str = "/",
        *,
        overwrite: bool = False,
        trust_times: bool = False,
        progress: Progress | None = None,
    ) -> Exported:
        """Write a directory of the commit, with all below it, into a directory of the host.

        Files have their modes and times, links are links. Every file appears whole or not at all;
        one that is there already and is the same is skipped. To see that, it is compared, but for
        files that an export of the same wrote before it was interrupted: the same call resumes
        that. What else is in the directory stays.

        Args:
            directory: The host directory; made when it is not there.
            path: The directory of the commit.
            overwrite: Replace host files that differ, instead of refusing.
            trust_times: Take files of the right size, mode and time for the same, unread.
            progress: Told files and bytes written so far.

        Returns:
            How many files and bytes were written, and how many files skipped.

        Raises:
            PathNotFoundError: Nothing there in the commit.
            NotADirectoryInCommitError: A file is there; `get_file_to` is for files.
            AlreadyExistsError: A host file differs, or is in the place of a directory.
            InvalidPathError: The host's file system refuses a name.

        Cost: reading and writing what is not there yet; comparing what is.
        """
        tree = self._tree()
        entry = tree.find(path)
        if not entry.is_dir:
            raise NotADirectoryInCommitError(join_path(split_path(path)))
        with tree.naming(path):
            return export_tree(
                ShortReads(self._store.kv),
                entry,
                host_path(directory),
                self._store.cache,
                at=split_path(path),
                overwrite=overwrite,
                trust_times=trust_times,
                progress=progress,
            )

    def inspect_file(self, path: str) -> FileInfo:
        """What is at a path.

        Raises:
            PathNotFoundError: Nothing there.
        """
        return FileInfo.of(join_path(split_path(path)), self._tree().find(path))

    def list_file(self, path: str = "/") -> Listing[FileInfo]:
        """What is in a directory, by name; for a file, the file itself.

        Raises:
            PathNotFoundError: Nothing there.
        """
        tree, parts = self._tree(), split_path(path)
        entry = tree.find(path)
        show = partial(files_html, f"Files in {path}")
        if not entry.is_dir:
            alone = [FileInfo.of(join_path(parts), entry)]
            return Listing(lambda: iter(alone), show)
        return Listing(
            lambda: (FileInfo.of(join_path((*parts, e.name)), e) for e in tree.scan(path)), show
        )

    def walk(self, path: str = "/") -> Listing[FileInfo]:
        """Everything below a directory, in path order; a directory comes before its content."""
        tree = self._tree()
        return Listing(
            lambda: (FileInfo.of(below, entry) for below, entry in tree.walk(path)),
            partial(files_html, f"Files below {path}"),
        )

    def glob(self, pattern: str) -> list[FileInfo]:
        """What a glob matches: ``*``, ``**``, ``?``, ``[…]``, ``{a,b}``; see docs/glossary.md.

        Cost: of the directories that the pattern can reach, the entries whose names begin as it
        asks for; the whole tree only for ``**``.
        """
        glob = compile_glob(pattern)
        tree = self._tree()
        rows = glob_entries(ShortReads(self._store.kv), tree.root, glob, self._store.cache)
        with tree.naming("/"):
            return [FileInfo.of(join_path(parts), entry) for parts, entry in rows]

    def _file(self, path: str) -> tuple[Tree, Entry]:
        tree = self._tree()
        entry = tree.find(path)
        if entry.is_dir:
            raise IsADirectoryInCommitError(join_path(split_path(path)))
        return tree, entry
