"""Commits: started, published all or nothing, discarded, refused, followed by others."""

from __future__ import annotations

import itertools

import pytest

import pfslib
from pfslib.commits.branches import advance, delete_branch, get_branch
from pfslib.kv.tables import Table, id_key
from pfslib.testing.strategies import noise
from pfslib.trees.assemble import assemble


def count(store: pfslib.Store, table: Table) -> int:
    with store.kv.read() as txn:
        return txn.count(table)


def files(commit: pfslib.Commit) -> dict[str, bytes]:
    return {info.path: commit.get_file(info.path) for info in commit.walk() if info.kind == "file"}


class OddError(Exception):
    pass


# --- with ------------------------------------------------------------------------------------


def test_a_block_publishes_when_it_ends(store, repo):
    with repo.commit("master", message="why") as writing:
        writing.put_file("/a", b"1")
        writing.put_file("/d/b", b"2")
        with pytest.raises(pfslib.CommitOpenError, match=writing.id):
            store.commit("repo@master")
        assert repo.list_branch() == []
    commit = store.commit("repo@master")
    assert commit == writing.commit
    assert (commit.id, commit.message, commit.branch) == (writing.id, "why", "master")
    assert (commit.number, commit.parent()) == (0, None)
    assert commit.started <= commit.finished
    assert files(commit) == {"/a": b"1", "/d/b": b"2"}


def test_a_block_that_raises_leaves_nothing(store, repo):
    with repo.commit() as first:
        first.put_file("/a", b"1")
    with pytest.raises(OddError), repo.commit() as second:
        second.put_file("/a", b"2")
        raise OddError
    assert second.commit is None
    assert store.commit("repo@master").id == first.id
    assert [commit.id for commit in repo.list_commit()] == [first.id]
    for table in (Table.OPEN, Table.OPEN_BRANCHES, Table.STAGED):
        assert count(store, table) == 0
    with repo.commit() as third:
        third.put_file("/b", b"3")
    assert files(third.commit) == {"/a": b"1", "/b": b"3"}


def test_a_block_that_changes_nothing_makes_no_commit(store, repo):
    with repo.commit() as nothing:
        pass
    assert nothing.commit is None
    with repo.commit() as first:
        first.put_file("/a", b"1")
    with repo.commit() as same:
        same.put_file("/a", b"1")
        same.delete_file("/x", missing_ok=True)
    assert same.commit is None
    assert len(list(repo.list_commit())) == 1
    with repo.commit(allow_empty=True) as wanted:
        pass
    assert wanted.commit is not None
    assert wanted.commit.parent() == first.commit
    assert wanted.commit.tree.root == first.commit.tree.root


def test_a_block_may_end_the_commit_itself(store, repo):
    with repo.commit() as finished:
        finished.put_file("/a", b"1")
        finished.finish()
    assert store.commit("repo@master") == finished.commit
    with repo.commit() as discarded:
        discarded.put_file("/a", b"2")
        discarded.discard()
    assert discarded.commit is None
    with pytest.raises(OddError), repo.commit() as both:
        both.put_file("/a", b"3")
        both.finish()
        raise OddError
    assert store.commit("repo@master") == both.commit


@pytest.mark.parametrize("ends", ["with", "finish", "discard"])
def test_a_commit_that_has_ended_takes_nothing_more(store, repo, ends):
    if ends == "with":
        with repo.commit() as commit:
            commit.put_file("/a", b"1")
    else:
        commit = repo.start_commit()
        commit.put_file("/a", b"1")
        getattr(commit, ends)()
    gone = pfslib.CommitNotFoundError if ends == "discard" else pfslib.CommitFinishedError
    source = repo.commit("other")
    source.put_file("/a", b"1")
    taken = source.finish()
    for use in (
        lambda: commit.put_file("/b", b"2"),
        lambda: commit.delete_file("/a"),
        lambda: commit.copy_file(taken, "/a", "/b"),
        commit.finish,
    ):
        with pytest.raises(gone, match=commit.id):
            use()
    commit.discard()  # idempotent, and does not touch a finished one
    assert [c.id for c in repo.list_commit("other")] == [taken.id]


