"""What becomes of outputs that failed, clash, or are copied away, and of what follows."""

from __future__ import annotations

from pathlib import Path

from pfslib.testing.scripted_bench import Bench, copy, counts, fail_on, glue
from pfslib.testing.scripted_runner import Call, Files, run_scripted
from pfslib.testing.shell_pipelines import commit_files


def test_what_would_read_a_failed_output_cannot_be_run_and_says_why(bench: Bench) -> None:
    bench.pipeline("left", fail_on(b"bad"), "data")
    bench.pipeline("right", copy, "data")
    bench.pipeline("both", glue, "left", "right")
    bench.pipeline("after", copy, "both")
    commit_files(bench.store, "data", {"/a": "bad"})
    bench.run()
    assert bench.states() == {
        "left": ["failure"],
        "right": ["success"],
        "both": ["unrunnable"],
        "after": ["unrunnable"],
    }
    (job,) = bench.store.list_job("after")
    assert "left" in job.reason
    assert bench.store.commit(f"after@{job.output_commit}").error == job.reason
    commit_files(bench.store, "data", {"/a": "good"})
    bench.run()
    assert bench.states()["after"] == ["unrunnable", "success"]


def test_a_recovered_datum_has_no_output_and_runs_again(bench: Bench) -> None:
    bench.scripts["rescue"] = lambda _: {}
    transform = {"err_cmd": ["rescue"]}
    bench.pipeline("p", fail_on(b"bad"), "data", transform=transform, datum_tries=2)
    commit_files(bench.store, "data", {"/a": "bad", "/b": "good"})
    (first,) = bench.run()
    assert (first.state, counts(first)) == ("success", (2, 1, 0, 0, 1))
    assert [f.path for f in bench.store.commit("p@master").list_file()] == ["/b"]
    assert [r.state for r in bench.store.list_datum(first.id)] == ["recovered", "processed"]
    bench.scripts["p"] = copy  # as if the world had changed
    commit_files(bench.store, "data", {"/c": "new"})
    (second,) = bench.run()
    assert counts(second) == (3, 2, 1, 0, 0)
    assert [f.path for f in bench.store.commit("p@master").list_file()] == ["/a", "/b", "/c"]


def test_a_clash_names_the_datums_by_what_they_see(bench: Bench) -> None:
    bench.pipeline("p", lambda _: {"/same": b"x"}, "data")
    commit_files(bench.store, "data", {"/a": "1"})
    commit_files(bench.store, "data", {"/b": "2"})
    *_, job = bench.run()
    assert job.state == "failure"
    assert "data:/a and data:/b both wrote it" in job.reason


def test_a_file_where_another_datum_wrote_a_directory(bench: Bench) -> None:
    bench.pipeline("p", lambda call: {f"/x{'/y' * len(copy(call))}": b""}, "data", glob="/*/")
    bench.scripts["p"] = lambda call: {"/x" if b"1" in copy(call).values() else "/x/y": b"f"}
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    (job,) = bench.run()
    assert "data:/a and data:/b both wrote it; one wrote a file" in job.reason


def test_an_output_is_copied_where_whoever_runs_the_job_allows_it(
    bench: Bench, tmp_path: Path
) -> None:
    target = tmp_path / "allowed/here"
    bench.pipeline("p", copy, "data", egress={"URL": f"file://{target}"})
    commit_files(bench.store, "data", {"/a": "1"})
    (refused,) = bench.run()
    assert refused.state == "failure"
    assert "may not be copied" in refused.reason
    assert bench.store.commit("p@master").get_file("/a") == b"1"
    bench.store.rerun_job(refused.id)
    (job,) = run_scripted(bench.store, bench.runner, egress_to=tmp_path / "allowed")
    assert (job.state, job.reason) == ("success", "")
    assert (target / "a").read_text() == "1"


def test_what_the_next_job_needs_is_no_garbage(bench: Bench) -> None:
    def append(call: Call) -> Files:
        return {"/all": b"".join(copy(call).values()) * 200}

    bench.pipeline("p", append, "data", output_merge="append")
    commit_files(bench.store, "data", {f"/{n}": str(n) * 10 for n in range(8)})
    bench.run()
    bench.store.gc()
    commit_files(bench.store, "data", {"/3": None, "/5": "changed"})
    (job,) = bench.run()
    assert counts(job) == (7, 1, 6, 0, 0)
    expected = b"".join(
        (b"changed" if n == 5 else b"%d" % n * 10) * 200 for n in range(8) if n != 3
    )
    assert bench.store.commit("p@master").get_file("/all") == expected
    assert list(bench.store.fsck()) == []
    bench.store.delete_pipeline("p")
    assert bench.store.gc().nodes
    assert list(bench.store.fsck()) == []


def test_what_is_the_same_as_a_failed_datum_is_listed_as_failed(bench: Bench) -> None:
    all_of_it = {"pfs": {"repo": "data", "glob": "/*"}}
    bench.pipeline("p", fail_on(b"bad"), input={"union": [all_of_it, all_of_it]})
    commit_files(bench.store, "data", {"/a": "bad", "/b": "good"})
    (job,) = bench.run()
    assert counts(job) == (4, 1, 1, 2, 0)
    listed = [(str(d.state), d.inputs[0].path) for d in bench.store.list_datum(job.id)]
    assert listed == [("failed", b"a"), ("processed", b"b"), ("failed", b"a"), ("skipped", b"b")]
