"""The variables of a datum: however many paths it sees, its command starts and finds them all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pfslib import Job, Store
from pfslib.pipelines.datum_variables import PATHS_MAX
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]
Run = Callable[[], list[Job]]


def grouped(*lines: str) -> dict[str, object]:
    inputs = [{"pfs": {"repo": r, "glob": "/(?)*", "group_by": "$1"}} for r in ("data", "few")]
    return shell_spec("p", "data", *lines) | {"input": {"group": inputs}}


def test_a_datum_of_thousands_of_paths_starts_and_has_them_in_a_list(
    store: Store, run: Run
) -> None:
    for repo in ("data", "few", "output"):
        store.create_repo(repo)
    long = "x" * 200
    odd = ["/a blank", "/a\nline", "/a\udcff"]
    names = [f"/a{number:04}{long}" for number in range(1000)] + odd
    commit_files(store, "data", dict.fromkeys(names, ""))
    commit_files(store, "few", {"/a1": "", "/a2": ""})
    store.create_pipeline(
        grouped(
            'test "$data" = /pfs/data',
            'test "$few" = "/pfs/few/a1\n/pfs/few/a2"',
            'cp "$PACH_DATUM_data_PATHS" /pfs/out/data; cp "$PACH_DATUM_few_PATHS" /pfs/out/few',
            "ls /pfs > /pfs/out/seen",
            'xargs -0 ls -d < "$PACH_DATUM_data_PATHS" > /dev/null',
        )
    )
    (job,) = run()
    assert job.reason == ""
    output = store.commit("p@master")
    paths = output.get_file("/data").split(b"\0")
    assert paths[-1] == b""
    wanted = [b"/pfs/data" + name.encode(errors="surrogateescape") for name in names]
    assert sorted(paths[:-1]) == sorted(wanted)
    assert output.get_file("/few") == b"/pfs/few/a1\0/pfs/few/a2\0"
    assert output.get_file("/seen") == b"data\nfew\nout\n"
    assert sum(map(len, wanted)) > 2 * PATHS_MAX


def test_what_is_said_of_a_datum_of_thousands_of_paths_is_short(store: Store, run: Run) -> None:
    for repo in ("data", "few"):
        store.create_repo(repo)
    commit_files(store, "data", {f"/a{number}": "" for number in range(1000)})
    commit_files(store, "few", {"/a1": ""})
    store.create_pipeline(grouped("exit 3"))
    (job,) = run()
    assert job.reason.startswith("datum data:/a0 data:/a1 ")
    assert job.reason.endswith("more): the command exited with code 3")
    assert len(job.reason) < 500


def test_no_repo_takes_the_name_of_a_variable_of_the_job(store: Store, run: Run) -> None:
    store.create_repo("output")
    store.create_pipeline(
        shell_spec("p", "output", "echo $PACH_OUTPUT_COMMIT_ID $output_COMMIT > /pfs/out/ids")
    )
    given = commit_files(store, "output", {"/a": ""})
    (job,) = run()
    assert store.commit("p@master").get_file("/ids").decode().split() == [job.output_commit, given]
