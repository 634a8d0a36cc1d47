"""The form of a pipeline spec: JSON objects, and the same as typed Python objects.

`specs` makes a `Pipeline` of either; `pfs schema pipeline` prints what stands here as JSON Schema.
Field names are Pachyderm's. Both of its forms are one here: `inputs` is that of 1.3, `input` that
of later versions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field


class SpecPart(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A JSON object of a spec."""


class PipelineName(SpecPart):
    """Names the pipeline; its output repo is called the same."""

    name: str
    """What it is called."""


class TransformSpec(SpecPart):
    """What is run."""

    cmd: list[str] = []
    """The argument vector; no shell is put in between."""

    image: str = ""
    """What it is run in; empty for the host's own files."""

    stdin: list[str] = []
    """Lines fed to the command."""

    env: dict[str, str] = {}
    """Variables, besides those that every datum has."""

    accept_return_code: list[int] = []
    """Exit codes that are successes, besides 0."""

    err_cmd: list[str] = []
    """Run after each failed attempt; if it succeeds after the last, the datum is recovered."""

    err_stdin: list[str] = []
    """Lines fed to `err_cmd`."""

    working_dir: str = ""
    """Where it starts; empty for the runner's default."""

    user: str = ""
    """Name or number; empty for the runner's default."""

    network: Literal["", "bridge", "none"] = ""
    """`none` for none."""

    overwrite: bool = False
    """1.3: what is written replaces files of that name, instead of being appended to them."""


class ParallelismSpec(SpecPart):
    """How many datums run at a time."""

    strategy: Literal["", "CONSTANT", "COEFFICIENT"] = ""
    """Which of the two is given, in capitals."""

    constant: int = 0
    """So many."""

    coefficient: float = 0.0
    """So many for each machine: there is one."""


class TriggerSpec(SpecPart):
    """When a new head of the branch counts; any of the conditions does, unless `all` is set."""

    branch: str = ""
    """That of the input, or empty."""

    size: str = ""
    """Such as 100M: so much was put since the last time."""

    commits: int = 0
    """After so many commits."""

    rate_limit_spec: str = ""
    """Not more often than this cron expression ticks."""

    cron_spec: str = ""
    """At the ticks of this cron expression."""

    all: bool = False
    """Whether all conditions are needed."""


class PfsInput(SpecPart):
    """A branch of a repo; each match of the glob is a datum."""

    repo: str
    """Where the branch is."""

    glob: str
    """What of it is a datum."""

    name: str = ""
    """What it is called below /pfs; the repo's name if not given."""

    branch: str = "master"
    """Whose commits make jobs."""

    empty_files: bool = False
    """Whether the files are there without their content."""

    join_on: str = ""
    """Part of the path, such as $1, in which the members of a join agree."""

    outer_join: bool = False
    """Whether a match without a partner is a datum, too."""

    group_by: str = ""
    """Part of the path, such as $1, in which the members of a group agree."""

    trigger: TriggerSpec | None = None
    """When a new head counts; None for always."""


class CronInput(SpecPart):
    """Ticks of a clock: each is a commit with a file that is named by the time."""

    name: str
    """What it is called below /pfs."""

    spec: str
    """Five fields, @daily and the like, or @every 60s. In UTC."""

    repo: str = ""
    """The repo that keeps the ticks; empty for one of the pipeline's and the input's name."""

    start: str = ""
    """An RFC 3339 time before which there are no ticks."""

    overwrite: bool = False
    """Whether a tick replaces the one before."""


class InputSpec(SpecPart):
    """One of these: a repo, a clock, or several inputs combined."""

    pfs: PfsInput | None = None
    """A branch of a repo."""

    cron: CronInput | None = None
    """A clock."""

    cross: list[InputSpec] | None = None
    """Each datum of one with each of the others."""

    union: list[InputSpec] | None = None
    """The datums of all."""

    join: list[InputSpec] | None = None
    """Datums of each that agree in a part of their paths."""

    group: list[InputSpec] | None = None
    """All datums that agree in a part of their paths, as one."""


