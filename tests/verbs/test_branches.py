"""Branches made, moved and deleted by hand; tags; the reflog; what pipelines make of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pfslib import (
    AlreadyExistsError,
    BranchBusyError,
    BranchNotFoundError,
    Commit,
    CommitNotFoundError,
    InvalidInputError,
    InvalidNameError,
    NotFoundError,
    Repo,
    RepoNotFoundError,
    StateError,
    StillNeededError,
    Store,
)
from pfslib.testing.shell_pipelines import shell_spec

Make = Callable[..., Commit]


def heads(repo: Repo) -> dict[str, str]:
    return {row.name: row.head for row in repo.list_branch()}


def history(repo: Repo, branch: str, **options) -> list[str]:
    return [row.id for row in repo.list_commit(branch, **options)]


@pytest.fixture
def three(commit: Make) -> list[Commit]:
    return [commit({"/f": b"%d" % number}) for number in range(3)]


# --- branches --------------------------------------------------------------------------------


def test_a_branch_forks_from_any_commit(repo: Repo, three: list[Commit], commit: Make) -> None:
    made = repo.create_branch("fork", "master^")
    assert made.head == three[1].id
    assert repo.create_branch("first", three[0]).head == three[0].id
    assert repo["fork"] == three[1]
    forked = commit({"/g": b"1"}, "fork")
    assert forked.parent() == three[1]
    assert heads(repo) == {"first": three[0].id, "fork": forked.id, "master": three[2].id}
    assert history(repo, "fork") == [three[0].id, three[1].id, forked.id]
    assert history(repo, "fork", newest_first=True) == [forked.id, three[1].id, three[0].id]
    assert history(repo, "first") == [three[0].id]
    assert {row.id for row in repo.list_commit()} == {forked.id, *(row.id for row in three)}


def test_moving_a_branch_leaves_the_old_head_reachable(
    repo: Repo, three: list[Commit], commit: Make
) -> None:
    assert repo.move_branch("master", "master~2").head == three[0].id
    assert repo["master"] == three[0]
    assert repo[three[2].id] == three[2]
    fourth = commit({"/f": b"again"})
    assert fourth.parent() == three[0]
    assert history(repo, "master") == [three[0].id, fourth.id]
    repo.move_branch("master", three[2])
    assert history(repo, "master") == [row.id for row in three]


def test_a_deleted_branch_leaves_its_commits(repo: Repo, three: list[Commit]) -> None:
    repo.create_branch("keep", "master")
    gone = repo.delete_branch("master", dry_run=True)
    assert gone.branches == ("data@master",)
    assert set(heads(repo)) == {"keep", "master"}
    assert repo.delete_branch("master") == gone
    assert set(heads(repo)) == {"keep"}
    with pytest.raises(CommitNotFoundError):
        repo["master"]
    assert repo[three[1].id] == three[1]
    repo.create_branch("master", three[1])
    assert repo["master"] == three[1]


def test_what_branches_refuse(repo: Repo, store: Store, three: list[Commit], commit: Make) -> None:
    with store.create_repo("other").commit() as foreign:
        foreign.put_file("/x", b"")
    assert foreign.commit is not None
    refused: list[tuple[type[Exception], Callable[[], object]]] = [
        (AlreadyExistsError, lambda: repo.create_branch("master", "master^")),
        (InvalidNameError, lambda: repo.create_branch("a b", "master")),
        (InvalidNameError, lambda: repo.create_branch("0" * 32, "master")),
        (CommitNotFoundError, lambda: repo.create_branch("b", "nothing")),
        (CommitNotFoundError, lambda: repo.create_branch("b", "master~3")),
        (InvalidInputError, lambda: repo.create_branch("b", foreign.commit)),
        (BranchNotFoundError, lambda: repo.move_branch("nothing", "master")),
        (CommitNotFoundError, lambda: repo.move_branch("master", foreign.commit.id)),
        (BranchNotFoundError, lambda: repo.delete_branch("nothing")),
        (BranchNotFoundError, lambda: repo.delete_branch("nothing", dry_run=True)),
        (BranchNotFoundError, lambda: repo.list_commit("nothing")),
    ]
    for kind, call in refused:
        with pytest.raises(kind):
            call()
    assert heads(repo) == {"master": three[2].id}
    store.delete_repo("other")
    with pytest.raises(RepoNotFoundError):
        Repo(store, "other").create_branch("b", "master")


def test_a_branch_with_an_open_commit_stays_where_it_is(repo: Repo, three: list[Commit]) -> None:
    open_commit = repo.start_commit("master")
    for call in (
        lambda: repo.move_branch("master", "master^"),
        lambda: repo.delete_branch("master"),
    ):
        with pytest.raises(BranchBusyError, match=open_commit.id):
            call()
    unborn = repo.start_commit("unborn")
    assert list(repo.list_commit("unborn")) == []
    with pytest.raises(BranchBusyError):
        repo.create_branch("unborn", "master")
    with pytest.raises(BranchBusyError):
        repo.create_tag("unborn", "master")
    unborn.discard()
    open_commit.discard()
    repo.move_branch("master", "master^")
    repo.create_branch("unborn", "master")


# --- tags ------------------------------------------------------------------------------------


def test_a_tag_is_a_reference_that_never_moves(
    repo: Repo, store: Store, three: list[Commit], commit: Make
) -> None:
    made = repo.create_tag("v1", "master^")
    repo.create_tag("v0.0", three[0])
    commit({"/f": b"later"})
    assert made.commit == three[1].id
    assert [(row.name, row.commit) for row in repo.list_tag()] == [
        ("v0.0", three[0].id),
        ("v1", three[1].id),
    ]
    assert repo["v1"] == three[1]
    assert repo["v1^"] == repo["v0.0"] == three[0]
    assert store.commit("data@v1").get_file("/f") == b"1"
    repo.create_branch("fix", "v1")
    repo.delete_tag("v1")
    with pytest.raises(CommitNotFoundError):
        repo["v1"]
    with pytest.raises(NotFoundError, match="tag v1 not found"):
        repo.delete_tag("v1")


def test_no_name_means_a_branch_and_a_tag(repo: Repo, three: list[Commit], commit: Make) -> None:
    repo.create_tag("v1", "master")
    for call in (
        lambda: repo.create_tag("v1", "master^"),
        lambda: repo.create_tag("master", "master^"),
        lambda: repo.create_branch("v1", "master"),
        lambda: repo.start_commit("v1"),
        lambda: commit({"/x": b""}, "v1"),
    ):
        with pytest.raises(AlreadyExistsError, match=r"v1|master"):
            call()
    with pytest.raises(InvalidNameError):
        repo.create_tag("-v", "master")


def test_a_deleted_repo_takes_its_tags(store: Store, repo: Repo, three: list[Commit]) -> None:
    repo.create_tag("v1", "master")
    removal = store.delete_repo("data", dry_run=True)
    assert removal.tags == ("data@v1",)
    assert removal.branches == ("data@master",)
    assert len(removal.commits) == 3
    assert repo.list_tag()
    assert store.delete_repo("data") == removal
    assert store.create_repo("data").list_tag() == []


# --- the reflog ------------------------------------------------------------------------------


def test_the_reflog_is_every_move_in_order(repo: Repo, store: Store, three: list[Commit]) -> None:
    start = list(store.reflog())[-1].number + 1
    repo.create_branch("b", "master^")
    repo.move_branch("b", "master")
    repo.move_branch("b", "master")  # where it is already
    repo.delete_branch("b")
    moves = list(store.reflog(start))
    assert [
        (move.number - start, move.repo, move.branch, move.old, move.new) for move in moves
    ] == [
        (0, "data", "b", "", three[1].id),
        (1, "data", "b", three[1].id, three[2].id),
        (2, "data", "b", three[2].id, ""),
    ]
    assert moves[0].when <= moves[2].when
    first = next(store.reflog())
    assert (first.number, first.branch, first.old, first.new) == (0, "master", "", three[0].id)
    assert list(store.reflog(10**6)) == []


def test_moving_a_branch_triggers_the_pipelines_that_read_it(
    store: Store, repo: Repo, three: list[Commit]
) -> None:
    """Deferred processing: data is committed to one branch, and processed when another follows."""
    store.create_pipeline(
        shell_spec("p", "data", "cat /pfs/data/f > /pfs/out/f", glob="/", pfs={"branch": "prod"})
    )
    quiet: list[str] = []
    assert store.run(runner="local", notice=quiet.append) == []
    repo.create_branch("prod", "master^")
    store.run(runner="local", notice=quiet.append)
    assert store.commit("p@master").get_file("/f") == b"1"
    repo.move_branch("prod", "master")
    store.run(runner="local", notice=quiet.append)
    assert store.commit("p@master").get_file("/f") == b"2"
    assert len(list(store.list_job())) == 2


def test_the_output_of_a_failed_job_is_nobodys_head(
    store: Store, repo: Repo, three: list[Commit]
) -> None:
    store.create_pipeline(shell_spec("p", "data", "exit 3", glob="/", pfs={"branch": "master"}))
    (job,) = store.run(runner="local", notice=lambda _: None)
    output = store.repo("p")
    with pytest.raises(StateError, match="failed job"):
        output.create_branch("b", job.output_commit)
    output.create_tag("look-at-this", job.output_commit)
    with pytest.raises(StillNeededError, match="look-at-this"):
        output.drop_commit(job.output_commit)
    output.delete_tag("look-at-this")
    output.drop_commit(job.output_commit)
    assert list(output.list_commit()) == []


def test_handles_are_cheap(tmp_path: Path) -> None:
    """A handle on a repo that is not there is refused when it is used."""
    import pfslib

    with pfslib.init(tmp_path / "other") as store, pytest.raises(RepoNotFoundError):
        Repo(store, "nothing").list_tag()
