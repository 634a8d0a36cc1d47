"""The verbs of a store for jobs and datums."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pfslib.api.listing import Listing
from pfslib.commits.refs import resolve
from pfslib.model.errors import ConflictError
from pfslib.model.paths import split_path
from pfslib.model.work import DatumRecord, Job, JobState
from pfslib.model.work_pages import jobs_html
from pfslib.pipelines import ledger
from pfslib.pipelines.datum_listing import Made, list_all_datums, who_made
from pfslib.pipelines.job_requests import cancel_job, find_datums, rerun_job
from pfslib.pipelines.log_reader import LogReader
from pfslib.runners.runner import Runner
from pfslib.trees.lookup import get_entry

if TYPE_CHECKING:
    from pfslib.kv.protocol import KV
    from pfslib.pipelines.engine import Engine
    from pfslib.trees.nodestore import TreeCache

_log = logging.getLogger("pfslib")
_PAGE = 64


def _log_unable(pipeline: str, error: Exception) -> None:
    _log.warning("the jobs of pipeline %s wait: %s", pipeline, error)


class JobVerbs:
    """Jobs and datums of a store."""

    path: Path
    kv: KV
    cache: TreeCache

    # --- running -------------------------------------------------------------------------

    def run(
        self,
        *,
        timeout_s: float | None = None,
        runner: str | Runner = "auto",
        progress: Callable[[Job], None] | None = None,
        notice: Callable[[str], None] | None = None,
        unable: Callable[[str, Exception], None] | None = None,
        egress_to: Path | None = None,
    ) -> list[Job]:
        """Run the jobs that commits have triggered, and those that their outputs trigger.

        Returns when nothing is left to run. Several processes may run at once: each job runs in
        one. A job that a killed process left behind goes on here; its finished datums count.

        Args:
            timeout_s: Seconds after which jobs that other processes run are not waited for any
                more; None for never.
            runner: ``auto``: Docker for a pipeline that names an image, unless the store has an
                image of that name or no engine answers, else the local sandbox; ``local``;
                ``docker``; or a runner of one's own.
            progress: Told each job when it starts and when it ends.
            notice: Told, in a sentence and once, what one may not expect; logged if None.
            unable: Told of each pipeline whose runner cannot work here, and why, instead of an
                error being raised.
            egress_to: Below this host directory outputs may be copied, by specs that want it.

        Returns:
            The jobs this call finished, in order; look at ``state``, as they may have failed.

        Raises:
            RunnerError: The runner cannot work here; its jobs stay in the queue.
            MountError: FUSE cannot be used here.

        Cost: besides running its new datums, that of a job is in what changed since the one before.
        """
        engine = self._engine(runner, progress, notice, unable, egress_to)
        return engine.run_until_idle(timeout_s)

    def watch(
        self,
        stop: threading.Event,
        *,
        runner: str | Runner = "auto",
        progress: Callable[[Job], None] | None = None,
        notice: Callable[[str], None] | None = None,
        unable: Callable[[str, Exception], None] | None = None,
        egress_to: Path | None = None,
    ) -> None:
        """Run jobs as commits trigger them, and make the ticks of cron inputs, until told to stop.

        Several processes may watch one store: each job is run by one of them, and goes on in
        another when that one dies. Ends within a second or so: a job under way is given back, what
        it has done is kept.

        Args:
            stop: Set it, from another thread or a signal handler, to end this.
            runner: As of `run`.
            progress: Told each job when it starts and when it ends.
            notice: As of `run`.
            unable: Told once of each pipeline whose runner cannot work here, and why; logged if
                None. It is tried again every ten seconds.
            egress_to: As of `run`.
        """
        engine = self._engine(runner, progress, notice, unable or _log_unable, egress_to)
        engine.watch(stop)

    def _engine(
        self,
        runner: str | Runner,
        progress: Callable[[Job], None] | None,
        notice: Callable[[str], None] | None,
        unable: Callable[[str, Exception], None] | None,
        egress_to: Path | None,
    ) -> Engine:
        # Imported here: most uses of a store, and every command of the shell, run nothing.
        from pfslib.pipelines.engine import Engine
        from pfslib.pipelines.runner_choice import RunnerChoice

        choice = RunnerChoice(self.kv, self.path, runner, notice or _log.warning)
        return Engine(
            self.kv,
            self.cache,
            self.path,
            choice,
            progress=progress,
            unable=unable,
            egress_to=egress_to,
        )

    def cancel_job(self, job: str) -> Job:
        """Have a job end, in state killed: at once, or as soon as the process that runs it notices.

        Raises:
            JobNotFoundError: There is none.
            ConflictError: It is over.
        """
        with self.kv.write() as txn:
            return cancel_job(txn, ledger.get_job(txn, job))

    def rerun_job(self, job: str, *, reprocess: bool = False, datums: Sequence[str] = ()) -> Job:
        """Queue a job for the same input commits as one that is over.

        Datums without a result run; those that have one are skipped, as in any job.

        Args:
            job: The newest job of its pipeline and branch.
            reprocess: Run all datums again.
            datums: Run these again: keys, beginnings of keys, or paths that they see.

        Returns:
            The new job.

        Raises:
            JobNotFoundError: There is none.
            ConflictError: It is not over, or not the newest.
            InvalidInputError: It ran no such datum.
        """
        with self.kv.write() as txn:
            old = ledger.get_job(txn, job)
            forced = None if reprocess else find_datums(txn, old, datums)
            return rerun_job(txn, old, forced=forced)

    def delete_job(self, job: str, *, dry_run: bool = False) -> Job:
        """Forget a job that is over, with its datums and logs; its output stays.

        Args:
            job: Its id, or the unique beginning of it.
            dry_run: Only say which one would go.

        Raises:
            JobNotFoundError: There is none.
            ConflictError: It is not over.
        """
        with self.kv.write() as txn:
            found = ledger.get_job(txn, job)
            if not JobState(found.state).finished:
                raise ConflictError(
                    f"job {found.id} is not over: {found.state}",
                    hint=f"`pfs cancel-job {found.id}` ends it",
                )
            if not dry_run:
                ledger.delete_job(txn, found)
            return found

    # --- looking -------------------------------------------------------------------------

    def list_job(self, pipeline: str = "") -> Listing[Job]:
        """Jobs, newest first; of one pipeline when it is named."""
        return Listing(lambda: self._list_job(pipeline), jobs_html)

    def _list_job(self, pipeline: str) -> Iterator[Job]:
        before: int | None = None
        while True:
            with self.kv.read() as txn:
                if pipeline:
                    ledger.get_pipeline(txn, pipeline)
                rows = ledger.list_jobs(txn, before=before)
                page = [job for job, _ in zip(rows, range(_PAGE), strict=False)]
            yield from (job for job in page if pipeline in {"", job.pipeline})
            if len(page) < _PAGE:
                return
            before = page[-1].number

    def inspect_job(self, job: str) -> Job:
        """One job, by its id or the unique beginning of it.

        Raises:
            JobNotFoundError: There is none.
        """
        with self.kv.read() as txn:
            return ledger.get_job(txn, job)

    def list_datum(self, job: str, *, ran: bool = False) -> list[DatumRecord]:
        """The datums of a job, in order; while it is running, those that have been run so far.

        Those that a killed job never began are left out.

        Args:
            job: The job.
            ran: Only those that it ran, which costs less when most were skipped.

        Raises:
            JobNotFoundError: There is none.
        """
        with self.kv.read() as txn:
            found = ledger.get_job(txn, job)
            if ran:
                return list(ledger.list_datums(txn, found.id))
            return [record for _, record in list_all_datums(txn, found, self.cache)]

    def explain_file(self, repo: str, ref: str, path: str) -> list[Made]:
        """The datums that wrote a file of a pipeline's output, with their jobs and inputs.

        Empty for a file that no datum wrote: a user's, or one that 1.3's incremental methods added
        to; then the commit that last changed it says where it came from.

        Args:
            repo: The output repo.
            ref: A commit of it.
            path: The file.

        Raises:
            CommitNotFoundError, PathNotFoundError: It is not there.

        Cost: a pass over the datums that the job ran, for each that wrote the file.
        """
        with self.kv.read() as txn:
            commit = resolve(txn, repo, ref)
            parts = split_path(path)
            get_entry(txn, commit.root, parts, self.cache, where=f"{repo}@{ref}")
            return list(who_made(txn, commit.id, parts, self.cache))

    def get_logs(
        self, job: str, *, datums: Sequence[str] = (), follow: bool = False
    ) -> Iterator[tuple[int, int, bytes]]:
        """What the job's datums printed: datum number, attempt, bytes (1 MiB at most of each).

        Args:
            job: The job.
            datums: Only of these: keys, beginnings of keys, or paths that they see.
            follow: Go on until the job is over, with what attempts print as they print it, so that
                one attempt comes in several parts.

        Raises:
            JobNotFoundError: There is none.

        Cost: linear in the datums that the job ran and what they printed, as the iterator goes on.
        """
        with self.kv.read() as txn:
            job = ledger.get_job(txn, job).id
        return LogReader(self.kv, self.path, job, datums).read(follow=follow)
