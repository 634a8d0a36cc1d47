"""What a notebook shows of pipelines and jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pfslib.display.html_table import Bar, Cell, below_html, fields_html, table_html

if TYPE_CHECKING:
    from pfslib.model.work import Counts, Job, Pipeline

_LATER: Final = below_html(
    "as it was when it was asked for; store.run(progress=JobBoard()) shows jobs while they run, "
    "with JobBoard from pfslib.interop.job_board"
)


def pipeline_html(pipeline: Pipeline) -> str:
    """A pipeline."""
    transform = pipeline.transform
    fields: dict[str, Cell | Bar] = {
        "description": pipeline.description,
        "inputs": ", ".join(
            f"{source.repo}@{source.branch or '*'}:{source.glob}" for source in pipeline.inputs
        ),
        "command": " ".join(transform.cmd),
        "its input": "; ".join(transform.stdin),
        "image": transform.image,
        "parallelism": pipeline.parallelism,
        "version": pipeline.version,
        "stopped": "yes" if pipeline.stopped else "",
    }
    return fields_html(f"Pipeline {pipeline.name}", fields)


def job_html(job: Job) -> str:
    """A job, with how far it has come."""
    fields: dict[str, Cell | Bar] = {
        "id": job.id,
        "state": str(job.state),
        "reason": job.reason,
        "datums": _bar(job.counts),
        "skipped": job.counts.skipped,
        "failed": job.counts.failed or None,
        "inputs": ", ".join(f"{source.repo}@{source.commit[:12]}" for source in job.inputs),
        "output": job.output_commit,
        "started": _when(job.started_ns),
        "took": _took(job),
    }
    return fields_html(f"Job of {job.pipeline}", fields, below="" if job.finished_ns else _LATER)


def jobs_html(jobs: Iterable[Job]) -> str:
    """Jobs, as they are listed."""
    rows = (
        (
            job.id[:12],
            job.pipeline,
            str(job.state),
            _bar(job.counts),
            job.counts.skipped,
            _when(job.started_ns),
            _took(job),
            job.reason,
        )
        for job in jobs
    )
    header = ("job", "pipeline", "state", "datums", "skipped", "started", "took", "reason")
    return table_html("Jobs", header, rows, everything="store.list_job()")


def _bar(counts: Counts) -> Bar:
    return Bar(counts.processed + counts.skipped + counts.failed, counts.total)


def _when(time_ns: int) -> datetime | None:
    return datetime.fromtimestamp(time_ns / 1e9, UTC) if time_ns else None


def _took(job: Job) -> str:
    if not job.finished_ns:
        return ""
    return f"{(job.finished_ns - job.started_ns) / 1e9:,.1f} s"
