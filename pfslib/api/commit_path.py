"""CommitPath: a place in a commit, with the manners of `pathlib`."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, Self, overload

from pfslib.api.info import FileInfo
from pfslib.api.pages import files_html
from pfslib.api.path_parts import PathParts
from pfslib.model.errors import (
    AlreadyExistsError,
    InvalidInputError,
    IsADirectoryInCommitError,
    NotADirectoryInCommitError,
    NotFoundError,
    StillNeededError,
    WrongKindError,
)

if TYPE_CHECKING:
    from pfslib.api.open_commit import OpenCommit

_MAGIC = re.compile(r"([\\{}])")
_ANY_MAGIC = re.compile(r"([\\{}*?\[\]])")


class CommitPath(PathParts):
    """A path in a finished or open commit: ``commit / "data" / "a.csv"``.

    Has what `pathlib.PurePosixPath` has to take it apart and what `pathlib.Path` has to read it; in
    an open commit, to write it, too. Makes no promise that anything is there. Links are not
    followed. It is no `os.PathLike`: nothing of the host has its name, so `open` and programs
    cannot find it; see `Commit.mount` for that.

    Attributes:
        commit: The commit it is in.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        rows = self.commit.list_file(self.path) if self.exists() else iter(())
        return files_html(str(self), rows)

    # --- what is there -------------------------------------------------------------------

    def info(self) -> FileInfo:
        """What is there: see ``Commit.inspect_file``.

        Raises:
            PathNotFoundError: Nothing.
        """
        return self.commit.inspect_file(self.path)

    def stat(self) -> os.stat_result:
        """What is there as `os.stat` has it: type, permissions, size in bytes, and times.

        Raises:
            PathNotFoundError: Nothing is there.
        """
        info = self.info()
        seconds = int(info.modified.timestamp())
        mode = {"dir": stat.S_IFDIR | 0o555, "symlink": stat.S_IFLNK | 0o777}.get(
            info.kind, stat.S_IFREG | (0o555 if info.executable else 0o444)
        )
        return os.stat_result((mode, 0, 0, 1, 0, 0, info.size, seconds, seconds, seconds))

    def lstat(self) -> os.stat_result:
        """The same as `stat`, for that follows no links either."""
        return self.stat()

    def exists(self) -> bool:
        """Whether anything is there."""
        return self._kind() is not None

    def is_file(self) -> bool:
        """Whether a file is there."""
        return self._kind() == "file"

    def is_dir(self) -> bool:
        """Whether a directory is there."""
        return self._kind() == "dir"

    def is_symlink(self) -> bool:
        """Whether a symbolic link is there."""
        return self._kind() == "symlink"

    def _kind(self) -> str | None:
        try:
            return self.info().kind
        except (NotFoundError, WrongKindError):
            return None

    def readlink(self) -> PurePosixPath:
        """The target of a symbolic link.

        Raises:
            InvalidInputError: No link is there.
        """
        if not self.is_symlink():
            raise InvalidInputError(f"{self} is no symbolic link")
        return PurePosixPath(os.fsdecode(self.commit.get_file(self.path)))

    def iterdir(self) -> Iterator[CommitPath]:
        """What is in the directory, by name.

        Raises:
            NotADirectoryInCommitError: A file is there.
            PathNotFoundError: Nothing is there.
        """
        if self.info().kind != "dir":
            raise NotADirectoryInCommitError(self.path)
        return (self._at(PurePosixPath(info.path)) for info in self.commit.list_file(self.path))

    def walk(self) -> Iterator[tuple[CommitPath, list[str], list[str]]]:
        """Each directory from here on down, with the names of the directories and files in it.

        As with `pathlib.Path`: names taken out of the first list are not gone into.

        Raises:
            NotADirectoryInCommitError: A file is there.
            PathNotFoundError: Nothing is there.
        """
        if self.info().kind != "dir":
            raise NotADirectoryInCommitError(self.path)
        directories: list[str] = []
        files: list[str] = []
        for below in self.commit.list_file(self.path):
            kind = directories if below.kind == "dir" else files
            kind.append(PurePosixPath(below.path).name)
        yield self, directories, files
        for name in directories:
            yield from (self / name).walk()

    def glob(self, pattern: str) -> Iterator[CommitPath]:
        """What is below and matches a pattern, as in `pathlib.Path`: ``*.csv``, ``**/*.csv``.

        Raises:
            InvalidInputError: The pattern is empty or absolute.

        Cost: that of `Commit.glob`.
        """
        if not pattern or pattern.startswith("/"):
            raise InvalidInputError(f"pattern {pattern!r} must be relative, and not empty")
        whole = _ANY_MAGIC.sub(r"\\\1", self.path.rstrip("/")) + "/" + _store_glob(pattern)
        return (self._at(PurePosixPath(info.path)) for info in self.commit.glob(whole))

    def rglob(self, pattern: str) -> Iterator[CommitPath]:
        """The same, at any depth."""
        return self.glob(f"**/{pattern}")

    # --- reading -------------------------------------------------------------------------

    @overload
    def open(self, mode: Literal["rb"]) -> io.BufferedReader: ...

    @overload
    def open(
        self,
        mode: Literal["r", "rt"] = "r",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.TextIOWrapper: ...

    def open(
        self,
        mode: Literal["r", "rt", "rb"] = "r",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.BufferedReader | io.TextIOWrapper:
        """The file there, for reading, text unless asked otherwise; see ``Commit.open``."""
        if set(mode) & set("wax+"):
            self._open_commit()  # in a finished commit there is more to say than that of the mode
        if mode == "rb":
            return self.commit.open(self.path, mode)
        return self.commit.open(self.path, mode, encoding=encoding, errors=errors, newline=newline)

    def read_bytes(self) -> bytes:
        """All bytes of the file there."""
        return self.commit.get_file(self.path)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """All text of the file there, UTF-8 unless said otherwise, with its line ends made one.

        Args:
            encoding: None means UTF-8.
            errors: What to do with what is not in the encoding; see `open`.
        """
        with self.open("r", encoding=encoding, errors=errors) as file:
            return file.read()

    # --- writing, in an open commit ------------------------------------------------------

    def _open_commit(self) -> OpenCommit:
        return self.commit._to_edit(self.path)  # noqa: SLF001 - handles of one api

    def write_bytes(self, data: bytes) -> int:
        """Put a file here; the directories above it come with it. See ``OpenCommit.put_file``.

        Returns:
            Its size in bytes.

        Raises:
            CommitFinishedError: The commit is finished, as for all that follow.
        """
        self._open_commit().put_file(self.path, data)
        return len(data)

    def write_text(self, data: str, encoding: str | None = None, errors: str | None = None) -> int:
        """The same, for text, UTF-8 unless said otherwise.

        Args:
            data: The text.
            encoding: None means UTF-8.
            errors: What to do with what the encoding cannot say; see ``str.encode``.

        Returns:
            Its length in characters.
        """
        self.write_bytes(data.encode(encoding or "utf-8", errors or "strict"))
        return len(data)

    def touch(self, *, exist_ok: bool = True) -> None:
        """Put an empty file here if nothing is here.

        Args:
            exist_ok: Whether anything may be here.

        Raises:
            AlreadyExistsError: Something is, and may not.
        """
        self._open_commit()
        if not self.exists():
            self.write_bytes(b"")
        elif not exist_ok:
            raise AlreadyExistsError(f"{self} exists")

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: ARG002 - pathlib's
        """See that a directory could be here: it comes with the first file that is put into it.

        Args:
            parents: Taken for pathlib's sake: those above come with it anyway.
            exist_ok: Whether a directory may be here.

        Raises:
            AlreadyExistsError: Something is here, and may not.
        """
        self._open_commit()
        if self.exists() and not (exist_ok and self.is_dir()):
            raise AlreadyExistsError(f"{self} exists", hint="name another path, or say exist_ok")

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the file or link here.

        Args:
            missing_ok: Whether nothing may be here.

        Raises:
            IsADirectoryInCommitError: A directory is here; ``OpenCommit.delete_file`` removes it.
            PathNotFoundError: Nothing is.
        """
        commit = self._open_commit()
        if self.is_dir():
            raise IsADirectoryInCommitError(self.path)
        commit.delete_file(self.path, missing_ok=missing_ok)

    def rmdir(self) -> None:
        """Refuse, as pathlib does for a directory with something in it: there are no others.

        Raises:
            StillNeededError: A directory is here.
            NotADirectoryInCommitError: A file is here.
            PathNotFoundError: Nothing is here.
        """
        self._open_commit()
        if self.info().kind != "dir":
            raise NotADirectoryInCommitError(self.path)
        raise StillNeededError(
            f"{self} is not empty: a directory is there while something is in it",
            hint="`delete_file` removes it with all that",
        )

    def rename(self, target: Self | str | PurePosixPath) -> Self:
        """Have what is here somewhere else in this commit, in place of what is there.

        Args:
            target: Where; one that is relative is below the root.

        Returns:
            The new place.

        Raises:
            PathNotFoundError: Nothing is here.
            InvalidInputError: The new place is inside of this one, or this inside of the new one.

        Cost: O(1) in the content, of a whole directory, too.
        """
        commit = self._open_commit()
        path = target.path if isinstance(target, CommitPath) else target
        there = self.joinpath("/", path)
        if self in there.parents or there in self.parents:
            raise InvalidInputError(  # what is moved would be deleted with what is in its place
                f"{self} cannot be moved to {there.path}, which is inside of it, or the reverse",
                hint="move it to a third place first",
            )
        commit.copy_file(commit, self.path, there.path)
        if there != self:
            commit.delete_file(self.path)
        return there

    replace = rename


def _store_glob(pattern: str) -> str:
    """A pattern of pathlib's as one of ours: braces are literal, ``**/`` may stand for nothing."""
    *above, last = [part for part in pattern.split("/") if part]
    return "".join(
        "{,**/}" if part == "**" else _MAGIC.sub(r"\\\1", part) + "/" for part in above
    ) + _MAGIC.sub(r"\\\1", last)
