"""References: branches, ids, beginnings of ids, steps back, positions; and what means none."""

from __future__ import annotations

import pytest

import pfslib
from pfslib.commits.finish import finish
from pfslib.commits.staging import start
from pfslib.model.history import CommitLink
from pfslib.trees.contents import ContentWriter


@pytest.fixture
def made(repo) -> list[pfslib.Commit]:
    """Four commits on master."""
    commits = []
    for number in range(4):
        with repo.commit() as commit:
            commit.put_file("/f", b"%d" % number)
        commits.append(commit.commit)
    return commits


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("master", 3),
        ("master^0", 3),
        ("master^", 2),
        ("master~", 2),
        ("master^^", 1),
        ("master^2", 1),
        ("master~2", 1),
        ("master^1~2", 0),
        ("master.0", 0),
        ("master.2", 2),
        ("master/3", 3),
        ("master.2^", 1),
    ],
)
def test_a_branch_with_steps_and_positions(store, repo, made, reference, number):
    assert store.commit(f"repo@{reference}") == made[number]
    assert repo[reference] == made[number]
    assert store[f"repo@{reference}"] == made[number]
    assert store.inspect_commit("repo", reference) == made[number]


def test_ids_and_their_beginnings(store, made):
    for number, commit in enumerate(made):
        for text in (commit.id, commit.id[:31], commit.id[:12], commit.id[:7]):
            assert store.commit(f"repo@{text}") == commit
            assert store.commit(f"repo@{text}/0") == commit
            if number:
                assert store.commit(f"repo@{text}^") == made[number - 1]


@pytest.mark.parametrize(
    "reference",
    ["none", "mastr", "master^4", "master~99999", "master.4", "master/17", "none^", "none.0",
     "0" * 32, "f" * 12, "0" * 40, "0" * 32 + "^", "x" * 600, "master" + "^" * 50, "a\0b", "ä",
     "\udcff", "a\ud800"],
)  # fmt: skip
def test_what_means_no_commit_is_not_found(store, made, reference):
    with pytest.raises(pfslib.CommitNotFoundError) as raised:
        store.commit(f"repo@{reference}")
    assert raised.value.hint


@pytest.mark.parametrize("reference", ["", "^", "~2", "^^", "/0", "master^x", "master^" + "9" * 19,
                                       "master." + "9" * 19, "master^" + "9" * 5000])  # fmt: skip
def test_what_is_no_reference_is_refused(store, made, reference):
    with pytest.raises((pfslib.InvalidReferenceError, pfslib.CommitNotFoundError)):
        store.commit(f"repo@{reference}")


def test_a_near_miss_is_named(store, made):
    with pytest.raises(pfslib.CommitNotFoundError) as raised:
        store.commit("repo@mastr")
    assert raised.value.hint == "did you mean 'master'?"
    with pytest.raises(pfslib.RepoNotFoundError) as raised:
        store.commit("rpo@master")
    assert raised.value.hint == "did you mean 'repo'?"


@pytest.mark.parametrize("name", ["none", "\udcff", "x" * 600, "a\0b", ""])
def test_a_repo_that_cannot_be_is_not_found(store, name):
    with pytest.raises(pfslib.RepoNotFoundError):
        store.repo(name)


def test_ids_of_another_repo_mean_nothing(store, made):
    store.create_repo("other")
    for text in (made[0].id, made[0].id[:8], f"{made[0].id}^", f"{made[0].id}/0"):
        with pytest.raises(pfslib.CommitNotFoundError):
            store.commit(f"other@{text}")


def test_a_beginning_of_several_ids_is_refused(store, repo, made, monkeypatch):
    ids = iter(["abcd" + "1" * 28, "abcd" + "2" * 28, "abc" + "3" * 29])
    monkeypatch.setattr("pfslib.commits.staging.new_commit_id", lambda: next(ids))
    for _ in range(3):
        repo.start_commit().finish()
    with pytest.raises(pfslib.InvalidReferenceError, match="several"):
        store.commit("repo@abcd")
    assert store.commit("repo@abcd1").id == "abcd" + "1" * 28
    assert store.commit("repo@abc3").id == "abc" + "3" * 29
    with pytest.raises(pfslib.CommitNotFoundError):
        store.commit("repo@abc")


def test_a_branch_comes_before_an_id(store, repo, made):
    name = made[0].id[:8]
    with repo.commit(name) as commit:
        commit.put_file("/f", b"branch")
    assert store.commit(f"repo@{name}") == commit.commit
    assert store.commit(f"repo@{name}.0") == commit.commit


