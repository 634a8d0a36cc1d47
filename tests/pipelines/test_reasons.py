"""Why datums ran, and who made a file."""

from __future__ import annotations

import pytest

from pfslib.pipelines import datum_listing
from pfslib.pipelines.works import find_work, put_work
from pfslib.testing.scripted_bench import Bench, copy, counts, scripted_spec
from pfslib.testing.shell_pipelines import commit_files


def test_every_datum_says_why(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    (first,) = bench.run()
    commit_files(bench.store, "data", {"/b": "3", "/c": "4"})
    (second,) = bench.run()
    whys = {record.inputs[0].path: record.why for record in bench.store.list_datum(second.id)}
    assert whys == {
        b"a": f"nothing that it sees has changed since job {first.id}",
        b"b": f"what it sees is not what it was in job {first.id}",
        b"c": f"it is new: job {first.id} had nothing in its place",
    }
    bench.pipeline("again", copy, "data")
    bench.scripts["again"] = copy
    commit_files(bench.store, "data", {"/b": "2"})
    third = next(job for job in bench.run() if job.pipeline == "p")
    record = next(r for r in bench.store.list_datum(third.id) if r.inputs[0].path == b"b")
    assert record.why == f"job {first.id} has run it already"


def test_every_reason_is_the_true_one(bench: Bench) -> None:
    """Data, transform, image or wish: what has made a datum run is said of that datum."""
    bench.pipeline("p", copy, "data")

    def whys() -> dict[str, str]:
        """Of the last job, and the same of the files that its datums wrote."""
        job = bench.run()[-1]
        ran = {r.inputs[0].path.decode(): r.why for r in bench.store.list_datum(job.id, ran=True)}
        for path, why in ran.items():
            (made,) = bench.store.explain_file("p", "master", f"/{path}")
            assert (made.datum.why, made.job and made.job.id) == (why, job.id)
        last.append(job.id)
        return ran

    last: list[str] = []
    commit_files(bench.store, "data", {"/a": "1", "/b": "2"})
    nothing = "it is new: no job has put anything out before"
    assert whys() == {"a": nothing, "b": nothing}
    bench.store.update_pipeline(scripted_spec("p", "data", transform={"env": {"A": "b"}}))
    transform = f"the transform (env) changed after job {last[-1]}"
    assert whys() == {"a": transform, "b": transform}
    bench.runner.image_digest = "another"
    commit_files(bench.store, "data", {"/b": "3", "/c": "4"})
    before = last[-1]
    image = f"the image changed after job {before}"
    assert whys() == {
        "a": image,
        "b": f"what it sees is not what it was in job {before}, and {image}",
        "c": f"it is new: job {before} had nothing in its place",
    }
    bench.runner.image_digest = "a third"
    bench.store.update_pipeline(
        scripted_spec("p", "data", transform={"env": {"A": "c"}, "user": "me"})
    )
    both = f"the transform (env, user) and the image changed after job {last[-1]}"
    assert set(whys().values()) == {both}
    bench.store.rerun_pipeline("p", reprocess=True)
    asked = f"it was asked to run again since job {last[-1]}, by an update"
    assert set(whys().values()) == {asked}
    bench.store.rerun_job(last[-1], datums=["/c"])
    assert whys() == {"c": "it was asked to run again"}
    bench.store.update_pipeline(
        scripted_spec("p", "data", transform={"env": {"A": "c"}, "user": "me"}, glob="/[ab]")
    )
    assert whys() == {}
    (skipped, _) = bench.store.list_datum(last[-1])
    assert "has run it already" in skipped.why
    bench.store.delete_job(last[-1])
    commit_files(bench.store, "data", {"/b": "5"})
    assert whys() == {
        "b": "it is not known what made the output before: no job, or one that was deleted"
    }


def test_a_file_says_who_made_it(bench: Bench) -> None:
    bench.pipeline("p", lambda call: {"/all": b"".join(copy(call).values())}, "data",
                   output_merge="append")  # fmt: skip
    source = commit_files(bench.store, "data", {"/a": "12"})
    (first,) = bench.run()
    second_source = commit_files(bench.store, "data", {"/b": "345"})
    (second,) = bench.run()
    made = bench.store.explain_file("p", "master", "/all")
    assert [(m.datum.inputs[0].path, m.size, m.job and m.job.id) for m in made] == [
        (b"a", 2, first.id),
        (b"b", 3, second.id),
    ]
    assert made[0].inputs[0].commit == second_source != source
    assert bench.store.explain_file("data", "master", "/a") == []


def test_who_made_a_file_is_found_without_a_look_at_other_datums(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.pipeline("p", copy, "data")
    commit_files(bench.store, "data", {f"/{n}": str(n) for n in range(9)})
    (first,) = bench.run()
    commit_files(bench.store, "data", {"/0": None, "/33": "new"})
    (second,) = bench.run()
    monkeypatch.setattr(datum_listing, "list_datums", None)
    for path, job in (("/5", first), ("/33", second)):
        (made,) = bench.store.explain_file("p", "master", path)
        assert (made.datum.inputs[0].path, made.job) == (path[1:].encode(), job)


def test_a_file_from_a_result_that_was_replaced_since(bench: Bench) -> None:
    """Two pipelines have one key; it is asked of one of them to run again, and writes otherwise."""
    for name in "pq":
        bench.store.create_pipeline({**scripted_spec(name, "data"), "transform": {"cmd": ["f"]}})
    bench.scripts["f"] = copy
    commit_files(bench.store, "data", {"/a": "old"})
    first, other = bench.run()
    assert counts(other) == (1, 0, 1, 0, 0)
    assert first.pipeline == "p"
    bench.scripts["f"] = lambda _: {"/a": b"new"}
    bench.store.rerun_job(first.id, reprocess=True)
    (again,) = bench.run()
    (now,), (before,), (others,) = (
        bench.store.explain_file(repo, reference, "/a")
        for repo, reference in (("p", "master"), ("p", "master^"), ("q", "master"))
    )
    assert [made.job and made.job.id for made in (now, before, others)] == [
        again.id,
        first.id,
        None,
    ]
    assert others.datum.why.endswith(f"job {again.id} has run it again since")
    (listed,) = bench.store.list_datum(other.id)
    assert listed.why == others.datum.why


def test_how_a_dropped_output_came_about_is_forgotten(bench: Bench) -> None:
    bench.pipeline("p", copy, "data")
    for text in "12":
        commit_files(bench.store, "data", {"/a": text})
    first, second = bench.run()
    bench.store.repo("p").drop_commit("master")
    with bench.store.kv.write() as txn:
        assert find_work(txn, second.output_commit) is None
        kept = find_work(txn, first.output_commit)
        assert kept is not None
        put_work(txn, second.output_commit, kept)  # as those dropped by older versions left it
    assert not bench.store.fsck().clean
    bench.store.gc()
    with bench.store.kv.read() as txn:
        assert find_work(txn, first.output_commit) == kept
        assert find_work(txn, second.output_commit) is None
    assert bench.store.fsck().clean
    commit_files(bench.store, "data", {"/b": "3"})
    (job,) = bench.run()
    assert (job.base, counts(job)) == (first.id, (2, 1, 1, 0, 0))
