"""The post's whole session, through the command that is installed, with both runners."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pfslib.runners.docker_runner import docker_available

pytestmark = [pytest.mark.mount, pytest.mark.sandbox]

EXAMPLE = Path(__file__).parents[2] / "examples" / "go_stats"
PROJECTS = [
    "docker/docker",
    "kubernetes/kubernetes",
    "hashicorp/consul",
    "spf13/hugo",
    "prometheus/prometheus",
    "influxdata/influxdb",
    "coreos/etcd",
]
SIZES = ["13 B", "21 B", "16 B", "10 B", "21 B", "19 B", "11 B"]
"""Of the seven commits, as the post lists them."""

AGO = re.compile(r"(Less than a second|1 second|\d+ seconds|About a minute|\d+ minutes) ago")
TOOK = re.compile(r"Less than a second|1 second|\d+ seconds|About a minute")
OUTPUT = re.compile(r"stats/([0-9a-f]{32})/0")
Row = dict[str, str]


def line_of(project: str) -> str:
    """The line that stats.sh is to print: counted here in another language."""
    files = sorted((EXAMPLE / "rootfs/go/src/github.com" / project).rglob("*.go"))
    assert files
    lines = sum(file.read_bytes().count(b"\n") for file in files)
    return f"{project}, {len({file.parent for file in files})}, {lines}\n"


class Shell:
    """A user at a prompt, whose PFS_STORE names a store that is not there yet."""

    def __init__(self, directory: Path, runner: str) -> None:
        self.directory = directory
        self.store = directory / "store"
        self.environment = {
            **os.environ,
            "PFS_STORE": str(self.store),
            "PFS_RUNNER": runner,
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        }

    def run(self, line: str) -> str:
        """What a line of shell prints; it has to succeed."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def table(self, line: str, *columns: str) -> list[Row]:
        """The rows of the table that a line prints, under exactly these columns."""
        header, *lines = self.run(line).splitlines()
        assert tuple(header.split()) == columns
        starts = [*(re.search(rf"(?<!\S){name}(?!\S)", header).start() for name in columns), None]
        assert all(after - before >= 20 for before, after in pairwise(starts[:-1]))
        return [
            {
                name: row[start:end].strip()
                for name, start, end in zip(columns, starts, starts[1:], strict=False)
            }
            for row in lines
        ]

    def jobs(self) -> list[Row]:
        jobs = self.table("pfs list-job", "ID", "OUTPUT", "STARTED", "DURATION", "STATE")
        for job in jobs:
            assert re.fullmatch(r"[0-9a-f]{32}", job["ID"])
            assert AGO.fullmatch(job["STARTED"])
            assert TOOK.fullmatch(job["DURATION"])
            assert job["STATE"] == "success"
        return jobs

    def commits(self, repo: str) -> list[Row]:
        columns = ("BRANCH", "REPO/ID", "PARENT", "STARTED", "FINISHED", "SIZE")
        commits = self.table(f"pfs list-commit {repo}", *columns)
        for commit in commits:
            assert commit["BRANCH"] == "master"
            assert AGO.fullmatch(commit["STARTED"])
            assert AGO.fullmatch(commit["FINISHED"])
        return commits


def branch_of(job: Row) -> str:
    """What the post types: of `stats/<branch>/0` what is in the middle."""
    found = OUTPUT.fullmatch(job["OUTPUT"])
    assert found
    return found[1]


