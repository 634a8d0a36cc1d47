"""CommitPath: a place in a commit, with the manners of `pathlib`."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, overload

from pfslib.api.info import FileInfo
from pfslib.api.pages import files_html
from pfslib.model.errors import (
    InvalidInputError,
    NotADirectoryInCommitError,
    NotFoundError,
    WrongKindError,
)
from pfslib.model.paths import normal_path

if TYPE_CHECKING:
    from pfslib.api.read_verbs import ReadVerbs

_MAGIC = re.compile(r"([\\{}])")
_ANY_MAGIC = re.compile(r"([\\{}*?\[\]])")


class CommitPath:
    """A path in a finished or open commit: ``commit / "data" / "a.csv"``.

    Has what `pathlib.PurePosixPath` has to take it apart and what `pathlib.Path` has to read it.
    Makes no promise that anything is there. Links are not followed. It is no `os.PathLike`: nothing
    of the host has its name, so `open` and programs cannot find it; see `Commit.mount` for that.

    Attributes:
        commit: The commit it is in.
    """

    __slots__ = ("_pure", "commit")

    def __init__(self, commit: ReadVerbs, path: str | PurePosixPath = "/") -> None:
        self.commit = commit
        self._pure = PurePosixPath(normal_path(path))

    def __repr__(self) -> str:
        return f"<CommitPath {self}>"

    def __str__(self) -> str:
        """As the command takes it: ``repo@id:/path``."""
        return f"{self.commit.place}:{self._pure}"

    def _repr_html_(self) -> str:
        rows = self.commit.list_file(self.path) if self.exists() else iter(())
        return files_html(str(self), rows)

    def __reduce__(self) -> tuple[type[CommitPath], tuple[ReadVerbs, str]]:
        return type(self), (self.commit, self.path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CommitPath):
            return NotImplemented
        return (self.commit.place, self._pure) == (other.commit.place, other._pure)

    def __hash__(self) -> int:
        return hash((self.commit.place, self._pure))

    def __lt__(self, other: CommitPath) -> bool:
        return (self.commit.place, self._pure) < (other.commit.place, other._pure)

    # --- taking it apart -----------------------------------------------------------------

    @property
    def path(self) -> str:
        """Absolute, in the commit; what the verbs of a commit take."""
        return str(self._pure)

    @property
    def url(self) -> str:
        """What programs that speak fsspec read it by; see ``Commit.url``."""
        return self.commit.url(self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        """The components, after a ``/``."""
        return self._pure.parts

    @property
    def name(self) -> str:
        """The last component; empty for the root."""
        return self._pure.name

    @property
    def stem(self) -> str:
        """The last component without its suffix."""
        return self._pure.stem

    @property
    def suffix(self) -> str:
        """The last component's suffix, with its dot."""
        return self._pure.suffix

    @property
    def suffixes(self) -> list[str]:
        """The last component's suffixes."""
        return self._pure.suffixes

    @property
    def parent(self) -> CommitPath:
        """The directory it is in; the root's is the root."""
        return self._at(self._pure.parent)

    @property
    def parents(self) -> Sequence[CommitPath]:
        """The directories above, nearest first."""
        return [self._at(above) for above in self._pure.parents]

    def __truediv__(self, below: str | PurePosixPath) -> CommitPath:
        return self._at(self._pure / below)

    def joinpath(self, *below: str | PurePosixPath) -> CommitPath:
        """What is below this by one path after the other."""
        return self._at(self._pure.joinpath(*below))

    def with_name(self, name: str) -> CommitPath:
        """The same, with another last component."""
        return self._at(self._pure.with_name(name))

    def with_stem(self, stem: str) -> CommitPath:
        """The same, with another last component and its suffix."""
        return self._at(self._pure.with_stem(stem))

    def with_suffix(self, suffix: str) -> CommitPath:
        """The same, with another suffix."""
        return self._at(self._pure.with_suffix(suffix))

    def as_posix(self) -> str:
        """The same as `path`."""
        return self.path

    def is_absolute(self) -> bool:
        """Whether it begins at the root of the commit: yes."""
        return True

    def relative_to(self, other: CommitPath | str | PurePosixPath) -> PurePosixPath:
        """The path from a directory above to here.

        Raises:
            ValueError: It is not above.
        """
        return self._pure.relative_to(_pure_of(other))

    def is_relative_to(self, other: CommitPath | str | PurePosixPath) -> bool:
        """Whether the other is this or above it."""
        return self._pure.is_relative_to(_pure_of(other))

    def match(self, pattern: str) -> bool:
        """Whether the last components match a pattern of as many."""
        return self._pure.match(pattern)

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

    def _at(self, pure: PurePosixPath) -> CommitPath:
        return CommitPath(self.commit, pure)


def _pure_of(path: CommitPath | str | PurePosixPath) -> PurePosixPath:
    return PurePosixPath(path.path if isinstance(path, CommitPath) else path)


def _store_glob(pattern: str) -> str:
    """A pattern of pathlib's as one of ours: braces are literal, ``**/`` may stand for nothing."""
    *above, last = [part for part in pattern.split("/") if part]
    return "".join(
        "{,**/}" if part == "**" else _MAGIC.sub(r"\\\1", part) + "/" for part in above
    ) + _MAGIC.sub(r"\\\1", last)
