"""`pfs status`: the whole store at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import click

import pfslib
from pfslib.cli.documents import Document, commit_document, job_document, repo_document
from pfslib.cli.names import name_of
from pfslib.cli.output import print_document, print_lines, table_lines
from pfslib.cli.session import Command, Session
from pfslib.cli.states import job_state, pipeline_state
from pfslib.cli.wording import ago, human_size, printable

Table = tuple[Sequence[str], Iterable[Sequence[str]]]


@click.command(cls=Command)
@click.pass_obj
def status(session: Session) -> None:
    """Show the store, its repos, what is being done, and mounts, at a glance.

    HEAD is the newest commit of a branch, with the size of all its files. NEWEST_JOB is looked for
    among the newest hundred of all pipelines. Below them are the jobs that run or wait; and the
    mounts and working copies of this store, as list-mount lists them.
    """
    with session.open() as store:
        seen = store.status()
    if session.as_json:
        print_document(_document(seen))
    else:
        print_lines(_lines(seen, datetime.now(UTC)))


def _lines(seen: pfslib.StoreStatus, now: datetime) -> Iterator[str]:
    used, size = human_size(seen.used_bytes), human_size(seen.file_bytes)
    yield f"store {printable(str(seen.path))}: {used} of the file's {size} are in use"
    for header, rows in _tables(seen, now):
        if found := list(rows):
            yield ""
            yield from table_lines(header, found)


def _tables(seen: pfslib.StoreStatus, now: datetime) -> Iterator[Table]:
    yield ("REPO", "BRANCH", "HEAD", "FINISHED", "SIZE"), _heads(seen, now)
    yield (
        ("OPEN_COMMIT", "BRANCH", "STARTED", "MESSAGE"),
        (
            (f"{info.repo}/{info.id}", info.branch, ago(info.started, now), info.message)
            for info in seen.open_commits
        ),
    )
    yield ("PIPELINE", "STATE", "NEWEST_JOB", "JOB_STATE"), map(_pipeline_row, seen.pipelines)
    yield (
        ("JOB", "PIPELINE", "STATE", "DATUMS"),
        ((job.id, job.pipeline, job_state(job), _done(job)) for job in seen.jobs),
    )
    yield ("MOUNT", "COMMIT", "STATE"), map(_mount_row, seen.mounts)


def _heads(seen: pfslib.StoreStatus, now: datetime) -> Iterator[Sequence[str]]:
    branches = {repo.name: list[pfslib.BranchStatus]() for repo in seen.repos}
    for branch in seen.branches:
        branches[branch.repo].append(branch)
    for repo, rows in branches.items():
        if not rows:
            yield repo, "-", "-", "-", "-"
        for row in rows:
            finished, size = ago(row.head.finished, now), human_size(row.head.size)
            yield repo, row.name, name_of(row.head), finished, size


def _pipeline_row(row: pfslib.PipelineStatus) -> Sequence[str]:
    job = row.newest_job
    shown = (job.id, job_state(job)) if job is not None else ("-", "-")
    return row.pipeline.name, pipeline_state(row.pipeline), *shown


def _mount_row(mount: pfslib.MountStatus) -> Sequence[str]:
    shown = mount.source.removeprefix("pfs:")
    return str(mount.path), shown, mount.state


def _done(job: pfslib.Job) -> str:
    counts = job.counts
    return f"{counts.total - counts.waiting} of {counts.total}" if job.started_ns else "-"


def _document(seen: pfslib.StoreStatus) -> Document:
    return {
        "store": str(seen.path),
        "file_bytes": seen.file_bytes,
        "used_bytes": seen.used_bytes,
        "repos": [repo_document(repo) for repo in seen.repos],
        "heads": [
            {"repo": row.repo, "branch": row.name, "commit": commit_document(row.head)}
            for row in seen.branches
        ],
        "open_commits": [commit_document(info) for info in seen.open_commits],
        "pipelines": [
            {
                "name": row.pipeline.name,
                "state": pipeline_state(row.pipeline),
                "newest_job": job_document(row.newest_job) if row.newest_job is not None else None,
            }
            for row in seen.pipelines
        ],
        "jobs": [job_document(job) for job in seen.jobs],
        "mounts": [
            {"path": str(mount.path), "source": mount.source, "state": mount.state}
            for mount in seen.mounts
        ],
    }
