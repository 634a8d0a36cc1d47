"""What brackets, `in` and `for` do with repos and stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pfslib import Commit, CommitNotFoundError, Repo, RepoNotFoundError, Store


def test_in_a_repo_is_what_means_a_commit(repo: Repo, commit: Callable[..., Commit]) -> None:
    assert "master" not in repo
    first = commit({"/x": b"1"})
    repo.start_commit("unfinished")
    for reference in ("master", first.id, first.id[:6], "master.0"):
        assert reference in repo
        assert repo[reference] == first
    for reference in ("master^", "nope", "unfinished", "a b", "", "master:/x"):
        assert reference not in repo
    with pytest.raises(CommitNotFoundError):
        repo["nope"]


def test_in_a_store_are_repos_and_commits(
    store: Store, repo: Repo, commit: Callable[..., Commit]
) -> None:
    first = commit({"/x": b"1"})
    assert "data" in store
    assert "data@master" in store
    assert store["data@master"] == first
    for name in ("nope", "data@nope", "nope@master", ""):
        assert name not in store
    with pytest.raises(RepoNotFoundError):
        store["nope"]


@pytest.mark.parametrize("key", [None, 3, b"data", slice(2), ("data",)])
def test_a_key_is_text(key: Any, store: Store, repo: Repo) -> None:
    for handle in (store, repo):
        with pytest.raises(TypeError, match="is text, not"):
            handle[key]
        with pytest.raises(TypeError, match="is text, not"):
            key in handle  # noqa: B015 - it raises


def test_neither_is_iterated(store: Store, repo: Repo) -> None:
    for handle in (store, repo):
        with pytest.raises(TypeError, match="not iterable"):
            iter(handle)  # type: ignore[call-overload]
