"""What work is made of: pipelines, jobs, datums, and images of the local sandbox."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pfslib.model.inputs import Combination, Input, Trigger
from pfslib.model.nodes import Entry
from pfslib.model.work_pages import job_html, pipeline_html

__all__ = [
    "Combination",
    "Counts",
    "DatumRecord",
    "DatumResult",
    "DatumState",
    "Image",
    "Input",
    "Job",
    "JobInput",
    "JobState",
    "Lease",
    "Merge",
    "Pipeline",
    "Seen",
    "Transform",
    "Trigger",
    "Work",
]


class Transform(msgspec.Struct, array_like=True, frozen=True):
    """What is run, and in what."""

    cmd: tuple[str, ...]
    image: str = ""
    stdin: tuple[str, ...] = ()
    """Lines fed to the command, each followed by a newline."""

    env: tuple[tuple[str, str], ...] = ()
    accept_return_code: tuple[int, ...] = ()
    working_dir: str = ""
    user: str = ""
    err_cmd: tuple[str, ...] = ()
    """Run after each failed attempt, on the same view; if it succeeds, the datum is recovered."""

    err_stdin: tuple[str, ...] = ()
    network: bool = True
    cpu_limit: float = 0.0
    """Processors; 0 for no limit."""

    memory_limit: int = 0
    """Bytes; 0 for no limit."""


class Merge(StrEnum):
    """What becomes of a path that several datums of a job wrote."""

    APPEND = "append"
    REFUSE = "refuse"
    OVERWRITE = "overwrite"


class Pipeline(msgspec.Struct, array_like=True, frozen=True):
    """A recipe kept up to date."""

    name: str
    transform: Transform
    inputs: tuple[Input, ...]
    """What it reads, one by one, in the order of the spec."""

    parallelism: int = 1
    datum_tries: int = 3
    datum_timeout_s: float = 0.0
    """0 for none."""

    output_branch: str = ""
    """Empty: the branch named like the input's, as in 1.3."""

    output_merge: str = Merge.REFUSE
    every_commit: bool = False
    """Whether all commits that were there before the pipeline are processed too, as in 1.3, or
    only the heads."""

    description: str = ""
    spec: str = ""
    """The document it was made from, as given."""

    version: int = 1
    created_ns: int = 0
    since: int = 0
    """Head moves before this place in the reflog are not its business: the clock may go back."""

    stopped: bool = False
    combined: Combination | None = None
    """How the inputs make datums; None for one input, or the product of several."""

    job_timeout_s: float = 0.0
    """0 for none."""

    salt: str = ""
    """Part of every datum's key: a new one makes everything run again."""

    keeps_results: bool = False
    """Whether datums that have a result of an older version keep it."""

    every_job: bool = False
    """Whether every job runs all of its datums again."""

    egress: str = ""
    """Host directory that gets a copy of each output; empty for none."""

    notes: tuple[str, ...] = ()
    """What of the spec means nothing on one machine, in sentences."""

    def _repr_html_(self) -> str:
        return pipeline_html(self)


class JobState(StrEnum):
    """Where a job stands; the words are Pachyderm's."""

    CREATED = "created"
    RUNNING = "running"
    EGRESSING = "egressing"
    SUCCESS = "success"
    FAILURE = "failure"
    KILLED = "killed"
    UNRUNNABLE = "unrunnable"

    @property
    def finished(self) -> bool:
        """Whether the job is over."""
        return self in _FINISHED


_FINISHED = frozenset({JobState.SUCCESS, JobState.FAILURE, JobState.KILLED, JobState.UNRUNNABLE})


class JobInput(msgspec.Struct, array_like=True, frozen=True):
    """The commit that a job reads for one input."""

    name: str
    repo: str
    branch: str
    commit: str


class Counts(msgspec.Struct, array_like=True, frozen=True):
    """Datums of a job, by what became of them."""

    total: int = 0
    processed: int = 0
    skipped: int = 0
    failed: int = 0
    recovered: int = 0

    @property
    def waiting(self) -> int:
        """How many are still to be run."""
        return self.total - self.processed - self.skipped - self.failed - self.recovered


class Job(msgspec.Struct, array_like=True, frozen=True):
    """One pipeline run for one set of input commits."""

    id: str
    """Follows from the pipeline's version and the input commits: no crash makes a job twice."""

    pipeline: str
    version: int
    inputs: tuple[JobInput, ...]
    output_commit: str
    output_branch: str
    number: int
    """Place in the order of all jobs."""

    state: str = JobState.CREATED
    reason: str = ""
    created_ns: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    counts: Counts = Counts()
    owner: str = ""
    """The process that runs it."""

    renewed_ns: int = 0
    """When the owner last said that it is still at it."""

    rerun: int = 0
    """How many jobs for the same input commits there were before."""

    forced: tuple[bytes, ...] | None = ()
    """Keys of datums that run though they have a result; None for all."""

    cancel: bool = False
    """Whether it shall end, killed, as soon as its owner notices; `reason` says why."""

    base: str = ""
    """The job whose datums and output this one was compared with; empty for none."""

    claimed_ns: int = 0
    """When the owner claimed it."""

    ran_ns: int = 0
    """How long those who had claimed it before ran it."""

    def _repr_html_(self) -> str:
        return job_html(self)


class DatumState(StrEnum):
    """What became of a datum."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    FAILED = "failed"
    RECOVERED = "recovered"


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """What a datum sees of one input, without its content."""

    name: str
    path: bytes
    """Components joined by '/', without a leading one; empty for all of the commit."""

    start: int = 0
    end: int = -1
    """The slice of a file: bytes from `start` up to here; -1 for the whole."""


class DatumResult(msgspec.Struct, array_like=True, frozen=True):
    """The output of a datum that succeeded, to be used again wherever its key comes up."""

    output: Entry
    job: str
    seconds: float
    inputs: tuple[Seen, ...] = ()
    attempts: int = 1


class DatumRecord(msgspec.Struct, array_like=True, frozen=True):
    """One datum of one job."""

    key: bytes
    state: str
    inputs: tuple[Seen, ...]
    exit_code: int = 0
    reason: str = ""
    attempts: int = 0
    seconds: float = 0.0
    output: Entry | None = None
    why: str = ""
    """Why it ran, or was skipped."""

    input_bytes: int = 0


class Lease(msgspec.Struct, array_like=True, frozen=True):
    """Who runs a datum, and for which job."""

    job: str
    owner: str


class Work(msgspec.Struct, array_like=True, frozen=True):
    """How an output commit came about: what the next job compares itself with."""

    job: str
    stamp: bytes
    """Digest of all that keys of datums cover besides the inputs."""

    shape: bytes
    """Digest of how the inputs make datums, and of how outputs are merged."""

    inputs: tuple[JobInput, ...]
    root: Entry
    """A directory of directories, see `WorkTree`."""


class Image(msgspec.Struct, array_like=True, frozen=True):
    """A local image: files that the sandbox lays over the host's root."""

    name: str
    root: Entry
    created_ns: int
