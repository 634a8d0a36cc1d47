"""A store with one repo, and ways to fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import pfslib
from pfslib import Commit, Repo, Store

Files = Mapping[str, bytes]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with pfslib.init(tmp_path / "store") as made:
        yield made


@pytest.fixture
def repo(store: Store) -> Repo:
    return store.create_repo("data")


@pytest.fixture
def commit(repo: Repo) -> Callable[..., Commit]:
    """Commit some puts, and deletes of what is None."""

    def make(files: Mapping[str, bytes | None], branch: str = "master") -> Commit:
        with repo.commit(branch) as open_commit:
            for path, data in files.items():
                if data is None:
                    open_commit.delete_file(path)
                else:
                    open_commit.put_file(path, data)
        assert open_commit.commit is not None
        return open_commit.commit

    return make
