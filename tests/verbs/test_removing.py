"""Commits dropped and squashed, repos and all deleted: what is refused, what goes, dry runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pfslib import (
    BranchNotFoundError,
    Commit,
    CommitNotFoundError,
    Repo,
    StateError,
    StillNeededError,
    Store,
)
from pfslib.commits.seal import sealed
from pfslib.kv.tables import Table
from pfslib.testing.shell_pipelines import shell_spec

Make = Callable[..., Commit]


@pytest.fixture
def four(commit: Make) -> list[Commit]:
    return [commit({"/f": b"%d" % number, f"/g{number}": b""}) for number in range(4)]


def history(repo: Repo, branch: str = "master") -> list[str]:
    return [row.id for row in repo.list_commit(branch)]


def rows(store: Store) -> dict[Table, int]:
    """How many rows the tables of history have."""
    tables = (Table.COMMITS, Table.POSITIONS, Table.SUBVENANCE, Table.BRANCHES, Table.TAGS)
    with store.kv.read() as txn:
        return {table: txn.count(table) for table in tables}


def run(store: Store) -> None:
    store.run(runner="local", notice=lambda _: None)


# --- drop ------------------------------------------------------------------------------------


def test_dropping_the_head_goes_back_to_its_parent(
    repo: Repo, store: Store, four: list[Commit], commit: Make
) -> None:
    repo.create_branch("same", "master")
    removal = repo.drop_commit("master", dry_run=True)
    assert removal.commits == (f"data@{four[3].id}",)
    assert removal.moved == ("data@master", "data@same")
    assert removal.branches == ()
    assert repo["master"] == four[3]
    assert repo.drop_commit(four[3]) == removal
    assert repo["master"] == repo["same"] == four[2]
    with pytest.raises(CommitNotFoundError):
        repo[four[3].id]
    assert rows(store)[Table.COMMITS] == rows(store)[Table.POSITIONS] == 3
    again = commit({"/f": b"again"})
    assert (again.number, again.parent()) == (3, four[2])
    assert repo["master.3"] == again


def test_dropping_the_only_commit_drops_its_branches(repo: Repo, commit: Make) -> None:
    only = commit({"/f": b"1"})
    repo.create_branch("same", only)
    removal = repo.drop_commit(only)
    assert removal.branches == ("data@master", "data@same")
    assert repo.list_branch() == []
    with pytest.raises(BranchNotFoundError):
        repo.list_commit("master")
    assert commit({"/f": b"2"}).parent() is None


def test_a_commit_that_something_needs_is_not_dropped(
    repo: Repo, store: Store, four: list[Commit]
) -> None:
    before = rows(store)

    def refused(reference: str, why: str) -> None:
        for dry_run in (True, False):
            with pytest.raises(StillNeededError, match=why):
                repo.drop_commit(reference, dry_run=dry_run)
        assert history(repo) == [row.id for row in four]

    refused("master^", f"commit {four[3].id} is on top of it")
    repo.create_tag("v1", "master")
    refused("master", "tag v1 holds it")
    repo.delete_tag("v1")
    open_commit = repo.start_commit()
    refused("master", f"open commit {open_commit.id}")
    open_commit.discard()
    store.create_pipeline(shell_spec("p", "data", "true", glob="/", pfs={"branch": "master"}))
    refused("master", "has still to read it")
    run(store)
    refused("master", "of repo p was made from it")
    assert rows(store)[Table.COMMITS] == before[Table.COMMITS] + 1
    store.repo("p").drop_commit("master")
    repo.drop_commit("master")
    assert history(repo) == [row.id for row in four[:3]]
    assert rows(store)[Table.SUBVENANCE] == 0


def test_dropping_triggers_nothing_that_ran_already(repo: Repo, store: Store, commit: Make) -> None:
    store.create_pipeline(shell_spec("p", "data", "true", glob="/", pfs={"branch": "master"}))
    commit({"/f": b"1"})
    run(store)
    commit({"/f": b"2"})
    repo.drop_commit("master")
    run(store)
    assert len(list(store.list_job())) == 1


# --- squash ----------------------------------------------------------------------------------


def test_squashing_keeps_the_content_in_what_follows(
    repo: Repo, store: Store, four: list[Commit]
) -> None:
    trees = [row.record.root for row in four]
    removal = repo.squash_commit("master~2", dry_run=True)
    assert removal.commits == (f"data@{four[1].id}",)
    assert history(repo) == [row.id for row in four]
    assert repo.squash_commit(four[1]) == removal
    assert history(repo) == [four[0].id, four[2].id, four[3].id]
    child = repo[four[2].id]
    assert child.parent() == four[0]
    assert child.record.root == trees[2]
    assert child.added_bytes == four[1].added_bytes + four[2].added_bytes
    assert child.record == sealed(child.record), "the digest covers the new parent"
    assert [row.path for row in child.diff()] == ["/f", "/g1", "/g2"]
    assert [row.commit.id for row in repo["master"].find_commit("/g1")] == [four[2].id]
    assert repo["master.3"] == four[3]
    assert repo["master~2"] == four[0]
    with pytest.raises(CommitNotFoundError):
        repo["master.1"]


def test_squashing_the_first_commit_makes_its_children_first(
    repo: Repo, four: list[Commit]
) -> None:
    repo.create_branch("fork", "master~2")
    repo.create_branch("fork2", "master~2")
    repo.squash_commit("master~3")
    assert repo["fork"].parent() is None
    assert history(repo) == [row.id for row in four[1:]]


def test_squashing_adopts_every_child(repo: Repo, four: list[Commit], commit: Make) -> None:
    repo.create_branch("fork", "master^")
    forked = commit({"/other": b""}, "fork")
    repo.squash_commit(four[2])
    assert repo["master"].parent() == four[1]
    assert repo["fork"].parent() == four[1]
    assert repo["fork"].id == forked.id
    assert repo["fork"].get_file("/g2") == b""


def test_what_squash_refuses(repo: Repo, store: Store, four: list[Commit]) -> None:
    with pytest.raises(StateError, match="nothing on top"):
        repo.squash_commit("master")
    repo.create_branch("here", "master^")
    with pytest.raises(StillNeededError, match="head of branch here"):
        repo.squash_commit("master^")
    repo.delete_branch("here")
    repo.create_tag("v1", "master^")
    with pytest.raises(StillNeededError, match="tag v1"):
        repo.squash_commit("master^", dry_run=True)
    assert history(repo) == [row.id for row in four]


# --- repos, and all --------------------------------------------------------------------------


def test_deleting_a_repo_says_what_goes(store: Store, repo: Repo, four: list[Commit]) -> None:
    open_commit = repo.start_commit()
    removal = store.delete_repo("data", dry_run=True)
    assert removal.repos == ("data",)
    assert removal.commits == tuple(f"data@{row.id}" for row in four)
    assert removal.open_commits == (f"data@{open_commit.id}",)
    assert history(repo) == [row.id for row in four]
    assert store.delete_repo("data") == removal
    assert set(rows(store).values()) == {0}


def test_a_dry_run_refuses_what_the_run_would(store: Store, repo: Repo, four: list[Commit]) -> None:
    store.create_pipeline(shell_spec("p", "data", "true", glob="/", pfs={"branch": "master"}))
    run(store)
    for dry_run in (True, False):
        with pytest.raises(StillNeededError, match="input of pipeline p"):
            store.delete_repo("data", dry_run=dry_run)
    assert store.delete_pipeline("p", keep_repo=True, dry_run=True).jobs == 1
    removal = store.delete_pipeline("p", keep_repo=True)
    assert (removal.pipelines, removal.jobs, removal.repos) == (("p",), 1, ())
    with pytest.raises(StillNeededError, match="provenance of p"):
        store.delete_repo("data", dry_run=True)
    assert store.delete_repo("data", force=True, dry_run=True).repos == ("data",)
    assert store.delete_repo("data", force=True).repos == ("data",)


def test_deleting_all_says_what_goes(store: Store, repo: Repo, four: list[Commit]) -> None:
    store.create_pipeline(shell_spec("p", "data", "true", glob="/", pfs={"branch": "master"}))
    run(store)
    repo.create_tag("v1", "master")
    removal = store.delete_all(dry_run=True)
    assert removal.repos == ("data", "p")
    assert removal.pipelines == ("p",)
    assert removal.jobs == 1
    assert len(removal.commits) == 5
    assert removal.tags == ("data@v1",)
    assert len(store.list_repo()) == 2
    assert store.delete_all() == removal
    assert store.list_repo() == []
    assert set(rows(store).values()) == {0}
    assert store.delete_all().repos == ()
