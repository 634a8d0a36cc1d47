"""The pump: reflog to jobs, jobs to commits, until nothing is left to do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from pfslib.kv.process import is_alive
from pfslib.kv.protocol import KV
from pfslib.model.errors import JobNotFoundError, MountError, PipelineNotFoundError
from pfslib.model.work import Job, Pipeline
from pfslib.mounts.mounting import Mounted, mount
from pfslib.pipelines.claims import (
    Claim,
    ClaimLostError,
    claim_next,
    new_owner,
    running_elsewhere,
)
from pfslib.pipelines.datum_run import DatumRun, InputsLostError
from pfslib.pipelines.execute import execute
from pfslib.pipelines.ledger import get_pipeline
from pfslib.pipelines.runner import Runner, Session
from pfslib.pipelines.trigger import create_jobs
from pfslib.trees.nodestore import TreeCache

SCRATCH = "scratch"
_POLL_S: Final = 0.05
_MOUNTS_LOST_MAX: Final = 3
"""So often the inputs are mounted anew in one run, when their server dies."""

ChooseRunner = Callable[[Pipeline, Path], Runner]
"""Gives the runner of a pipeline; the path is where every tree of the store is mounted by key."""

Progress = Callable[[Job], None]


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
    ) -> None:
        self._kv = kv
        self._cache = cache
        self._store_dir = store_dir
        self._choose_runner = choose_runner
        self._progress = progress or (lambda _job: None)
        self._owner = new_owner()

    def run_until_idle(self) -> list[Job]:
        """Run the jobs that commits have triggered, and those that their outputs trigger.

        Jobs that another live process runs are waited for.

        Returns:
            The jobs this call finished, in order, failed ones included.

        Raises:
            RunnerError: A runner is unable to work: the jobs of that pipeline stay in the queue;
                those of all others were run before this is raised.
            MountError: The inputs cannot be mounted.
        """
        finished: list[Job] = []
        unable: dict[str, Exception] = {}
        mounts_lost = 0
        with ExitStack() as stack:
            workshop = _Workshop(self._store_dir, self._choose_runner, stack, self._owner)
            while True:
                create_jobs(self._kv)
                claim = claim_next(self._kv, self._owner, without=unable)
                if claim is not None:
                    try:
                        finished.append(self._run(claim, workshop))
                    except (ClaimLostError, JobNotFoundError, PipelineNotFoundError):
                        continue
                    except InputsLostError as problem:
                        mounts_lost += 1
                        if mounts_lost > _MOUNTS_LOST_MAX:
                            unable[claim.job.pipeline] = problem
                    except Exception as problem:
                        unable[claim.job.pipeline] = problem
                elif self._nothing_elsewhere():
                    break
                else:
                    time.sleep(_POLL_S)
        for error in unable.values():
            raise error
        return finished

    def _run(self, claim: Claim, workshop: _Workshop) -> Job:
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
                workshop.inputs_at(),
                workshop.scratch / claim.job.id,
            )
            with claim.kept(self._kv):
                job = execute(self._kv, self._cache, claim, pipeline, session.image_digest, datums)
        except BaseException:
            workshop.start_over()
            claim.release(self._kv)
            raise
        self._progress(job)
        return job

    def _nothing_elsewhere(self) -> bool:
        with self._kv.read() as txn:
            return not running_elsewhere(txn)


class _Workshop:
    """What the jobs of one engine run share: sessions, the mount of inputs, scratch space."""

    def __init__(
        self, store_dir: Path, choose_runner: ChooseRunner, stack: ExitStack, owner: str
    ) -> None:
        self._store_dir = store_dir
        self._choose_runner = choose_runner
        self._stack = stack
        self._sessions: dict[tuple[str, str], Session] = {}
        self._mounted: Mounted | None = None
        _sweep(store_dir / SCRATCH)
        self.scratch = store_dir / SCRATCH / owner.replace("/", "~")
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.callback(shutil.rmtree, self.scratch, ignore_errors=True)
        stack.callback(self.start_over)

    def session(self, pipeline: Pipeline) -> Session:
        """The session for a pipeline's image, made when first needed."""
        runner = self._choose_runner(pipeline, self.inputs_at())
        key = (runner.name, pipeline.transform.image)
        if key not in self._sessions:
            place = Path(mkdtemp(prefix="session-", dir=self.scratch))
            session = runner.session(pipeline.transform.image or None, scratch=place)
            self._sessions[key] = session
        return self._sessions[key]

    def start_over(self) -> None:
        """Give up what may be broken; it is made again when it is needed."""
        self.close_sessions()
        mounted, self._mounted = self._mounted, None
        if mounted is not None:
            with suppress(MountError):
                mounted.unmount()

    def close_sessions(self) -> None:
        """Kill what still runs in them; new ones are made when they are needed."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def inputs_at(self) -> Path:
        """Where every tree of the store is mounted by its key, from the first use on."""
        if self._mounted is None:
            source = f"pfs:{self._store_dir}"
            self._mounted = mount(self._store_dir, "roots", None, fsname=source)
        return self._mounted.path


def _sweep(scratch: Path) -> None:
    """Remove what dead processes left behind."""
    if scratch.is_dir():
        for folder in scratch.iterdir():
            if is_alive(folder.name.partition("~")[0]) is False:
                shutil.rmtree(folder, ignore_errors=True)
