"""Where jobs and pipelines stand, in the words of Pachyderm 1.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # completion imports this with most commands, and specs with it would take 10 ms
    from pfslib.model.work import Job, Pipeline


def job_state(job: Job) -> str:
    """`pending`, `running`, `success`, `failure`, `killed` or `unrunnable`."""
    return "pending" if job.state == "created" else str(job.state)


def datum_counts(job: Job) -> str:
    """How many of its datums there were, and what became of them."""
    counts = job.counts
    return (
        f"{counts.total}: {counts.processed} run, {counts.skipped} skipped, {counts.failed} failed"
    ) + (f", {counts.recovered} recovered" if counts.recovered else "")


def pipeline_state(pipeline: Pipeline) -> str:
    """`running` or `stopped`."""
    return "stopped" if pipeline.stopped else "running"
