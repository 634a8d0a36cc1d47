"""JobBoard: jobs in a notebook, while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pfslib.model.work_pages import jobs_html

if TYPE_CHECKING:
    from pfslib.model.work import Job


class JobBoard:
    """Shows the jobs of a run in a notebook's cell: ``store.run(progress=JobBoard())``.

    It is drawn anew each time a job starts, moves on or ends, by the thread that runs the jobs.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._shown: Any = None

    def __call__(self, job: Job) -> None:
        """Show what became of a job."""
        self._jobs[job.id] = job
        if self._shown is None:
            from IPython.display import display  # only in a notebook is there one

            self._shown = display(self, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(self)

    def __repr__(self) -> str:
        return "\n".join(map(_line, self._jobs.values()))

    def _repr_html_(self) -> str:
        return jobs_html(reversed(self._jobs.values()))


def _line(job: Job) -> str:
    counts = job.counts
    over = counts.processed + counts.skipped + counts.failed
    return f"{job.pipeline} {job.id[:12]} {job.state}, {over} of {counts.total} datums"