def test_a_clash_in_a_block_discards_it(store, repo):
    with pytest.raises(pfslib.PathClashError, match="/a"), repo.commit() as commit:
        commit.put_file("/a", b"1")
        commit.put_file("/a/b", b"2")
    assert count(store, Table.OPEN) == 0
    with repo.commit() as commit:
        commit.put_file("/a", b"1")


def test_a_commit_is_durable_history(store, repo):
    made = []
    for number in range(5):
        with repo.commit(message=f"{number}") as commit:
            commit.put_file(f"/{number}", b"%d" % number)
        made.append(commit.commit)
    assert list(repo.list_commit()) == made
    assert list(repo.list_commit(newest_first=True)) == made[::-1]
    assert [commit.number for commit in made] == list(range(5))
    for older, newer in itertools.pairwise(made):
        assert newer.parent() == older
    for number, commit in enumerate(made):
        assert sorted(files(commit)) == [f"/{n}" for n in range(number + 1)]


# --- started, finished -----------------------------------------------------------------------


def test_a_started_commit_lasts_until_it_is_finished(store, repo):
    started = repo.start_commit(message="why")
    started.put_file("/a", b"1")
    with pytest.raises(pfslib.CommitOpenError):
        store.commit("repo@master")
    with pytest.raises(pfslib.CommitOpenError):
        store.commit(f"repo@{started.id[:8]}")
    again = store.open_commit("repo", "master")
    assert again.id == started.id
    again.put_file("/b", b"2")
    store.put_file("repo", started.id, "/c", b"3")
    store.put_file("repo", started.id[:7], "/d", b"4", append=True)
    commit = store.finish_commit("repo", started.id)
    assert commit.message == "why"
    assert files(commit) == {"/a": b"1", "/b": b"2", "/c": b"3", "/d": b"4"}
    with pytest.raises(pfslib.CommitFinishedError):
        store.open_commit("repo", started.id)
    with pytest.raises(pfslib.CommitFinishedError):
        started.put_file("/e", b"5")
    assert files(store.commit("repo@master")) == files(commit)


def test_a_started_commit_is_made_also_when_empty(store, repo):
    commit = repo.start_commit().finish()
    assert (commit.files, commit.size) == (0, 0)
    assert list(commit.walk()) == []
    assert repo.start_commit().finish().parent() == commit


def test_a_started_commit_can_be_discarded(store, repo):
    started = repo.start_commit()
    started.put_file("/a", b"1")
    store.delete_commit("repo", "master")
    started.discard()
    assert list(repo.list_commit()) == []
    for table in (Table.OPEN, Table.OPEN_BRANCHES, Table.STAGED):
        assert count(store, table) == 0
    with pytest.raises(pfslib.CommitNotFoundError):
        started.finish()
    with pytest.raises(pfslib.CommitNotFoundError):
        store.open_commit("repo", started.id)


def test_finished_commits_cannot_be_discarded(store, repo):
    with repo.commit() as commit:
        commit.put_file("/a", b"1")
    with pytest.raises(pfslib.CommitFinishedError, match=commit.id):
        store.delete_commit("repo", commit.id)


def test_writers_into_one_open_commit_all_count(store, repo):
    started = repo.start_commit()
    with pfslib.open(store.path) as other:
        twin = other.open_commit("repo", started.id)
        for number in range(20):
            started.put_file("/log", b"a%d\n" % number, append=True)
            twin.put_file("/log", b"b%d\n" % number, append=True)
            twin.put_file(f"/{number}", noise(200, number))
    commit = started.finish()
    lines = commit.get_file("/log").split()
    assert lines == [b"%c%d" % (who, number) for number in range(20) for who in b"ab"]
    assert commit.files == 21


