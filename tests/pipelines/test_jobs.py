"""What commits trigger, what runs, what is skipped, and what comes out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pfslib import Job, JobState, RunnerError, Session, StillNeededError, Store
from pfslib.kv.tables import Table
from pfslib.runners.runner import Confinement
from pfslib.runners.sandbox_runner import SandboxRunner
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]
Run = Callable[[], list[Job]]

COPY = "cp /pfs/data/* /pfs/out/"
CONCATENATE = {
    "pipeline": {"name": "all"},
    "transform": {"cmd": ["sh"], "stdin": ["cat /pfs/data/* >> /pfs/out/all"]},
    "inputs": [{"repo": {"name": "data"}, "method": "reduce"}],
}


def counts(job: Job) -> tuple[int, int, int, int]:
    c = job.counts
    return c.total, c.processed, c.skipped, c.failed


def test_each_commit_becomes_one_job_and_each_historic_result_is_right(
    store: Store, run: Run
) -> None:
    store.create_repo("data")
    store.create_pipeline(CONCATENATE)
    for name in ("a", "b", "c"):
        commit_files(store, "data", {f"/{name}": f"{name}\n"})
    jobs = run()
    assert [counts(job) for job in jobs] == [(1, 1, 0, 0), (2, 1, 1, 0), (3, 1, 2, 0)]
    texts = [c.get_file("/all") for c in store.list_commit("all")]
    assert texts == [b"a\n", b"a\nb\n", b"a\nb\nc\n"]
    assert [job.id for job in store.list_job()] == [job.id for job in reversed(jobs)]
    assert run() == []


def test_an_output_names_the_commit_it_was_made_from(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(CONCATENATE)
    source = commit_files(store, "data", {"/a": "a\n"})
    (job,) = run()
    output = store.commit(f"all@{job.output_commit}/0")
    assert [c.id for c in output.provenance()] == [source]
    assert [c.id for c in store.commit("data@master").subvenance()] == [output.id]
    assert output.parent() is None


def test_deleted_and_changed_inputs_give_what_a_full_run_would(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(CONCATENATE)
    commit_files(store, "data", {"/a": "a\n", "/b": "b\n", "/c": "c\n"})
    commit_files(store, "data", {"/a": None, "/b": "B\n"})
    _, second = run()
    assert counts(second) == (2, 1, 1, 0)
    assert store.commit("all@master").get_file("/all") == b"B\nc\n"


def test_a_file_that_no_datum_writes_any_more_is_gone(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("copy", "data", COPY))
    commit_files(store, "data", {"/a": "a", "/b": "b"})
    commit_files(store, "data", {"/a": None})
    run()
    assert [f.path for f in store.commit("copy@master").list_file()] == ["/b"]


def test_pipelines_chain_and_provenance_goes_all_the_way(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("upper", "data", "tr a-z A-Z < $data > /pfs/out/${data##*/}"))
    store.create_pipeline(shell_spec("twice", "upper", "cat $upper $upper > /pfs/out/${upper##*/}"))
    source = commit_files(store, "data", {"/x": "abc"})
    jobs = run()
    assert [job.pipeline for job in jobs] == ["upper", "twice"]
    final = store.commit("twice@master")
    assert final.get_file("/x") == b"ABCABC"
    assert [(c.repo, c.id) for c in final.provenance()][-1] == ("data", source)


def test_a_failed_command_fails_the_job_with_code_and_log(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(
        shell_spec(
            "picky",
            "data",
            "cp $data /pfs/out/",
            "echo looked at $data",
            "! grep -q bad $data || exit 7",
        )
    )
    commit_files(store, "data", {"/good": "fine"})
    commit_files(store, "data", {"/ugly": "bad"})
    fine, failed = run()
    assert (fine.state, failed.state) == (JobState.SUCCESS, JobState.FAILURE)
    assert "code 7" in failed.reason
    assert "/ugly" in failed.reason
    assert [text for _, _, text in store.get_logs(failed.id)] == [b"looked at /pfs/data/ugly\n"]
    (record,) = store.list_datum(failed.id, ran=True)
    assert record.exit_code == 7
    # Readable by the id that the job names, but not the branch's head and nobody's parent.
    broken = store.commit(f"picky@{failed.output_commit}")
    assert broken.error
    assert broken.get_file("/ugly") == b"bad"
    assert store.commit("picky@master").id == fine.output_commit
    commit_files(store, "data", {"/ugly": "better"})
    (mended,) = run()
    assert mended.state == JobState.SUCCESS
    assert counts(mended) == (2, 1, 1, 0)
    after = store.commit("picky@master")
    assert [f.path for f in after.list_file()] == ["/good", "/ugly"]
    assert after.record.parent == fine.output_commit


def test_a_failed_job_triggers_nothing_downstream(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("first", "data", "exit 1"))
    store.create_pipeline(shell_spec("second", "first", "true"))
    commit_files(store, "data", {"/a": "a"})
    assert [job.pipeline for job in run()] == ["first"]


def test_tries_are_repeated_and_the_last_one_counts(store: Store, run: Run, tmp_path: Path) -> None:
    store.create_repo("data")
    marks = tmp_path / "marks"
    marks.mkdir(mode=0o777)
    spec = shell_spec(
        "flaky", "data", f"echo x >> {marks}/tries; test $(wc -l < {marks}/tries) -ge 3"
    )
    store.create_pipeline({**spec, "datum_tries": 3})
    commit_files(store, "data", {"/a": "a"})
    (job,) = run()
    assert job.state == JobState.SUCCESS
    assert [attempt for _, attempt, _ in store.get_logs(job.id)] == [1, 2, 3]
    assert counts(job) == (1, 1, 0, 0)


def test_accepted_return_codes_are_successes(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(
        shell_spec("odd", "data", "exit 3", transform={"accept_return_code": [3]})
    )
    commit_files(store, "data", {"/a": "a"})
    assert [job.state for job in run()] == [JobState.SUCCESS]


def test_results_are_used_again_when_a_pipeline_is_made_again(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(CONCATENATE)
    commit_files(store, "data", {"/a": "a\n"})
    run()
    store.delete_pipeline("all")
    store.create_pipeline(CONCATENATE)
    (job,) = run()
    assert counts(job) == (1, 0, 1, 0)
    assert store.commit("all@master").get_file("/all") == b"a\n"


def test_another_command_runs_everything_again(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("p", "data", "echo one > /pfs/out/o"))
    commit_files(store, "data", {"/a": "a"})
    run()
    store.delete_pipeline("p")
    store.create_pipeline(shell_spec("p", "data", "echo two > /pfs/out/o"))
    (job,) = run()
    assert counts(job) == (1, 1, 0, 0)
    assert store.commit("p@master").get_file("/o") == b"two\n"


def test_one_datum_for_the_whole_repo(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("list", "data", "ls /pfs/data > /pfs/out/names", glob="/"))
    commit_files(store, "data", {"/a": "a", "/d/b": "b"})
    (job,) = run()
    assert counts(job) == (1, 1, 0, 0)
    assert store.commit("list@master").get_file("/names") == b"a\nd\n"


def test_a_datum_sees_its_own_entry_alone(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(
        shell_spec("see", "data", "find /pfs/data -type f | sort > /pfs/out/$(basename $data)")
    )
    commit_files(store, "data", {"/a": "a", "/d/b": "b", "/d/c": "c"})
    run()
    done = store.commit("see@master")
    assert done.get_file("/a") == b"/pfs/data/a\n"
    assert done.get_file("/d") == b"/pfs/data/d/b\n/pfs/data/d/c\n"


def test_a_command_knows_what_it_works_on(store: Store, run: Run) -> None:
    store.create_repo("data")
    names = "PACH_JOB_ID PACH_OUTPUT_COMMIT_ID PACH_DATUM_ID data data_COMMIT MINE"
    store.create_pipeline(
        shell_spec(
            "env",
            "data",
            f"for n in {names}; do eval echo \\$$n; done > /pfs/out/e",
            transform={"env": {"MINE": "yes"}},
        )
    )
    source = commit_files(store, "data", {"/a": "a"})
    (job,) = run()
    job_id, output, datum, data, data_commit, mine = (
        store.commit("env@master").get_file("/e").decode().split()
    )
    assert (job_id, output, data_commit) == (job.id, job.output_commit, source)
    assert (data, mine, len(datum)) == ("/pfs/data/a", "yes", 64)


def test_two_datums_may_not_write_one_path_unless_the_spec_says_how(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("clash", "data", "cat $data > /pfs/out/o"))
    store.create_pipeline(
        shell_spec("append", "data", "cat $data > /pfs/out/o", output_merge="append")
    )
    store.create_pipeline(
        shell_spec("last", "data", "cat $data > /pfs/out/o", output_merge="overwrite")
    )
    commit_files(store, "data", {"/a": "a", "/b": "b"})
    states = {job.pipeline: job for job in run()}
    assert states["clash"].state == JobState.FAILURE
    assert "/o" in states["clash"].reason
    # There is no output to show: neither half of this one nor the one before.
    assert store.commit(f"clash@{states['clash'].output_commit}").files == 0
    assert store.commit("append@master").get_file("/o") == b"ab"
    assert store.commit("last@master").get_file("/o") == b"b"


def test_two_inputs_are_crossed_and_wait_for_each_other(store: Store, run: Run) -> None:
    store.create_repo("x")
    store.create_repo("y")
    store.create_pipeline(
        {
            "pipeline": {"name": "pairs"},
            "transform": {"cmd": ["sh"], "stdin": ["echo $(cat $x)$(cat $y) >> /pfs/out/all"]},
            "inputs": [
                {"repo": {"name": "x"}, "method": "reduce"},
                {"repo": {"name": "y"}, "method": "reduce"},
            ],
        }
    )
    commit_files(store, "x", {"/1": "1", "/2": "2"})
    assert run() == []
    commit_files(store, "y", {"/a": "a", "/b": "b"})
    (job,) = run()
    assert counts(job) == (4, 4, 0, 0)
    assert store.commit("pairs@master").get_file("/all") == b"1a\n1b\n2a\n2b\n"


def test_commits_from_before_the_pipeline(store: Store, run: Run) -> None:
    store.create_repo("data")
    commit_files(store, "data", {"/a": "a\n"})
    commit_files(store, "data", {"/b": "b\n"})
    store.create_pipeline(CONCATENATE)
    store.create_pipeline(shell_spec("copy", "data", COPY))
    jobs = run()
    # The 1.3 form goes through all of history, the modern one begins at the head.
    assert sorted(job.pipeline for job in jobs) == ["all", "all", "copy"]


def test_branches_have_outputs_of_their_own(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(CONCATENATE)
    commit_files(store, "data", {"/a": "a\n"})
    commit_files(store, "data", {"/b": "b\n"}, branch="dev")
    run()
    assert store.commit("all@master").get_file("/all") == b"a\n"
    assert store.commit("all@dev").get_file("/all") == b"b\n"


def test_an_empty_match_is_a_job_without_datums(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("none", "data", "true", glob="/*.csv"))
    commit_files(store, "data", {"/a.txt": "a"})
    (job,) = run()
    assert (job.state, counts(job)) == (JobState.SUCCESS, (0, 0, 0, 0))
    assert store.commit("none@master").files == 0


def test_parallel_datums_keep_their_order_in_the_output(store: Store, run: Run) -> None:
    store.create_repo("data")
    spec = {**CONCATENATE, "parallelism_spec": {"strategy": "CONSTANT", "constant": "4"}}
    spec["transform"] = {
        "cmd": ["sh"],
        "stdin": ["sleep 0.0$(( $(cat /pfs/data/*) % 3 ))", "cat /pfs/data/* >> /pfs/out/all"],
    }
    store.create_pipeline(spec)
    commit_files(store, "data", {f"/{n:02}": f"{n}\n" for n in range(10, 40)})
    (job,) = run()
    assert counts(job) == (30, 30, 0, 0)
    expected = "".join(f"{n}\n" for n in range(10, 40)).encode()
    assert store.commit("all@master").get_file("/all") == expected


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("ln -s /etc/passwd /pfs/out/l", "outside"),
        ("ln -s ../../etc/passwd /pfs/out/l", "outside"),
        ("mkfifo /pfs/out/f", "fifo"),
    ],
)
def test_what_cannot_be_kept_fails_the_datum_by_name(
    store: Store, run: Run, line: str, word: str
) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("bad", "data", line))
    commit_files(store, "data", {"/a": "a"})
    (job,) = run()
    assert job.state == JobState.FAILURE
    assert word in job.reason


def test_a_job_does_not_see_the_store(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("peek", "data", f"ls -A {store.path} > /pfs/out/seen"))
    commit_files(store, "data", {"/a": "a"})
    (job,) = run()
    assert job.state == JobState.SUCCESS
    assert store.commit("peek@master").get_file("/seen") == b""


def test_nothing_is_left_behind(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(CONCATENATE)
    commit_files(store, "data", {"/a": "a\n"})
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    run()
    assert str(store.path) not in Path("/proc/self/mountinfo").read_text()
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text() == children
    assert list((store.path / "scratch").iterdir()) == []


def test_an_unchanged_output_adds_no_content(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("copy", "data", COPY))
    commit_files(store, "data", {"/a": "x" * 5000})
    run()
    with store.kv.read() as txn:
        chunks = txn.count(Table.CHUNKS)
    commit_files(store, "data", {"/b": "x" * 5000})
    run()
    with store.kv.read() as txn:
        assert txn.count(Table.CHUNKS) == chunks


def test_a_file_where_another_datum_makes_a_directory_fails_the_job(store: Store, run: Run) -> None:
    store.create_repo("data")
    lines = [
        "case $data in */a) echo x > /pfs/out/x;; *) mkdir /pfs/out/x; echo y > /pfs/out/x/y;; esac"
    ]
    store.create_pipeline(shell_spec("p", "data", *lines, output_merge="append"))
    store.create_pipeline(shell_spec("q", "data", "true"))
    commit_files(store, "data", {"/a": "a", "/b": "b"})
    states = {job.pipeline: job for job in run()}
    assert states["p"].state == JobState.FAILURE
    assert "/x" in states["p"].reason
    assert states["q"].state == JobState.SUCCESS
    assert run() == []


def test_a_pipeline_that_cannot_run_stops_no_other(store: Store) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("a", "data", "true", transform={"image": "no/such"}))
    store.create_pipeline(shell_spec("b", "data", "true"))
    commit_files(store, "data", {"/a": "a"})
    with pytest.raises(RunnerError):
        store.run(runner=Refusing(), notice=lambda _: None)
    assert {job.pipeline: job.state for job in store.list_job()} == {
        "a": JobState.CREATED,
        "b": JobState.SUCCESS,
    }


class Refusing:
    """A runner that can do without images only."""

    name = "refusing"

    def digest_of(self, image: str | None) -> str:
        return ""

    def session(self, image: str | None, *, scratch: Path, confinement: Confinement) -> Session:
        if image:
            raise RunnerError("no images here")
        return SandboxRunner().session(None, scratch=scratch)


def test_a_repo_that_a_pipeline_reads_is_not_deleted_with_its_own(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(shell_spec("a", "data", COPY))
    store.create_pipeline(shell_spec("b", "a", "true"))
    with pytest.raises(StillNeededError, match="pipeline b"):
        store.delete_pipeline("a")
    store.delete_pipeline("b")
    store.delete_pipeline("a")
    assert run() == []


def test_an_accepted_code_excuses_no_timeout(store: Store, run: Run) -> None:
    store.create_repo("data")
    store.create_pipeline(
        shell_spec(
            "slow",
            "data",
            "echo half > /pfs/out/o; sleep 60",
            transform={"accept_return_code": [137]},
            datum_timeout="300ms",
        )
    )
    commit_files(store, "data", {"/a": "a"})
    (job,) = run()
    assert job.state == JobState.FAILURE
    assert "timed out" in job.reason


def test_a_repo_named_like_a_variable_of_the_system(store: Store, run: Run) -> None:
    store.create_repo("PATH")
    store.create_pipeline(
        shell_spec("p", "PATH", "cat /pfs/data/a > /pfs/out/a", pfs={"name": "data"})
    )
    commit_files(store, "PATH", {"/a": "a"})
    (job,) = run()
    assert job.state == JobState.SUCCESS
