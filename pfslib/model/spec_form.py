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


class TransformSpec(SpecPart):
    """What is run."""

    cmd: list[str] = []
    """The argument vector; no shell is put in between."""

    image: str = ""
    stdin: list[str] = []
    """Lines fed to the command."""

    env: dict[str, str] = {}
    accept_return_code: list[int] = []
    """Exit codes that are successes, besides 0."""

    err_cmd: list[str] = []
    """Run after each failed attempt; if it succeeds after the last, the datum is recovered."""

    err_stdin: list[str] = []
    working_dir: str = ""
    user: str = ""
    network: Literal["", "bridge", "none"] = ""
    overwrite: bool = False
    """1.3: what is written replaces files of that name, instead of being appended to them."""


class ParallelismSpec(SpecPart):
    """How many datums run at a time."""

    strategy: Literal["", "CONSTANT", "COEFFICIENT"] = ""
    constant: int = 0
    coefficient: float = 0.0


class TriggerSpec(SpecPart):
    """When a new head of the branch counts; any of the conditions does, unless `all` is set."""

    branch: str = ""
    size: str = ""
    """Such as 100M: so much was put since the last time."""

    commits: int = 0
    rate_limit_spec: str = ""
    """Not more often than this cron expression ticks."""

    cron_spec: str = ""
    """At the ticks of this cron expression."""

    all: bool = False


class PfsInput(SpecPart):
    """A branch of a repo; each match of the glob is a datum."""

    repo: str
    glob: str
    name: str = ""
    """What it is called below /pfs; the repo's name if not given."""

    branch: str = "master"
    empty_files: bool = False
    join_on: str = ""
    outer_join: bool = False
    group_by: str = ""
    trigger: TriggerSpec | None = None


class CronInput(SpecPart):
    """Ticks of a clock: each is a commit with a file that is named by the time."""

    name: str
    spec: str
    """Five fields, @daily and the like, or @every 60s. In UTC."""

    repo: str = ""
    start: str = ""
    """An RFC 3339 time before which there are no ticks."""

    overwrite: bool = False


class InputSpec(SpecPart):
    """One of these: a repo, a clock, or several inputs combined."""

    pfs: PfsInput | None = None
    cron: CronInput | None = None
    cross: list[InputSpec] | None = None
    union: list[InputSpec] | None = None
    join: list[InputSpec] | None = None
    group: list[InputSpec] | None = None


class OldMethod(SpecPart):
    """1.3's method of an input, in two words."""

    partition: Literal["BLOCK", "FILE", "REPO"] = "BLOCK"
    incremental: Literal["NONE", "DIFF", "FULL", "FILE"] | bool = "NONE"


class OldInput(SpecPart):
    """An input in the form of 1.3."""

    repo: PipelineName
    method: str | OldMethod = "map"
    """map, reduce, global, incremental_reduce, or an object of partition and incremental."""

    run_empty: bool = False


class ResourceLimits(SpecPart):
    """What a datum's processes may use."""

    cpu: Annotated[float, Meta(ge=0)] = 0.0
    memory: str = ""
    """Such as 512Mi."""


class EgressSpec(SpecPart):
    """Where each output is copied to."""

    url: str = field(name="URL")
    """file:///directory; it must lie where whoever runs the jobs allows it."""


class PipelineSpec(SpecPart):
    """A pipeline."""

    pipeline: PipelineName
    transform: TransformSpec
    description: str = ""
    inputs: list[OldInput] | None = None
    input: InputSpec | None = None
    parallelism_spec: ParallelismSpec = field(default_factory=ParallelismSpec)
    resource_limits: ResourceLimits = field(default_factory=ResourceLimits)
    datum_tries: int = 3
    datum_timeout: str = ""
    job_timeout: str = ""
    output_branch: str = ""
    output_merge: Literal["", "append", "refuse", "overwrite"] = ""
    reprocess_spec: Literal["", "until_success", "every_job"] = ""
    salt: str = ""
    egress: EgressSpec | None = None


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
