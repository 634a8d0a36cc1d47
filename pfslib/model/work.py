"""What work is made of: pipelines, jobs, datums, and images of the local sandbox."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pfslib.model.nodes import Entry
from pfslib.model.work_pages import job_html, pipeline_html


class Transform(msgspec.Struct, array_like=True, frozen=True):
    """What is run, and in what."""

    cmd: tuple[str, ...]
    image: str = ""
    stdin: tuple[str, ...] = ()
    """Lines fed to the command, each followed by a newline."""

    env: tuple[tuple[str, str], ...] = ()
    accept_return_code: tuple[int, ...] = ()
    working_dir: str = ""


class Input(msgspec.Struct, array_like=True, frozen=True):
    """A repo as the input of a pipeline."""

    name: str
    """What it is called below /pfs."""

    repo: str
    branch: str
    """The branch that triggers; empty for every branch, as in 1.3."""

    glob: str
    """What of a commit makes one datum: '/' all of it, '/*' each top-level entry, …"""


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
    """The datums are the product of the inputs' datums."""

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

    def _repr_html_(self) -> str:
        return pipeline_html(self)


class JobState(StrEnum):
    """Where a job stands; the words are Pachyderm's."""

    CREATED = "created"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"

    @property
    def finished(self) -> bool:
        """Whether the job is over."""
        return self in {JobState.SUCCESS, JobState.FAILURE}


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

    def _repr_html_(self) -> str:
        return job_html(self)


class DatumState(StrEnum):
    """What became of a datum."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    FAILED = "failed"


class DatumInput(msgspec.Struct, array_like=True, frozen=True):
    """What a datum sees of one input."""

    name: str
    path: bytes
    """Components joined by '/', without a leading one; empty for all of the commit."""

    entry: Entry


class DatumResult(msgspec.Struct, array_like=True, frozen=True):
    """The output of a datum that succeeded, to be used again wherever its key comes up."""

    output: Entry
    job: str
    seconds: float


class DatumRecord(msgspec.Struct, array_like=True, frozen=True):
    """One datum of one job."""

    key: bytes
    state: str
    inputs: tuple[tuple[str, bytes], ...]
    """Input name and path, of each input."""

    exit_code: int = 0
    reason: str = ""
    attempts: int = 0
    seconds: float = 0.0
    output: Entry | None = None


class Image(msgspec.Struct, array_like=True, frozen=True):
    """A local image: files that the sandbox lays over the host's root."""

    name: str
    root: Entry
    created_ns: int
