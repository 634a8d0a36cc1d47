"""ModelTree: what a commit must hold, said in a dict, to hold a real one against."""

from __future__ import annotations

from pfslib.api.commit import Commit
from pfslib.model.errors import PathClashError
from pfslib.model.paths import split_path

Parts = tuple[bytes, ...]


class ModelTree:
    """The files of a commit: path (components) to content. Directories exist by what is in them."""

    def __init__(self, files: dict[Parts, bytes] | None = None) -> None:
        self.files = dict(files or {})

    def copy(self) -> ModelTree:
        """The same tree, to be changed separately."""
        return ModelTree(self.files)

    def put(self, path: Parts, data: bytes) -> None:
        """Write a file.

        Raises:
            PathClashError: A directory is there, or a file where a directory is needed.
        """
        self.check_below(path[:-1])
        if self.is_directory(path):
            raise PathClashError(repr(path), "it is a directory")
        self.files[path] = data

    def append(self, path: Parts, data: bytes) -> None:
        """Add to a file; as `put` when there is none."""
        self.put(path, self.files.get(path, b"") + data)

    def write_at(self, path: Parts, offset: int, data: bytes) -> None:
        """Write over a part of a file, which begins as an empty one; a gap becomes zeros."""
        old = self.files.get(path, b"")
        if data:
            old = old.ljust(offset, b"\0")
            data = old[:offset] + data + old[offset + len(data) :]
        self.put(path, data or old)

    def delete(self, path: Parts) -> None:
        """Remove a file or directory, if there is one."""
        for known in [known for known in self.files if known[: len(path)] == path]:
            del self.files[known]

    def take_over(self, source: ModelTree, source_path: Parts, path: Parts) -> None:
        """Copy a file or directory from another tree, over one of the same kind or to a new place.

        Raises:
            PathClashError: Something of the other kind is there.
        """
        if source_path in source.files:
            self.put(path, source.files[source_path])
            return
        self.check_below(path)
        below = source.below(source_path)
        self.delete(path)
        self.files.update({(*path, *rest): data for rest, data in below.items()})

    def below(self, path: Parts) -> dict[Parts, bytes]:
        """The files below a directory, by the rest of their paths."""
        depth = len(path)
        return {
            known[depth:]: data
            for known, data in self.files.items()
            if known[:depth] == path and len(known) > depth
        }

    def is_directory(self, path: Parts) -> bool:
        """Whether there are files below a path."""
        return any(known[: len(path)] == path for known in self.files if len(known) > len(path))

    def there_is(self, path: Parts) -> bool:
        """Whether a file or directory is at a path; the root always is."""
        return path in self.files or not path or self.is_directory(path)

    def at(self, path: Parts) -> bytes | dict[Parts, bytes] | None:
        """The content of a file, or what is below a directory; None if nothing is there."""
        if path in self.files:
            return self.files[path]
        return self.below(path) if self.there_is(path) else None

    def directories(self) -> set[Parts]:
        """Every directory but the root."""
        return {path[:depth] for path in self.files for depth in range(1, len(path))}

    def check_below(self, path: Parts) -> None:
        """Make sure that something could be below a path.

        Raises:
            PathClashError: A file is there, or above.
        """
        for depth in range(1, len(path) + 1):
            if path[:depth] in self.files:
                raise PathClashError(repr(path[:depth]), "it is a file")


def assert_same(commit: Commit, model: ModelTree) -> None:
    """Compare a commit with its model: every name, byte, order, kind and total."""
    walked = [(split_path(info.path), info) for info in commit.walk()]
    paths = [path for path, _ in walked]
    assert paths == sorted(paths)
    assert set(paths) == model.files.keys() | model.directories()
    for path, info in walked:
        if info.kind == "dir":
            below = model.below(path)
            assert info.size == sum(map(len, below.values()))
            assert info.files == len(below)
        else:
            assert commit.get_file(info.path) == model.files[path]
            assert info.size == len(model.files[path])
    assert commit.files == len(model.files)
    assert commit.size == sum(map(len, model.files.values()))
