"""Whether pipelines, jobs, their order and queue, datums, logs and images agree."""

from __future__ import annotations

from pfslib.kv.tables import ID_SIZE, Table, id_key, name_key, name_prefix, number_key
from pfslib.maintenance.findings import Findings, shown
from pfslib.model.work import (
    DatumRecord,
    DatumResult,
    Image,
    Job,
    JobState,
    Lease,
    Pipeline,
    Work,
)

_STATES = frozenset(state.value for state in JobState)


def check_work(findings: Findings) -> None:
    """Check it all."""
    _check_pipelines(findings)
    _check_jobs(findings)
    _check_order(findings)
    _check_queue(findings)
    _check_datums(findings)
    _check_images(findings)


def _check_pipelines(findings: Findings) -> None:
    for key, pipeline in findings.records(Table.PIPELINES, Pipeline):
        if key != name_key(pipeline.name):
            findings.add("row", f"the record of pipeline {pipeline.name} stands under {shown(key)}")
        if not findings.has(Table.REPOS, name_key(pipeline.name)):
            findings.add("work", f"pipeline {pipeline.name}: its output repo is missing")
    for key, old in findings.records(Table.OLD_PIPELINES, Pipeline):
        if key != name_prefix(old.name) + number_key(old.version):
            findings.add("row", f"an old version of pipeline {old.name} stands under {shown(key)}")


def _check_jobs(findings: Findings) -> None:
    for key, job in findings.records(Table.JOBS, Job):
        name = f"job {key.hex()} of pipeline {job.pipeline}"
        if key.hex() != job.id:
            findings.add("row", f"{name} calls itself {job.id}")
        if job.state not in _STATES:
            findings.add("work", f"{name} is in a state that there is not: {job.state!r}")
            continue
        if not findings.holds(Table.JOB_ORDER, number_key(job.number), key):
            findings.add("work", f"{name} is not in its place {job.number} of the order of jobs")
        finished = JobState(job.state).finished
        if not finished and not findings.holds(Table.QUEUE, number_key(job.number), key):
            findings.add("work", f"{name} is not finished, and not in the queue")


def _check_order(findings: Findings) -> None:
    for key, value in findings.rows(Table.JOB_ORDER):
        job = findings.find(Table.JOBS, value, Job)
        if job is None and not findings.has(Table.JOBS, value):
            findings.add("work", f"the order of jobs names job {value.hex()}, which is missing")
        elif job is not None and number_key(job.number) != key:
            findings.add("work", f"job {job.id} has a second place in the order of jobs")


def _check_queue(findings: Findings) -> None:
    for key, value in findings.rows(Table.QUEUE):
        job = findings.find(Table.JOBS, value, Job)
        if job is None and not findings.has(Table.JOBS, value):
            findings.add("work", f"the queue names job {value.hex()}, which is missing")
        elif job is not None and number_key(job.number) != key:
            findings.add("work", f"job {job.id} has a second place in the queue")
        elif job is not None and job.state in _STATES and JobState(job.state).finished:
            findings.add("work", f"job {job.id} is finished, and still in the queue")


def _check_datums(findings: Findings) -> None:
    for _ in findings.records(Table.DATUMS, DatumResult):
        pass
    for key, _ in findings.records(Table.JOB_DATUMS, DatumRecord):
        if not findings.has(Table.JOBS, key[:ID_SIZE]):
            findings.add("work", f"a datum belongs to job {key[:ID_SIZE].hex()}, which is missing")
    for key, work in findings.records(Table.WORKS, Work):
        if not findings.has(Table.JOBS, id_key(work.job)):
            findings.add("work", f"output {key.hex()} was made by job {work.job}, which is missing")
        if not findings.has(Table.COMMITS, key):
            what = f"how output {key.hex()} came about is kept, but it is gone: gc forgets that"
            findings.add("work", what)
    for _ in findings.records(Table.LEASES, Lease):
        pass
    for key, _ in findings.rows(Table.LOGS):
        if not findings.has(Table.JOBS, key[:ID_SIZE]):
            findings.add("work", f"a log belongs to job {key[:ID_SIZE].hex()}, which is missing")


def _check_images(findings: Findings) -> None:
    for key, image in findings.records(Table.IMAGES, Image):
        if key != image.name.encode():
            findings.add("row", f"the record of image {image.name} stands under {shown(key)}")