class OldMethod(SpecPart):
    """1.3's method of an input, in two words."""

    partition: Literal["BLOCK", "FILE", "REPO"] = "BLOCK"
    """BLOCK for slices of lines, FILE for top-level entries, REPO for all of it."""

    incremental: Literal["NONE", "DIFF", "FULL", "FILE"] | bool = "NONE"
    """What a datum sees of what was there before."""


class OldInput(SpecPart):
    """An input in the form of 1.3."""

    repo: PipelineName
    """The repo, whose branches all make jobs."""

    method: str | OldMethod = "map"
    """map, reduce, global, incremental_reduce, or an object of partition and incremental."""

    run_empty: bool = False
    """Whether an empty commit is run, too."""


class ResourceLimits(SpecPart):
    """What a datum's processes may use."""

    cpu: Annotated[float, Meta(ge=0)] = 0.0
    """Processors, such as 0.5; 0 for no limit."""

    memory: str = ""
    """Such as 512Mi."""


class EgressSpec(SpecPart):
    """Where each output is copied to."""

    url: str = field(name="URL")
    """file:///directory; it must lie where whoever runs the jobs allows it."""


class PipelineSpec(SpecPart):
    """A pipeline."""

    pipeline: PipelineName
    """What it is called."""

    transform: TransformSpec
    """What is run."""

    description: str = ""
    """For people."""

    inputs: list[OldInput] | None = None
    """What it reads, in the form of 1.3."""

    input: InputSpec | None = None
    """What it reads, in the modern form."""

    parallelism_spec: ParallelismSpec = field(default_factory=ParallelismSpec)
    """How many datums run at a time."""

    resource_limits: ResourceLimits = field(default_factory=ResourceLimits)
    """What a datum's processes may use."""

    datum_tries: int = 3
    """How often a datum is attempted before it has failed."""

    datum_timeout: str = ""
    """Such as 30s or 1h; empty for none."""

    job_timeout: str = ""
    """Such as 30s or 1h; empty for none."""

    output_branch: str = ""
    """Empty for master, or with 1.3 for the branch named like the input's."""

    output_merge: Literal["", "append", "refuse", "overwrite"] = ""
    """What becomes of a path that several datums wrote; empty for the default of the form."""

    reprocess_spec: Literal["", "until_success", "every_job"] = ""
    """`every_job` runs all datums again in each job."""

    salt: str = ""
    """Part of every datum's key: a new one makes everything run again."""

    egress: EgressSpec | None = None
    """Where each output is copied to; None for nowhere."""


NOTED = frozenset(
    {
        "autoscaling", "cache_size", "chunk_spec", "datum_set_spec", "debug", "enable_stats",
        "gc_policy", "lazy", "max_queue_size", "maximum_expected_uptime", "metadata", "pod_patch",
        "pod_spec", "project", "resource_requests", "scale_down_threshold", "scheduling_spec",
        "sidecar_resource_limits", "sidecar_resource_requests", "standby", "tolerations",
    }
)  # fmt: skip
"""Fields of Pachyderm's that mean nothing on one machine: taken, and said to be passed over."""

REFUSED = {
    **dict.fromkeys(("service", "spout"), "commands that run for ever are not supported"),
    **dict.fromkeys(("s3", "s3_out"), "there is no S3 gateway: inputs are at /pfs"),
    **dict.fromkeys(("secrets", "image_pull_secrets"), "there are no cluster secrets"),
    **dict.fromkeys(("dockerfile", "build"), "build the image first, and name it"),
    **dict.fromkeys(("datum_batching", "memory_volume", "tf_job", "determined"), "not supported"),
    **dict.fromkeys(("commit", "parent_job"), "give the repo: jobs follow from its commits"),
    **dict.fromkeys(("disk", "gpu"), "limits are of cpu and memory"),
    "repo_type": "only repos of users and pipelines are inputs",
    "spec_commit": "not supported",
    "transform_template": "not supported",
    "update": "use `pfs update-pipeline`",
    "no_archive": "use `pfs update-pipeline --no-reprocess`",
    "container": "containers have their names from the engine",
    "privileged": "a spec can ask for no privilege",
    "volumes": "a spec can name no directory of the host",
}
"""Fields that cannot be had, each with the reason."""


def pipeline_schema() -> dict[str, Any]:
    """The form of a spec as JSON Schema."""
    from msgspec.json import schema

    found = schema(PipelineSpec)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
