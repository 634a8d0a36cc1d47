"""ModelTree and ModelStore: what a store must do, said in dicts, to hold a real one against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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
        self._check_parents(path)
        if self.is_directory(path):
            raise PathClashError(repr(path), "it is a directory")
        self.files[path] = data

    def append(self, path: Parts, data: bytes) -> None:
        """Add to a file; as `put` when there is none."""
        self.put(path, self.files.get(path, b"") + data)

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
        self._check_parents((*path, b"anything"))
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

    def directories(self) -> set[Parts]:
        """Every directory but the root."""
        return {path[:depth] for path in self.files for depth in range(1, len(path))}

    def _check_parents(self, path: Parts) -> None:
        for depth in range(1, len(path)):
            if path[:depth] in self.files:
                raise PathClashError(repr(path[:depth]), "it is a file")


class ModelCommit(NamedTuple):
    """A finished commit."""

    id: str
    tree: ModelTree


class ModelStore:
    """Branches of repos and their commits, the oldest first."""

    def __init__(self) -> None:
        self.branches: dict[tuple[str, str], list[ModelCommit]] = {}
        self.repos: set[str] = set()

    def head(self, repo: str, branch: str) -> ModelTree:
        """The tree that a new commit on the branch begins with."""
        commits = self.branches.get((repo, branch))
        return commits[-1].tree.copy() if commits else ModelTree()

    def publish(self, repo: str, branch: str, commit_id: str, tree: ModelTree) -> None:
        """Make a commit."""
        commits = self.branches.setdefault((repo, branch), [])
        commits.append(ModelCommit(commit_id, tree.copy()))

    def drop_repo(self, repo: str) -> None:
        """Remove a repo with its branches."""
        self.repos.discard(repo)
        for place in [place for place in self.branches if place[0] == repo]:
            del self.branches[place]

    def commits(self) -> Iterator[tuple[str, str, int, ModelCommit]]:
        """Every commit with its repo, branch and number."""
        for (repo, branch), commits in sorted(self.branches.items()):
            for number, commit in enumerate(commits):
                yield repo, branch, number, commit


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
