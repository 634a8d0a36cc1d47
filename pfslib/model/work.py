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
    """The argument vector; no shell is put in between."""

    image: str = ""
    """What it is run in; empty for the host's own files."""

    stdin: tuple[str, ...] = ()
    """Lines fed to the command, each followed by a newline."""

    env: tuple[tuple[str, str], ...] = ()
    """Names and values, besides those that every datum has."""

    accept_return_code: tuple[int, ...] = ()
    """Exit codes that are successes, besides 0."""

    working_dir: str = ""
    """Where it starts; empty for the runner's default."""

    user: str = ""
    """Name or number; empty for the runner's default."""

    err_cmd: tuple[str, ...] = ()
    """Run after each failed attempt, on the same view; if it succeeds, the datum is recovered."""

    err_stdin: tuple[str, ...] = ()
    """Lines fed to `err_cmd`, each followed by a newline."""

    network: bool = True
    """Whether it has one."""

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
    """What it and its output repo are called."""

    transform: Transform
    """What is run."""

    inputs: tuple[Input, ...]
    """What it reads, one by one, in the order of the spec."""

    parallelism: int = 1
    """How many datums run at a time."""

    datum_tries: int = 3
    """How often a datum is attempted before it has failed."""

    datum_timeout_s: float = 0.0
    """0 for none."""

    output_branch: str = ""
    """Empty: the branch named like the input's, as in 1.3."""

    output_merge: str = Merge.REFUSE
    """What becomes of a path that several datums wrote: ``append``, ``refuse`` or ``overwrite``."""

    every_commit: bool = False
    """Whether all commits that were there before the pipeline are processed too, as in 1.3, or
    only the heads."""

    description: str = ""
    """As given."""

    spec: str = ""
    """The document it was made from, as given."""

    version: int = 1
    """From 1; each update is the next."""

    created_ns: int = 0
    """When this version was made, in ns since 1970."""

    since: int = 0
    """Head moves before this place in the reflog are not its business: the clock may go back."""

    stopped: bool = False
    """Whether new commits make no jobs."""

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
    """What the input is called below /pfs."""

    repo: str
    """Where the commit is."""

    branch: str
    """Of which it was the head."""

    commit: str
    """Its id."""


class Counts(msgspec.Struct, array_like=True, frozen=True):
    """Datums of a job, by what became of them."""

    total: int = 0
    """All of the job."""

    processed: int = 0
    """Those that ran and succeeded."""

    skipped: int = 0
    """Those whose result was there."""

    failed: int = 0
    """Those whose last attempt failed."""

    recovered: int = 0
    """Those that failed, and whose `err_cmd` succeeded."""

    @property
    def waiting(self) -> int:
        """How many are still to be run."""
        return self.total - self.processed - self.skipped - self.failed - self.recovered


class Job(msgspec.Struct, array_like=True, frozen=True):
    """One pipeline run for one set of input commits."""

    id: str
    """Follows from the pipeline's version and the input commits: no crash makes a job twice."""

    pipeline: str
    """Whose it is."""

    version: int
    """The pipeline's, when it was made."""

    inputs: tuple[JobInput, ...]
    """The commits it reads."""

    output_commit: str
    """Id of the commit it makes."""

    output_branch: str
    """The branch of that."""

    number: int
    """Place in the order of all jobs."""

    state: str = JobState.CREATED
    """Where it stands: a `JobState`."""

    reason: str = ""
    """Why it is in that state, in a sentence; empty for an ordinary one."""

    created_ns: int = 0
    """When it was triggered, in ns since 1970."""

    started_ns: int = 0
    """When it was first run, in ns since 1970; 0 for not yet."""

    finished_ns: int = 0
    """When it was over, in ns since 1970; 0 for not yet."""

    counts: Counts = Counts()
    """Its datums, by what became of them."""

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
    """What the input is called below /pfs."""

    path: bytes
    """Components joined by '/', without a leading one; empty for all of the commit."""

    start: int = 0
    end: int = -1
    """The slice of a file: bytes from `start` up to here; -1 for the whole."""


class DatumResult(msgspec.Struct, array_like=True, frozen=True):
    """The output of a datum that succeeded, to be used again wherever its key comes up."""

    output: Entry
    """The directory that it wrote."""

    job: str
    """Id of the job that ran it."""

    seconds: float
    """How long it took."""

    inputs: tuple[Seen, ...] = ()
    """What it saw."""

    attempts: int = 1
    """How many it took."""


class DatumRecord(msgspec.Struct, array_like=True, frozen=True):
    """One datum of one job."""

    key: bytes
    """Digest of all that its result depends on."""

    state: str
    """What became of it: a `DatumState`."""

    inputs: tuple[Seen, ...]
    """What it sees."""

    exit_code: int = 0
    """The last attempt's."""

    reason: str = ""
    """Why it failed, in a sentence; empty if it did not."""

    attempts: int = 0
    """How many there were; 0 if it was skipped."""

    seconds: float = 0.0
    """How long the last attempt took; for a skipped one, of the job that ran it."""

    output: Entry | None = None
    """The directory that it wrote; None if it failed, or that is gone."""

    why: str = ""
    """Why it ran, or was skipped."""

    input_bytes: int = 0
    """Size of what it sees."""


class Lease(msgspec.Struct, array_like=True, frozen=True):
    """Who runs a datum, and for which job."""

    job: str
    owner: str


class Work(msgspec.Struct, array_like=True, frozen=True):
    """How an output commit came about: what the next job compares itself with."""

    job: str
    """Id of the job that made it."""

    stamp: bytes
    """Digest of all that keys of datums cover besides the inputs."""

    shape: bytes
    """Digest of how the inputs make datums, and of how outputs are merged."""

    inputs: tuple[JobInput, ...]
    """The commits it was made from."""

    root: Entry
    """A directory of directories, see `WorkTree`."""


class Image(msgspec.Struct, array_like=True, frozen=True):
    """A local image: files that the sandbox lays over the host's root."""

    name: str
    """What it is called."""

    root: Entry
    """Its directory."""

    created_ns: int
    """When it was made, in ns since 1970."""