def test_an_append_that_comes_while_others_are_joined_counts(store, repo, monkeypatch):
    started = repo.start_commit()
    started.put_file("/log", b"1", append=True)
    twin = store.open_commit("repo", "master")
    late = [b"2", b"3"]

    def join(*arguments):
        if late:
            twin.put_file("/log", late.pop(0), append=True)
        return assemble(*arguments)

    monkeypatch.setattr("pfslib.commits.finish.assemble", join)
    assert started.finish().get_file("/log") == b"123"


def test_a_clash_in_a_started_commit_leaves_it_open(store, repo):
    with repo.commit() as commit:
        commit.put_file("/a", b"1")
    started = repo.start_commit()
    with pytest.raises(pfslib.PathClashError, match="/a"):
        started.put_file("/a/b", noise(500))
    started.delete_file("/a")
    started.put_file("/a/b", noise(500))
    assert files(started.finish()) == {"/a/b": noise(500)}


def test_long_commits_are_folded_on_the_way(store, repo, monkeypatch):
    monkeypatch.setattr("pfslib.api.editing.MEMORY_MAX", 10)
    with repo.commit() as commit:
        for number in range(95):
            commit.put_file(f"/{number % 30}", noise(150, number))
            commit.put_file("/log", b"%d\n" % number, append=True)
    assert commit.commit.get_file("/log").split() == [b"%d" % n for n in range(95)]
    assert commit.commit.get_file("/4") == noise(150, 94)
    assert commit.commit.files == 31


def test_a_refused_fold_loses_nothing(store, repo, monkeypatch):
    monkeypatch.setattr("pfslib.api.editing.MEMORY_MAX", 3)
    with repo.commit() as commit:
        commit.put_file("/a/b", b"1")
    with repo.commit() as commit:
        commit.put_file("/a", noise(500))
        commit.put_file("/c", noise(600))
        with pytest.raises(pfslib.PathClashError):
            commit.put_file("/d", noise(700))
        commit.delete_file("/a")
        commit.put_file("/e", noise(800))
    assert files(commit.commit) == {"/c": noise(600), "/e": noise(800)}


# --- conflicts -------------------------------------------------------------------------------


def test_a_branch_has_one_open_commit(store, repo):
    with repo.commit() as first:
        for start in (repo.commit, repo.start_commit):
            with pytest.raises(pfslib.BranchBusyError, match=first.id) as raised:
                start()
        assert first.id in raised.value.hint
        with repo.commit("other") as other:  # other branches are free
            other.put_file("/b", b"2")
        first.put_file("/a", b"1")
    with repo.commit() as second:
        second.put_file("/a", b"2")


def test_a_moved_head_is_noticed(store, repo):
    with repo.commit() as base:
        base.put_file("/a", b"1")
    with repo.commit("other") as other:
        other.put_file("/a", b"other")
    started = repo.start_commit()
    started.put_file("/a", b"2")
    with store.kv.write() as txn:
        advance(txn, "repo", "master", expected=base.id, head=other.id)
    with pytest.raises(pfslib.HeadMovedError, match="branch master of repo repo has moved"):
        started.finish()
    assert store.commit("repo@master").id == other.id
    started.discard()
    with repo.commit() as commit:
        commit.put_file("/b", b"3")
    assert commit.commit.parent() == other.commit


def test_a_moved_head_discards_a_block(store, repo):
    with repo.commit() as base:
        base.put_file("/a", b"1")
    with pytest.raises(pfslib.HeadMovedError), repo.commit() as commit:
        commit.put_file("/a", b"2")
        with store.kv.write() as txn:
            delete_branch(txn, get_branch(txn, "repo", "master"))
    assert count(store, Table.OPEN) == 0
    assert store.commit(f"repo@{base.id}") == base.commit


