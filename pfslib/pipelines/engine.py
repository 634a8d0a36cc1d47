"""The pump: clock and reflog to jobs, jobs to commits, until nothing is left to do, or for ever."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.errors import JobNotFoundError, PipelineNotFoundError
from pfslib.model.work import Job, JobState
from pfslib.pipelines.claims import Claim, ClaimLostError, claim_next, new_owner, running_elsewhere
from pfslib.pipelines.crons import tick
from pfslib.pipelines.datum_run import DatumRun, InputsLostError
from pfslib.pipelines.execute import GivenBackError, JobRun
from pfslib.pipelines.ledger import get_pipeline
from pfslib.pipelines.lookout import Lookout
from pfslib.pipelines.trigger import create_jobs
from pfslib.pipelines.workshop import ChooseRunner, ShownTrees, Workshop
from pfslib.trees.nodestore import TreeCache

_POLL_S: Final = 0.02
"""So often it is looked whether there can be something to do, which reads nothing."""

_MOUNTS_LOST_MAX: Final = 3
"""So often the inputs are mounted anew in one run, when their server dies."""

_TRY_AGAIN_S: Final = 10.0
"""After this long a watching engine asks again whether a runner is able by now."""

_WARM_S: Final = 60.0
"""For this long a watching engine keeps its runners ready when there is nothing to do."""

Progress = Callable[[Job], None]
Unable = Callable[[str, Exception], None]
"""Told of a pipeline whose jobs stay in the queue, and why."""


class Engine:
    """Runs the jobs of one store in this process; several processes may, on one store."""

    def __init__(
        self,
        kv: KV,
        cache: TreeCache,
        store_dir: Path,
        choose_runner: ChooseRunner,
        *,
        progress: Progress | None = None,
        unable: Unable | None = None,
        egress_to: Path | None = None,
        show: Callable[[Path], ShownTrees] | None = None,
    ) -> None:
        self._show = show
        self._egress_to = egress_to
        self._kv = kv
        self._cache = cache
        self._store_dir = store_dir
        self._choose_runner = choose_runner
        self._progress = progress or (lambda _job: None)
        self._tell_unable = unable
        self._owner = new_owner()
        self._unable: dict[tuple[str, int], Exception] = {}
        """By pipeline and version: one that was updated is tried at once."""
        self._mounts_lost = 0
        self._stop = threading.Event()
        self._lookout = Lookout(kv)
        self._told: set[tuple[str, int, str]] = set()

    def run_until_idle(self, timeout_s: float | None = None) -> list[Job]:
        """Run the jobs that commits have triggered, and those that their outputs trigger.

        Jobs that another live process runs are waited for.

        Args:
            timeout_s: Not any more after so many seconds; None for ever.

        Returns:
            The jobs this call finished, in order, failed ones included.

        Raises:
            RunnerError: A runner is unable to work: the jobs of that pipeline stay in the queue;
                those of all others were run before this is raised. Not if there is somebody to
                tell that to.
            MountError: The inputs cannot be mounted.
        """
        finished: list[Job] = []
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        with self._workshop() as workshop:
            while True:
                if job := self._step(workshop):
                    finished.append(job)
                elif time.monotonic() >= deadline or self._nothing_elsewhere():
                    break
                else:
                    time.sleep(_POLL_S)
        for (pipeline, _), error in self._unable.items():
            if self._tell_unable is None:
                raise error
            self._tell_unable(pipeline, error)
        return finished

    def watch(self, stop: threading.Event) -> None:
        """Run jobs as they come, and make the ticks of clocks, until told to stop.

        A job that is running then is given back at once, without the datums that it is at. Of a
        pipeline whose runner is not able to work somebody is told once, and it is tried again.
        """
        self._stop = stop
        with self._workshop() as workshop:
            idle_since = tried = time.monotonic()
            while not stop.is_set():
                if self._step(workshop) is not None:
                    idle_since = time.monotonic()
                    continue
                self._mention_unable()
                now = time.monotonic()
                if self._unable and now - tried > _TRY_AGAIN_S:
                    self._unable.clear()
                    self._lookout.wake()
                    tried = now
                if now - idle_since > _WARM_S:
                    workshop.start_over()
                    idle_since = now
                stop.wait(_POLL_S)

    def _mention_unable(self) -> None:
        for (pipeline, version), error in self._unable.items():
            sentence = (pipeline, version, str(error))
            if self._tell_unable is not None and sentence not in self._told:
                self._told.add(sentence)
                self._tell_unable(pipeline, error)

    def _workshop(self) -> Workshop:
        return Workshop(self._store_dir, self._choose_runner, self._owner, self._show)

    def _step(self, workshop: Workshop) -> Job | None:
        """Make the jobs that are due, and run one; None when none may run now."""
        if self._lookout.is_quiet():
            return None
        changes = self._kv.changes()
        job = self._run_next(workshop)
        if job is None:
            self._lookout.rest(changes, self._unable)
        return job

    def _run_next(self, workshop: Workshop) -> Job | None:
        tick(self._kv, self._cache)
        create_jobs(self._kv)
        while claim := claim_next(self._kv, self._owner, self._choose):
            try:
                return self._run(claim, workshop)
            except (ClaimLostError, JobNotFoundError, PipelineNotFoundError):
                continue
            except GivenBackError:
                return None
            except InputsLostError as problem:
                self._mounts_lost += 1
                if self._mounts_lost > _MOUNTS_LOST_MAX:
                    self._unable[claim.job.pipeline, claim.job.version] = problem
            except Exception as problem:
                self._unable[claim.job.pipeline, claim.job.version] = problem
        return None

    def _choose(self, txn: ReadTxn) -> Job | None:
        return self._lookout.first_ready(txn, self._unable)

    def _run(self, claim: Claim, workshop: Workshop) -> Job:
        self._progress(claim.job)
        try:
            with self._kv.read() as txn:
                pipeline = get_pipeline(txn, claim.job.pipeline)
            session = workshop.session(pipeline)
            datums = DatumRun(
                self._kv,
                self._cache,
                claim,
                pipeline,
                session,
                workshop.trees(),
                workshop.scratch / claim.job.id,
            )
            with claim.kept(self._kv):
                run = JobRun(
                    self._kv,
                    self._cache,
                    claim,
                    pipeline,
                    session.image_digest,
                    datums,
                    self._stop,
                    self._egress_to,
                )
                job = run.to_the_end()
        except BaseException:
            workshop.start_over()
            claim.release(self._kv)
            raise
        if job.state == JobState.KILLED:
            workshop.close_sessions()  # its datums were ended by ending the session
        self._progress(job)
        return job

    def _nothing_elsewhere(self) -> bool:
        with self._kv.read() as txn:
            return not running_elsewhere(txn)
