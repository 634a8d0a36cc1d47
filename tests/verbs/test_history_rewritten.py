"""History that is dropped or squashed while it is read; what is said of commits that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib import Commit, CommitNotFoundError, Repo, Store

Make = Callable[..., Commit]


@pytest.fixture
def five(commit: Make) -> list[Commit]:
    """Newest first."""
    made = [commit({"/f": b"%d" % number, f"/{number}": b"x" * 200}) for number in range(5)]
    return made[::-1]


def ids(rows: Iterator[Commit]) -> list[str]:
    return [row.id for row in rows]


def collect(store: Store) -> None:
    """Have what is garbage gone, also from memory."""
    store.gc()
    store.cache = type(store.cache)()


def test_a_listing_goes_on_below_a_commit_that_was_dropped(repo: Repo, five: list[Commit]) -> None:
    rows = repo.list_commit("master", newest_first=True)
    repo.drop_commit("master")
    assert next(rows) == five[1]
    repo.drop_commit("master")
    repo.drop_commit("master")
    assert ids(rows) == [five[3].id, five[4].id]


def test_a_listing_goes_round_a_commit_that_was_squashed(repo: Repo, five: list[Commit]) -> None:
    rows = repo.list_commit("master", newest_first=True)
    assert next(rows) == five[0]
    repo.squash_commit("master~1")
    repo.squash_commit("master~1")
    assert next(rows).id == five[3].id
    repo.squash_commit(five[4])
    assert ids(rows) == []


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_listing_oldest_first_leaves_out_what_went(
    repo: Repo, five: list[Commit], taken: int
) -> None:
    rows = repo.list_commit("master")
    before = [next(rows).id for _ in range(taken)]
    repo.squash_commit("master~2")
    repo.drop_commit("master")
    left = [five[4].id, five[3].id, five[2].id, five[1].id]
    if taken < 3:
        left.remove(five[2].id)
    assert before + ids(rows) == left


def test_a_listing_whose_rest_cannot_be_found_says_so(repo: Repo, five: list[Commit]) -> None:
    rows = repo.list_commit("master", newest_first=True)
    next(rows)
    for _ in range(3):
        repo.drop_commit("master")
    with pytest.raises(CommitNotFoundError) as raised:
        list(rows)
    assert raised.value.hint == "history was rewritten while it was read: read it again"
    repo.drop_commit("master")
    rows = repo.list_commit("master", newest_first=True)
    repo.drop_commit("master")
    assert ids(rows) == []


def test_finding_goes_on_while_history_is_rewritten(
    store: Store, repo: Repo, five: list[Commit], commit: Make
) -> None:
    for number in range(100):
        last = commit({"/other": b"%d" % number})
    rows = last.find_commit("/f")
    assert next(rows).commit.id == five[0].id
    repo.squash_commit(five[1])
    collect(store)
    changed = next(rows)
    assert (changed.commit.id, changed.op) == (five[2].id, "changed")
    repo.squash_commit(five[4])
    collect(store)
    changed = next(rows)
    assert (changed.commit.id, changed.op) == (five[3].id, "added")
    assert list(rows) == []


def test_a_handle_from_before_a_squash_has_its_new_parent(
    store: Store, repo: Repo, five: list[Commit]
) -> None:
    repo.squash_commit(five[1])
    collect(store)
    parent = five[0].parent()
    assert parent is not None
    assert parent.id == five[2].id
    assert [row.path for row in five[0].diff()] == ["/3", "/4", "/f"]
    repo.squash_commit(five[4])
    assert five[3].parent() is None


def test_a_handle_of_a_dropped_commit_still_knows_its_parent(
    repo: Repo, five: list[Commit]
) -> None:
    repo.drop_commit("master")
    assert five[0].parent() == five[1]
    repo.drop_commit("master")
    with pytest.raises(CommitNotFoundError, match=five[1].id):
        five[0].parent()


VERBS: dict[str, Callable[[Commit, Commit, Path], object]] = {
    "get_file": lambda gone, _other, _path: gone.get_file("/0"),
    "walk": lambda gone, _other, _path: list(gone.walk()),
    "diff": lambda gone, _other, _path: list(gone.diff()),
    "diff of a file": lambda gone, _other, _path: list(gone.diff(path="/0")),
    "diff with": lambda gone, other, _path: list(gone.diff(other)),
    "diff from": lambda gone, other, _path: list(other.diff(gone)),
    "text_diff": lambda gone, _other, _path: gone.text_diff("/0"),
    "text_diff from": lambda gone, other, _path: other.text_diff("/0", gone),
    "find_commit": lambda gone, _other, _path: list(gone.find_commit("/0")),
    "export": lambda gone, _other, path: gone.export(path / "out"),
    "copy_file": lambda gone, other, _path: copied(gone, other),
}


def copied(gone: Commit, other: Commit) -> None:
    with pfslib.open(other.store_path) as store, store.repo("data").commit() as opened:
        opened.copy_file(gone, "/0", "/copy")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_that_a_commit_was_deleted(
    store: Store, repo: Repo, five: list[Commit], verb: str, tmp_path: Path
) -> None:
    repo.drop_commit(five[0])
    collect(store)
    gone = Commit(store, five[0].record)  # that remembers nothing
    other = store.commit("data@master")
    with pytest.raises(CommitNotFoundError, match=f"commit {gone.id} not found") as raised:
        VERBS[verb](gone, other, tmp_path)
    assert raised.value.hint.startswith("it was deleted")


def test_a_difference_that_is_being_read_says_that_a_commit_was_deleted(
    store: Store, repo: Repo, tmp_path: Path
) -> None:
    for version in range(2):
        for number in range(3_000):
            (tmp_path / f"{number:04}").write_bytes(b"%d" % version)
        with repo.commit() as opened:
            opened.put_file("/", tmp_path, reread=True)
    rows = repo["master"].diff()
    gone = repo["master"]
    next(rows)
    repo.drop_commit("master")
    collect(store)
    with pytest.raises(CommitNotFoundError, match=gone.id):
        list(rows)
