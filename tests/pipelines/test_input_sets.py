"""Which commits go together in one job, whatever their branches do."""

from __future__ import annotations

from pfslib.testing.scripted_bench import Bench, copy, counts, glue
from pfslib.testing.shell_pipelines import commit_files


def test_a_diamond_never_mixes_versions(bench: Bench) -> None:
    for name in ("left", "right"):
        bench.pipeline(name, copy, "data")
    bench.pipeline("both", glue, "left", "right")
    for text in "123":
        commit_files(bench.store, "data", {"/a": text})
    bench.run()
    outputs = list(bench.store.list_commit("both"))
    assert [c.get_file(f"/{n}+{n}") for c, n in zip(outputs, "123", strict=True)] == [
        b"1+1",
        b"2+2",
        b"3+3",
    ]
    assert len(bench.states()["both"]) == 3


def test_an_input_and_what_is_made_of_it_go_together(bench: Bench) -> None:
    bench.pipeline("upper", copy, "data")
    bench.pipeline("both", glue, "data", "upper")
    commit_files(bench.store, "data", {"/a": "1"})
    commit_files(bench.store, "data", {"/a": "2"})
    bench.run()
    assert [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")] == [
        ["/1+1"],
        ["/2+2"],
    ]


def test_independent_inputs_are_taken_as_they_were_at_each_commit(bench: Bench) -> None:
    bench.store.create_repo("other")
    bench.pipeline("both", glue, "data", "other")
    for repo, text in (("data", "a"), ("other", "x"), ("data", "b"), ("other", "y")):
        commit_files(bench.store, repo, {"/f": text})
    bench.run()
    assert [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")] == [
        ["/a+x"],
        ["/b+x"],
        ["/b+y"],
    ]


def test_an_output_follows_a_branch_that_is_moved_back(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    bench.pipeline("q", copy, "p")
    ids = [commit_files(bench.store, "data", {"/a": text}) for text in "12"]
    bench.run()
    for moved_to, text in ((ids[0], b"1"), (ids[1], b"2"), (ids[0], b"1")):
        bench.store.repo("data").move_branch("master", moved_to)
        jobs = bench.run()
        assert [(job.pipeline, *counts(job)) for job in jobs] == [
            ("p", 1, 0, 1, 0, 0),
            ("q", 1, 0, 1, 0, 0),
        ]
        for name in "pq":
            made = bench.store.commit(f"{name}@master")
            assert made.get_file("/a") == text
            assert [c.id for c in made.provenance()][-1] == moved_to
    assert bench.run() == []
    # What is the head already, or is where the output is, needs no job.
    bench.store.repo("data").create_branch("aside", ids[1])
    bench.store.repo("data").delete_branch("master")
    bench.store.repo("data").create_branch("master", ids[0])
    assert bench.run() == []
    assert bench.store.fsck().clean


def test_a_join_follows_a_branch_that_is_moved_back_once(bench: Bench) -> None:
    for name in ("left", "right"):
        bench.pipeline(name, copy, "data")
    bench.pipeline("both", glue, "left", "data", "right")
    ids = [commit_files(bench.store, "data", {"/a": text}) for text in "123"]
    bench.run()
    bench.store.repo("data").move_branch("master", ids[0])
    bench.run()
    for moved_to in (ids[2], ids[1]):  # faster than it can be followed
        bench.store.repo("data").move_branch("master", moved_to)
    bench.run()
    outputs = [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")]
    assert outputs == [[f"/{n}+{n}+{n}"] for n in "123132"]


def test_two_branches_of_one_repo_are_two_inputs(bench: Bench) -> None:
    sides = [
        {"pfs": {"repo": "data", "branch": branch, "glob": "/*", "name": branch}}
        for branch in ("master", "side")
    ]
    base = commit_files(bench.store, "data", {"/a": "0"})
    bench.store.repo("data").create_branch("side", base)
    bench.pipeline("both", glue, "data", input={"cross": sides})
    bench.pipeline("after", copy, "both")
    for branch, text in (("master", "1"), ("side", "x"), ("master", "2"), ("side", "y")):
        commit_files(bench.store, "data", {"/a": text}, branch)
    bench.store.repo("data").move_branch("master", "side")
    bench.run()
    for name in ("both", "after"):
        outputs = [[f.path for f in c.list_file()] for c in bench.store.list_commit(name)]
        assert outputs == [["/0+0"], ["/1+0"], ["/1+x"], ["/2+x"], ["/2+y"], ["/y+y"]]


def test_outputs_go_together_by_the_branch_that_was_read(bench: Bench) -> None:
    """A commit of another line is read as a state of the branch that was moved to it."""
    for name in ("left", "right"):
        bench.pipeline(name, copy, "data")
    bench.pipeline("both", glue, "left", "right", "data")
    side = [commit_files(bench.store, "data", {"/a": text}, "side") for text in "xy"]
    for text in "123":
        commit_files(bench.store, "data", {"/a": text})
    bench.store.repo("data").move_branch("master", side[0])
    commit_files(bench.store, "data", {"/a": "4"})
    bench.store.repo("data").move_branch("master", side[1])
    bench.run()
    outputs = [[f.path for f in c.list_file()] for c in bench.store.list_commit("both")]
    assert outputs == [[f"/{n}+{n}+{n}"] for n in "123x4y"]


def test_a_chain_of_ten(bench: Bench) -> None:
    before = "data"
    for number in range(10):
        bench.pipeline(f"p{number}", copy, before)
        before = f"p{number}"
    source = commit_files(bench.store, "data", {"/a": "1"})
    assert [job.pipeline for job in bench.run()] == [f"p{n}" for n in range(10)]
    last = bench.store.commit("p9@master")
    assert last.get_file("/a") == b"1"
    assert [c.id for c in last.provenance()][-1] == source
