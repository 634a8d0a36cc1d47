"""The verb of a store that waits for all that follows from commits."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from pfslib.api.autorun import Autorun
from pfslib.api.commit import Commit
from pfslib.api.waiting import rounds
from pfslib.model.errors import BusyError
from pfslib.model.work import Job, JobState
from pfslib.pipelines.downstream import find_downstream
from pfslib.pipelines.trigger import create_jobs
from pfslib.runners.runner import Runner

if TYPE_CHECKING:
    from pfslib.api.store import Store


class Flushed(NamedTuple):
    """What followed from commits: all of it is over."""

    jobs: list[Job]
    """In the order in which they were made; look at `state`, as they may have failed."""

    commits: list[Commit]
    """Their outputs, in that order; those of jobs that failed have an `error`."""


class FlushVerbs:
    """Waiting for all that commits cause."""

    _background: Autorun | None

    @property
    def autorun(self) -> bool:
        """Whether this very process, and no parent of it, runs jobs in the background."""
        return self._background is not None and self._background.is_here

    def flush(
        self,
        *references: str | Commit,
        run: bool = True,
        timeout_s: float | None = None,
        runner: str | Runner = "auto",
        progress: Callable[[Job], None] | None = None,
        notice: Callable[[str], None] | None = None,
        egress_to: Path | None = None,
    ) -> Flushed:
        """Wait until all jobs are over that follow from commits, directly or through outputs.

        Args:
            references: Commits, or ``repo@ref`` for each.
            run: Run the jobs that wait here, as `Store.run` does, unless the store was opened with
                ``autorun``. Without, somebody else has to.
            timeout_s: Seconds to wait at most for what others run; None for ever. What is run here
                is run to its end. A job of a stopped pipeline waits until that is started.
            runner: As of `Store.run`, and so are the next three.
            progress: Told each job that is run here when it starts and when it ends.
            notice: Told, in a sentence and once, what one may not expect.
            egress_to: Below this host directory outputs may be copied.

        Returns:
            The jobs and their outputs; both empty if nothing reads the commits.

        Raises:
            CommitNotFoundError, CommitOpenError: There is no such commit, or it is not finished.
            BusyError: Not within the time; it is a `TimeoutError`, too.
            RunnerError: The runner of one of the jobs cannot work here; with ``autorun``, it could
                not when that was last tried, ten seconds ago or less.
            MountError: FUSE cannot be used here.
        """
        store = cast("Store", self)
        commits = [one if isinstance(one, Commit) else store.commit(one) for one in references]
        ids = [commit.id for commit in commits]
        unable: dict[str, Exception] = {}
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        if run and not store.autorun:
            store.run(
                timeout_s=timeout_s,
                runner=runner,
                progress=progress,
                notice=notice,
                unable=unable.__setitem__,
                egress_to=egress_to,
            )
        waiting: list[Job] = []
        for last in rounds(None if deadline is None else deadline - time.monotonic()):
            create_jobs(store.kv)
            with store.kv.read() as txn:
                found = find_downstream(txn, ids)
            waiting = found.waiting
            for job in waiting:
                if error := unable.get(job.pipeline) or self._why_unable(job):
                    raise error
            if found.is_settled:
                made = {output.id: Commit(store, output) for output in found.outputs}
                first = [made.pop(job.output_commit) for job in found.jobs]
                return Flushed(found.jobs, [*first, *made.values()])
            if last:
                break
        left = len(waiting)
        raise BusyError(
            f"after {timeout_s:g} s of waiting, {left} of the jobs that follow are not over",
            hint="`pfs list-job` shows them; `pfs run` runs those that nobody runs",
        )

    def _why_unable(self, job: Job) -> Exception | None:
        """Why a job is not run in the background; None if it is, or is still to be."""
        running = self._background
        if running is None or not running.is_here or job.state != JobState.CREATED:
            return None
        return running.unable.get((job.pipeline, job.version))