@pytest.fixture(scope="session")
def docker_image() -> Iterator[None]:
    """The post's image in the engine, made without a registry."""
    if why_not := docker_available():
        pytest.skip(why_not)
    there = ["docker", "image", "inspect", "dwhitena/stats"]
    known = subprocess.run(there, capture_output=True, check=False).returncode == 0
    subprocess.run(["bash", EXAMPLE / "make_image.sh"], check=True, capture_output=True)
    yield
    if not known:
        remove = ["docker", "image", "rm", "dwhitena/stats"]
        subprocess.run(remove, check=True, capture_output=True)


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def shell(tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    if request.param == "docker":
        request.getfixturevalue("docker_image")
    return Shell(tmp_path, request.param)


def test_steps_1_and_2_by_hand(shell: Shell) -> None:
    versions = shell.table("pfs version", "COMPONENT", "VERSION")
    assert [row["COMPONENT"] for row in versions] == ["pfs", "pfslib", "store format"]
    shell.run('pfs init "$PFS_STORE"')
    shell.run(f"pfs create-image dwhitena/stats '{EXAMPLE}/rootfs'")

    # Step 2b: repo and pipeline.
    assert shell.run("pfs create-repo projects") == ""
    assert shell.run(f"pfs create-pipeline -f '{EXAMPLE}/pipeline.json'") == ""
    repos = shell.table("pfs list-repo", "NAME", "CREATED", "SIZE")
    assert [(row["NAME"], row["SIZE"]) for row in repos] == [("projects", "0 B"), ("stats", "0 B")]
    assert all(AGO.fullmatch(row["CREATED"]) for row in repos)
    assert shell.table("pfs list-pipeline", "NAME", "INPUT", "OUTPUT", "STATE") == [
        {"NAME": "stats", "INPUT": "projects", "OUTPUT": "stats", "STATE": "running"}
    ]

    # The first commit triggers the first job.
    shell.run('echo "docker/docker" | pfs put-file projects master one.txt -c')
    (job,) = shell.jobs()
    first = branch_of(job)
    expected = line_of("docker/docker")
    columns = ("NAME", "TYPE", "MODIFIED", "LAST_COMMIT_MODIFIED", "SIZE")
    (file,) = shell.table(f"pfs list-file stats {first}", *columns)
    assert AGO.fullmatch(file.pop("MODIFIED"))
    assert file == {
        "NAME": "/results",
        "TYPE": "file",
        "LAST_COMMIT_MODIFIED": f"{first}/0",
        "SIZE": f"{len(expected)} B",
    }
    assert shell.run(f"pfs get-file stats {first} /results") == expected

    # The second commit.
    shell.run('echo "kubernetes/kubernetes" | pfs put-file projects master two.txt -c')
    commits = shell.commits("projects")
    assert [(row["REPO/ID"], row["PARENT"], row["SIZE"]) for row in commits] == [
        ("projects/master/0", "<none>", "14 B"),
        ("projects/master/1", "master/0", "22 B"),
    ]
    second, again = map(branch_of, shell.jobs())
    assert again == first
    both = expected + line_of("kubernetes/kubernetes")
    outputs = shell.commits("stats")
    assert [(row["REPO/ID"], row["PARENT"], row["SIZE"]) for row in outputs] == [
        (f"stats/{first}/0", "<none>", f"{len(expected)} B"),
        (f"stats/{second}/0", f"{first}/0", f"{len(both)} B"),
    ]
    assert shell.run(f"pfs get-file stats {second} /results") == both
    # Looking back at the first result, in either grammar.
    assert shell.run(f"pfs get-file stats {first} /results") == expected
    assert shell.run("pfs get file stats@master^:/results") == expected

    # What was counted once is not counted again.
    counts = re.findall(r"Datums: .*", shell.run(f"pfs inspect-job {shell.jobs()[0]['ID']}"))
    assert counts == ["Datums: 2: 1 run, 1 skipped, 0 failed"]

    assert shell.run("pfs delete-all --yes") == ""
    for listing in ("list-repo", "list-pipeline", "list-job", "list-image"):
        assert len(shell.run(f"pfs {listing}").splitlines()) == 1


def test_step_3_from_python(shell: Shell) -> None:
    printed = shell.run(f"'{sys.executable}' '{EXAMPLE}/feed.py'")
    results = [line_of(project) for project in PROJECTS]
    assert printed == "7 jobs finished\n" + "".join(results)

    commits = shell.commits("projects")
    assert [row["REPO/ID"] for row in commits] == [f"projects/master/{n}" for n in range(7)]
    assert [row["PARENT"] for row in commits] == ["<none>", *(f"master/{n}" for n in range(6))]
    assert [row["SIZE"] for row in commits] == SIZES

    # Newest first; each result is that of its commit, now and ever.
    jobs = shell.jobs()
    assert len({job["ID"] for job in jobs}) == 7
    oldest_first = [branch_of(job) for job in reversed(jobs)]
    sizes = []
    for number, output in enumerate(oldest_first, 1):
        expected = "".join(results[:number])
        assert shell.run(f"pfs get-file stats {output} /results") == expected
        made_from = f"Made from: projects/master/{number - 1}"
        assert made_from in shell.run(f"pfs inspect-commit stats {output}").splitlines()
        sizes.append(f"{len(expected)} B")
    outputs = shell.commits("stats")
    assert [row["REPO/ID"] for row in outputs] == [f"stats/{output}/0" for output in oldest_first]
    assert [row["SIZE"] for row in outputs] == sizes

    # Any of them as a directory.
    view = shell.directory / "view"
    view.mkdir()
    shell.run(f"pfs mount stats@{oldest_first[2]} view")
    try:
        assert (view / "results").read_text() == "".join(results[:3])
    finally:
        shell.run("pfs unmount view")
