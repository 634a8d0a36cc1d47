"""PathParts: a path in a commit, taken apart and put together; nothing of the commit is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from pfslib.model.paths import normal_path

if TYPE_CHECKING:
    from pfslib.api.read_verbs import ReadVerbs


class PathParts:
    """The part of a `CommitPath` that `pathlib.PurePosixPath` has.

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

    def __reduce__(self) -> tuple[type[Self], tuple[ReadVerbs, str]]:
        return type(self), (self.commit, self.path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PathParts):
            return NotImplemented
        return (self.commit.place, self._pure) == (other.commit.place, other._pure)

    def __hash__(self) -> int:
        return hash((self.commit.place, self._pure))

    def __lt__(self, other: PathParts) -> bool:
        if not isinstance(other, PathParts):
            return NotImplemented
        return (self.commit.place, self._pure) < (other.commit.place, other._pure)

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
    def parent(self) -> Self:
        """The directory it is in; the root's is the root."""
        return self._at(self._pure.parent)

    @property
    def parents(self) -> Sequence[Self]:
        """The directories above, nearest first."""
        return [self._at(above) for above in self._pure.parents]

    def __truediv__(self, below: str | PurePosixPath) -> Self:
        return self._at(self._pure / below)

    def joinpath(self, *below: str | PurePosixPath) -> Self:
        """What is below this by one path after the other."""
        return self._at(self._pure.joinpath(*below))

    def with_name(self, name: str) -> Self:
        """The same, with another last component."""
        return self._at(self._pure.with_name(name))

    def with_stem(self, stem: str) -> Self:
        """The same, with another last component and its suffix."""
        return self._at(self._pure.with_stem(stem))

    def with_suffix(self, suffix: str) -> Self:
        """The same, with another suffix."""
        return self._at(self._pure.with_suffix(suffix))

    def as_posix(self) -> str:
        """The same as `path`."""
        return self.path

    def is_absolute(self) -> bool:
        """Whether it begins at the root of the commit: yes."""
        return True

    def relative_to(self, other: PathParts | str | PurePosixPath) -> PurePosixPath:
        """The path from a directory above to here.

        Raises:
            ValueError: It is not above.
        """
        return self._pure.relative_to(_pure_of(other))

    def is_relative_to(self, other: PathParts | str | PurePosixPath) -> bool:
        """Whether the other is this or above it."""
        return self._pure.is_relative_to(_pure_of(other))

    def match(self, pattern: str) -> bool:
        """Whether the last components match a pattern of as many."""
        return self._pure.match(pattern)

    def _at(self, pure: PurePosixPath) -> Self:
        return type(self)(self.commit, pure)


def _pure_of(path: PathParts | str | PurePosixPath) -> PurePosixPath:
    return PurePosixPath(path.path if isinstance(path, PathParts) else path)
