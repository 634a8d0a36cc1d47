"""What happens around a store: a plain copy of it, a clock that jumps, the longest names."""

from __future__ import annotations

import itertools
import os
import shutil

import pfslib
from pfslib.model.paths import COMPONENT_MAX


def test_a_plain_copy_of_the_open_store_lets_no_two_writers_in(store, repo, start_script, tmp_path):
    """Closing the copy's descriptors drops all of LMDB's own locks of this process."""
    turns = 40
    other = start_script(
        """
        for number in range(int(sys.argv[2])):
            with pfslib.open(sys.argv[1]) as store:
                with store.repo("repo").commit("other") as commit:
                    commit.put_file("/f", f"{number}")
        say("done")
        """,
        store.path,
        turns,
    )
    for number in range(turns):
        shutil.copytree(store.path, tmp_path / f"copy{number}")
        with repo.commit("mine") as commit:
            commit.put_file("/f", f"{number}")
    assert other.communicate()[0] == "done\n"
    for branch in ("mine", "other"):
        commits = list(repo.list_commit(branch))
        assert [commit.get_file("/f") for commit in commits] == [b"%d" % n for n in range(turns)]


def test_a_plain_copy_takes_no_reader_its_protection(store, repo, run_script, tmp_path):
    """A process that opens the store must not take this one, which lost its locks, for dead."""
    with store.kv.read():
        shutil.copytree(store.path, tmp_path / "copy")
        run_script("pfslib.open(sys.argv[1]).close()", store.path)
        assert f"{os.getpid()} " in store.kv._kv._live().env.readers()


def test_history_is_ordered_by_parents_not_by_clocks(store, repo, monkeypatch):
    times = itertools.cycle([10**18, 5, 2 * 10**18, 0, 4_294_967_296 * 10**9, -(10**18)])
    monkeypatch.setattr("time.time_ns", lambda: next(times))
    made = []
    for number in range(6):
        with repo.commit() as commit:
            commit.put_file("/f", b"%d" % number)
        made.append(commit.commit)
    assert list(repo.list_commit()) == made
    for older, newer in itertools.pairwise(made):
        assert newer.parent() == older
        assert str(newer.finished)
    assert store.commit("repo@master") == made[-1]


def test_the_longest_names_can_be_used(store):
    longest = "n" * 128
    with store.create_repo(longest).commit(longest) as commit:
        commit.put_file("/".join(["x" * COMPONENT_MAX] * 16), b"1")
    assert store.commit(f"{longest}@{longest}") == commit.commit
    assert store.commit(f"{longest}@{longest}.0^0") == commit.commit
    assert commit.commit.files == 1
    store.delete_repo(longest)


def test_what_is_finished_is_on_disk(store):
    flags = store.kv._kv._live().env.flags()
    assert flags["sync"]
    assert flags["metasync"]
    assert not flags["writemap"]


def test_a_store_reads_the_same_in_a_fresh_process(store, repo, run_script):
    with repo.commit() as commit:
        commit.put_file("/d/f", b"1")
    said = run_script(
        """
        with pfslib.open(sys.argv[1]) as store:
            commit = store.commit("repo@master")
            say(commit.id, commit.digest, commit.tree.root.node.hex())
        """,
        store.path,
    )
    made = commit.commit
    assert said.split() == [made.id, made.digest, made.tree.root.node.hex()]


def test_two_stores_with_the_same_files_agree_on_digests(tmp_path):
    digests = set()
    for name in ("a", "b"):
        with pfslib.init(tmp_path / name) as store, store.create_repo("repo").commit() as commit:
            for number in range(100):
                commit.put_file(f"/d/{number}", b"%d" % number * 100)
        digests.add(commit.commit.tree.root.digest)
    assert len(digests) == 1
