"""Every field of a spec, one by one: honoured, noted or refused; none is taken in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pfslib import InvalidSpecError
from pfslib.model.spec_form import NOTED, REFUSED, SpecPart
from pfslib.model.specs import pipeline_of
from pfslib.model.work import Pipeline

Says = Callable[[Pipeline], object]
"""What of the record follows from the field."""

PFS = {"repo": "r", "glob": "/(*)"}
OLD: dict[str, Any] = {"input": None, "inputs": [{"repo": {"name": "r"}}]}


def spec(changes: dict[str, Any]) -> dict[str, Any]:
    base = {"pipeline": {"name": "p"}, "transform": {"cmd": ["sh"]}, "input": {"pfs": PFS}}
    whole = base | changes
    return {name: value for name, value in whole.items() if value is not None}


def transform(**more: Any) -> dict[str, Any]:
    return {"transform": {"cmd": ["sh"], **more}}


def pfs(**more: Any) -> dict[str, Any]:
    return {"input": {"pfs": {**PFS, **more}}}


def joined(**more: Any) -> dict[str, Any]:
    parts = [{"pfs": {**PFS, "join_on": "$1", **more}}, {"pfs": {"repo": "s", **PFS_OF_S}}]
    return {"input": {"join": parts}}


PFS_OF_S = {"glob": "/(*)", "join_on": "$1"}


def grouped(**more: Any) -> dict[str, Any]:
    return {"input": {"group": [{"pfs": {**PFS, "group_by": "$1", **more}}]}}


def trigger(**more: Any) -> dict[str, Any]:
    return pfs(trigger={"commits": 2, **more})


def cron(**more: Any) -> dict[str, Any]:
    return {"input": {"cron": {"name": "t", "spec": "@daily", **more}}}


def old(**more: Any) -> dict[str, Any]:
    return {"input": None, "inputs": [{"repo": {"name": "r"}, **more}]}


def method(**words: Any) -> dict[str, Any]:
    return old(method={"partition": "FILE", **words})


def combined(how: str) -> dict[str, Any]:
    more = {"join": {"join_on": "$1"}, "group": {"group_by": "$1"}}.get(how, {})
    return {"input": {how: [{"pfs": {**PFS, **more}}]}}


def first(name: str) -> Says:
    return lambda pipeline: getattr(pipeline.inputs[0], name)


def how(pipeline: Pipeline) -> object:
    return pipeline.combined and pipeline.combined.how


def of_trigger(name: str) -> Says:
    return lambda pipeline: getattr(pipeline.inputs[0].trigger, name)


def of_cron(name: str) -> Says:
    return lambda pipeline: getattr(pipeline.inputs[0].cron, name)


HONOURED: dict[str, tuple[dict[str, Any], Says, object]] = {
    "PipelineName.name": ({"pipeline": {"name": "q"}}, lambda p: p.name, "q"),
    "TransformSpec.cmd": (transform(cmd=["a", "b"]), lambda p: p.transform.cmd, ("a", "b")),
    "TransformSpec.image": (transform(image="i"), lambda p: p.transform.image, "i"),
    "TransformSpec.stdin": (transform(stdin=["l"]), lambda p: p.transform.stdin, ("l",)),
    "TransformSpec.env": (transform(env={"a": "b"}), lambda p: p.transform.env, (("a", "b"),)),
    "TransformSpec.accept_return_code": (
        transform(acceptReturnCode=[3]),
        lambda p: p.transform.accept_return_code,
        (3,),
    ),
    "TransformSpec.err_cmd": (transform(err_cmd=["e"]), lambda p: p.transform.err_cmd, ("e",)),
    "TransformSpec.err_stdin": (
        transform(err_cmd=["e"], err_stdin=["l"]),
        lambda p: p.transform.err_stdin,
        ("l",),
    ),
    "TransformSpec.working_dir": (
        transform(working_dir="/d"),
        lambda p: p.transform.working_dir,
        "/d",
    ),
    "TransformSpec.user": (transform(user="u:7"), lambda p: p.transform.user, "u:7"),
    "TransformSpec.network": (transform(network="none"), lambda p: p.transform.network, False),
    "TransformSpec.overwrite": (transform(overwrite=True), lambda p: p.output_merge, "overwrite"),
    "ParallelismSpec.strategy": (
        {"parallelism_spec": {"strategy": "CONSTANT", "constant": "4"}},
        lambda p: p.parallelism,
        4,
    ),
    "ParallelismSpec.constant": (
        {"parallelism_spec": {"constant": 4}},
        lambda p: p.parallelism,
        4,
    ),
    "ParallelismSpec.coefficient": (
        {"parallelism_spec": {"coefficient": "2.5"}},
        lambda p: p.parallelism,
        2,
    ),
    "TriggerSpec.size": (trigger(size="1K"), of_trigger("size"), 1000),
    "TriggerSpec.commits": (trigger(commits=5), of_trigger("commits"), 5),
    "TriggerSpec.rate_limit_spec": (
        trigger(rate_limit_spec="@daily"),
        of_trigger("rate_limit"),
        "@daily",
    ),
    "TriggerSpec.cron_spec": (trigger(cron_spec="@daily"), of_trigger("cron"), "@daily"),
    "TriggerSpec.all": (trigger(all=True), of_trigger("every"), True),
    "PfsInput.repo": (pfs(repo="s"), first("repo"), "s"),
    "PfsInput.glob": (pfs(glob="/x"), first("glob"), "/x"),
    "PfsInput.name": (pfs(name="n"), first("name"), "n"),
    "PfsInput.branch": (pfs(branch="b"), first("branch"), "b"),
    "PfsInput.empty_files": (pfs(empty_files=True), first("empty_files"), True),
    "PfsInput.join_on": (joined(join_on="x$1"), first("join_on"), "x$1"),
    "PfsInput.outer_join": (joined(outer_join=True), first("outer_join"), True),
    "PfsInput.group_by": (grouped(group_by="x$1"), first("group_by"), "x$1"),
    "PfsInput.trigger": (trigger(), lambda p: p.inputs[0].trigger is None, False),
    "CronInput.name": (cron(name="n"), first("name"), "n"),
    "CronInput.spec": (cron(spec="@every 60s"), of_cron("spec"), "@every 60s"),
    "CronInput.repo": (cron(repo="clock"), first("repo"), "clock"),
    "CronInput.start": (
        cron(start="2026-01-01T00:00:00Z"),
        of_cron("start_ns"),
        1767225600 * 10**9,
    ),
    "CronInput.overwrite": (cron(overwrite=True), of_cron("overwrite"), True),
    "InputSpec.pfs": (pfs(), lambda p: p.combined, None),
    "InputSpec.cron": (cron(), lambda p: p.inputs[0].cron is None, False),
    "InputSpec.cross": (combined("cross"), how, "cross"),
    "InputSpec.union": (combined("union"), how, "union"),
    "InputSpec.join": (combined("join"), how, "join"),
    "InputSpec.group": (combined("group"), how, "group"),
    "OldMethod.partition": (method(partition="REPO"), first("glob"), "/"),
    "OldMethod.incremental": (method(incremental="FULL"), first("incremental"), "full"),
    "OldInput.repo": (old(repo={"name": "s"}), first("repo"), "s"),
    "OldInput.method": (old(method="reduce"), first("glob"), "/*"),
    "OldInput.run_empty": (old(runEmpty=True), first("run_empty"), True),
    "ResourceLimits.cpu": (
        {"resource_limits": {"cpu": 0.5}},
        lambda p: p.transform.cpu_limit,
        0.5,
    ),
    "ResourceLimits.memory": (
        {"resource_limits": {"memory": "64Mi"}},
        lambda p: p.transform.memory_limit,
        64 << 20,
    ),
    "EgressSpec.url": ({"egress": {"URL": "file:///d"}}, lambda p: p.egress, "/d"),
    "PipelineSpec.pipeline": ({"pipeline": {"name": "q"}}, lambda p: p.name, "q"),
    "PipelineSpec.transform": (transform(cmd=["x"]), lambda p: p.transform.cmd, ("x",)),
    "PipelineSpec.description": ({"description": "d"}, lambda p: p.description, "d"),
    "PipelineSpec.inputs": (OLD, lambda p: p.every_commit, True),
    "PipelineSpec.input": (pfs(), lambda p: p.every_commit, False),
    "PipelineSpec.parallelism_spec": (
        {"parallelismSpec": {"constant": 3}},
        lambda p: p.parallelism,
        3,
    ),
    "PipelineSpec.resource_limits": (
        {"resourceLimits": {"cpu": 2}},
        lambda p: p.transform.cpu_limit,
        2,
    ),
    "PipelineSpec.datum_tries": ({"datum_tries": 7}, lambda p: p.datum_tries, 7),
    "PipelineSpec.datum_timeout": ({"datum_timeout": "7s"}, lambda p: p.datum_timeout_s, 7),
    "PipelineSpec.job_timeout": ({"job_timeout": "7s"}, lambda p: p.job_timeout_s, 7),
    "PipelineSpec.output_branch": ({"output_branch": "b"}, lambda p: p.output_branch, "b"),
    "PipelineSpec.output_merge": ({"output_merge": "append"}, lambda p: p.output_merge, "append"),
    "PipelineSpec.reprocess_spec": ({"reprocess_spec": "every_job"}, lambda p: p.every_job, True),
    "PipelineSpec.salt": ({"salt": "s"}, lambda p: p.salt, "s"),
    "PipelineSpec.egress": ({"egress": {"URL": "file:///d"}}, lambda p: p.egress, "/d"),
}
"""What each does: a change of the spec, what of the pipeline follows from it, and its value."""

CHECKED_ONLY = {"TriggerSpec.branch"}
"""It must name the branch of its input, which is all it says."""


def test_each_field_has_a_line_here() -> None:
    fields = {
        f"{part.__name__}.{name}"
        for part in SpecPart.__subclasses__()
        for name in part.__struct_fields__
    }
    assert fields == HONOURED.keys() | CHECKED_ONLY


@pytest.mark.parametrize("field", HONOURED)
def test_a_field_is_honoured(field: str) -> None:
    changes, says, value = HONOURED[field]
    pipeline = pipeline_of(spec(changes))
    assert says(pipeline) == value
    assert pipeline.notes == ()
    if field not in {"InputSpec.pfs", "PipelineSpec.input"}:  # which the plain spec has, too
        assert says_of_the_plain_spec(says) != value, "the value would be the same without it"


def says_of_the_plain_spec(says: Says) -> object:
    try:
        return says(pipeline_of(spec({})))
    except AttributeError:  # it has no trigger, or no clock
        return None


@pytest.mark.parametrize("field", sorted(NOTED))
def test_a_field_that_means_nothing_is_noted(field: str) -> None:
    (note,) = pipeline_of(spec({field: True})).notes
    assert note == f"{field} means nothing on one machine, and is passed over"


@pytest.mark.parametrize("field", sorted(REFUSED))
def test_a_field_that_cannot_be_had_is_refused(field: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        pipeline_of(spec({field: {}}))
    assert (caught.value.field, REFUSED[field] in caught.value.message) == (field, True)
    assert pipeline_of(spec({field: False})).notes == (), "it asks for nothing"


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        (transform(debug=True), ["transform.debug"]),
        (old(lazy=True), ["inputs[0].lazy"]),
        ({"gc_policy": {"success": "24h", "failure": "168h"}}, ["gc_policy"]),
        ({"resource_requests": {"gpu": {"number": 1}}}, ["resource_requests"]),
    ],
)
def test_fields_of_1_3_that_are_noted(changes: dict[str, Any], notes: list[str]) -> None:
    assert [note.split(" ")[0] for note in pipeline_of(spec(changes)).notes] == notes