def test_heads_are_compared_before_they_are_set(store, repo):
    with repo.commit() as base:
        base.put_file("/a", b"1")
    with store.kv.write() as txn:
        for expected in ("", "0" * 32):
            with pytest.raises(pfslib.HeadMovedError):
                advance(txn, "repo", "master", expected=expected, head=base.id)
        with pytest.raises(pfslib.HeadMovedError):
            advance(txn, "repo", "none", expected=base.id, head=base.id)
        with pytest.raises(pfslib.InvalidNameError):
            advance(txn, "repo", "a b", expected="", head=base.id)


# --- repos -----------------------------------------------------------------------------------


def test_repos_are_made_listed_and_removed(store):
    store.create_repo("b", description="why")
    store.create_repo("a")
    with pytest.raises(pfslib.AlreadyExistsError, match="repo b exists"):
        store.create_repo("b")
    with pytest.raises(pfslib.InvalidNameError):
        store.create_repo("a b")
    assert [info.name for info in store.list_repo()] == ["a", "b"]
    assert store.inspect_repo("b").description == "why"
    with store.repo("b").commit() as commit:
        commit.put_file("/f", noise(1000))
    info = store.inspect_repo("b")
    assert (info.size, info.branches, info.pipeline) == (1000, ("master",), "")
    store.delete_repo("b")
    with pytest.raises(pfslib.RepoNotFoundError, match="repo b not found"):
        store.repo("b")
    with pytest.raises(pfslib.RepoNotFoundError):
        store.delete_repo("b")
    assert [info.name for info in store.list_repo()] == ["a"]


def test_a_removed_repo_leaves_no_row_and_no_neighbour_is_touched(store):
    for name in ("a", "a.b", "a-b", "ab"):
        with store.create_repo(name).commit() as commit:
            commit.put_file("/f", name)
        store.repo(name).start_commit("open").put_file("/g", b"1")
    store.delete_repo("a")
    for name in ("a.b", "a-b", "ab"):
        assert store.get_file(name, "master", "/f") == name.encode()
        assert store.open_commit(name, "open").finish().files == 1
        store.delete_repo(name)
    for table in (Table.REPOS, Table.BRANCHES, Table.COMMITS, Table.POSITIONS, Table.OPEN,
                  Table.OPEN_BRANCHES, Table.STAGED, Table.SUBVENANCE):  # fmt: skip
        assert count(store, table) == 0, table


def test_handles_of_a_removed_repo_say_so(store, repo):
    started = repo.start_commit()
    store.delete_repo("repo")
    for use in (repo.commit, repo.start_commit, repo.inspect, repo.list_branch,
                lambda: list(repo.list_commit()), lambda: repo["master"]):  # fmt: skip
        with pytest.raises(pfslib.RepoNotFoundError, match="repo repo not found"):
            use()
    with pytest.raises(pfslib.CommitNotFoundError):
        started.put_file("/a", b"1")


def test_a_repo_made_again_begins_anew(store, repo):
    with repo.commit() as old:
        old.put_file("/a", b"1")
    store.delete_repo("repo")
    with store.create_repo("repo").commit() as new:
        new.put_file("/b", b"2")
    assert (new.commit.number, new.commit.parent()) == (0, None)
    assert files(new.commit) == {"/b": b"2"}
    with pytest.raises(pfslib.CommitNotFoundError):
        store.commit(f"repo@{old.id}")


# --- digests ---------------------------------------------------------------------------------


def test_the_digest_covers_content_and_history(store, repo):
    digests = set()
    for number in range(3):
        with repo.commit(allow_empty=True, message=f"{number}") as commit:
            commit.put_file("/a", b"same")
        digests.add(commit.commit.digest)
        assert len(commit.commit.digest) == 64
    assert len(digests) == 3
    with store.kv.read() as txn:
        assert txn.get(Table.COMMITS, id_key(commit.id)) is not None