def test_a_branch_with_dots_comes_before_a_position(store, repo, made):
    for branch in ("v1", "v1.0"):
        for number in range(2):
            with repo.commit(branch) as commit:
                commit.put_file("/f", f"{branch} {number}")
    contents = {text: store.commit(f"repo@{text}").get_file("/f").decode()
                for text in ("v1", "v1.0", "v1.1", "v1.0.0", "v1/0", "v1.0/1", "v1.0^",
                              "v1.0.1^", "v1.1^")}  # fmt: skip
    assert contents == {
        "v1": "v1 1",
        "v1.0": "v1.0 1",
        "v1.1": "v1 1",
        "v1.0.0": "v1.0 0",
        "v1/0": "v1 0",
        "v1.0/1": "v1.0 1",
        "v1.0^": "v1.0 0",
        "v1.0.1^": "v1.0 0",
        "v1.1^": "v1 0",
    }


def test_positions_count_per_branch(store, repo):
    for branch in ("a", "b", "a.b"):
        for number in range(3):
            with repo.commit(branch) as commit:
                commit.put_file("/f", b"%d" % number)
            assert commit.commit.number == number
    assert [commit.branch for commit in repo.list_commit()] == ["a"] * 3 + ["a.b"] * 3 + ["b"] * 3
    assert [commit.number for commit in repo.list_commit("a")] == [0, 1, 2]
    newest = repo.list_commit("a", newest_first=True)
    assert [commit.number for commit in newest] == [2, 1, 0]


def test_a_repo_alone_is_no_commit(store, repo):
    with pytest.raises(pfslib.InvalidReferenceError, match="names a repo"):
        store.commit("repo")
    assert store["repo"].name == "repo"


def test_open_commits_are_found_by_branch_id_and_beginning(store, repo, made):
    started = repo.start_commit("open")
    for text in ("open", started.id, started.id[:9]):
        assert store.open_commit("repo", text).id == started.id
        with pytest.raises(pfslib.CommitOpenError, match=started.id):
            store.commit(f"repo@{text}")
    with pytest.raises(pfslib.CommitFinishedError):
        store.open_commit("repo", "master")
    with pytest.raises(pfslib.CommitNotFoundError):
        store.open_commit("repo", "none")
    store.create_repo("other")
    for text in ("open", started.id, started.id[:9]):
        with pytest.raises(pfslib.CommitNotFoundError):
            store.open_commit("other", text)


# --- provenance ------------------------------------------------------------------------------


def derive(store: pfslib.Store, repo: str, *sources: pfslib.Commit) -> pfslib.Commit:
    """A commit made from others, as jobs make them."""
    with store.kv.write() as txn:
        links = tuple(CommitLink(source.repo, source.id) for source in sources)
        started = start(txn, repo, "master", provenance=links)
    finish(store.kv, repo, started.id, store.cache, ContentWriter(store.kv))
    return store.commit(f"{repo}@{started.id}")


@pytest.fixture
def derived(store) -> dict[str, pfslib.Commit]:
    """a and b, c from both, d from c and a, e from nothing."""
    commits = {}
    for name, sources in (("a", ""), ("b", ""), ("c", "ab"), ("d", "ca"), ("e", "")):
        store.create_repo(name)
        commits[name] = derive(store, name, *(commits[source] for source in sources))
    return commits


@pytest.mark.parametrize(("of", "provenance", "subvenance"),
                         [("a", "", "cd"), ("b", "", "cd"), ("c", "ab", "d"), ("d", "cab", ""),
                          ("e", "", "")])  # fmt: skip
def test_provenance_and_subvenance_mirror_each_other(derived, of, provenance, subvenance):
    assert [commit.repo for commit in derived[of].provenance()] == list(provenance)
    assert sorted(commit.repo for commit in derived[of].subvenance()) == list(subvenance)
    for other in derived[of].provenance():
        assert derived[of] in other.subvenance()


def test_what_others_were_made_from_is_not_removed(store, derived):
    with pytest.raises(pfslib.StillNeededError, match="provenance of c, d"):
        store.delete_repo("a")
    store.delete_repo("a", force=True)
    assert [commit.repo for commit in derived["d"].provenance()] == ["c", "b"]
    assert [link.repo for link in derived["d"].record.provenance] == ["c", "a"]
    for name in "dcb":
        store.delete_repo(name)
    assert derived["e"].provenance() == []
