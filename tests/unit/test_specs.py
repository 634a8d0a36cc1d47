"""Specs: both forms, and a sentence that names the field for all that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pfslib import InvalidSpecError
from pfslib.model.inputs import Combination, Cut, Incremental, Input
from pfslib.model.spec_form import (
    InputSpec,
    PfsInput,
    PipelineName,
    PipelineSpec,
    TransformSpec,
    pipeline_schema,
)
from pfslib.model.specs import parse_specs, pipeline_of
from pfslib.model.work import Merge

POST = Path(__file__).parents[2] / "examples/go_stats/pipeline.json"


def spec(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "pipeline": {"name": "p"},
        "transform": {"cmd": ["sh"]},
        "input": {"pfs": {"repo": "r", "glob": "/*"}},
    }
    return {**base, **changes}


def lone(**more: Any) -> dict[str, Any]:
    return {"pfs": {"repo": "r", "glob": "/(*)", **more}}


def test_the_posts_own_file() -> None:
    (pipeline,) = parse_specs(POST.read_text())
    assert pipeline.name == "stats"
    assert pipeline.transform.image == "dwhitena/stats"
    assert pipeline.transform.cmd == ("/bin/bash",)
    assert pipeline.transform.stdin[1] == "REPONAME=`cat $filename`"
    assert pipeline.inputs == (Input("projects", "projects", "", "/*"),)
    assert (pipeline.parallelism, pipeline.output_merge) == (1, Merge.APPEND)


def test_the_modern_form() -> None:
    pipeline = pipeline_of(spec(datum_timeout="1h30m", parallelism_spec={"constant": 3}))
    assert pipeline.inputs == (Input("r", "r", "master", "/*"),)
    assert (pipeline.output_branch, pipeline.output_merge) == ("master", Merge.REFUSE)
    assert (pipeline.datum_timeout_s, pipeline.parallelism) == (5400.0, 3)


def test_several_documents_in_one_file() -> None:
    text = json.dumps(spec()) + "\n\n" + json.dumps(spec(pipeline={"name": "q"}))
    assert [pipeline.name for pipeline in parse_specs(text)] == ["p", "q"]


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_json_that_breaks_off(end: str) -> None:
    with pytest.raises(InvalidSpecError, match="line"):
        parse_specs('{"pipeline": {"name": "x"' + end)


def test_a_caret_shows_where_it_is_not_json() -> None:
    with pytest.raises(InvalidSpecError) as caught:
        parse_specs('{\n\t"description": "\u2028",\n\t"pipeline": oops\n}')
    message = caught.value.message
    assert "line 3, column 14" in message
    _, shown, caret = message.split("\n")
    assert shown.index("oops") == caret.index("^")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pipeline": {}}, "pipeline"),
        ({"pipeline": {"name": "a/b"}}, "pipeline.name"),
        ({"pipeline": {"name": 5}}, "pipeline.name"),
        ({"transform": {}}, "transform.cmd"),
        ({"transform": {"cmd": []}}, "transform.cmd"),
        ({"transform": {"cmd": [""]}}, "transform.cmd[0]"),
        ({"transform": {"cmd": ["a\0b"]}}, "transform.cmd[0]"),
        ({"transform": {"cmd": ["sh"], "comand": 1}}, "transform"),
        ({"transform": {"cmd": ["sh"], "env": {"A=B": "x"}}}, "transform.env"),
        ({"transform": {"cmd": ["sh"], "image": "\ud800"}}, "transform.image"),
        ({"transform": {"cmd": ["sh"], "accept_return_code": [1 << 70]}}, "accept_return_code[0]"),
        ({"transform": {"cmd": ["sh"], "working_dir": "here"}}, "transform.working_dir"),
        ({"transform": {"cmd": ["sh"], "secrets": []}}, "transform.secrets"),
        ({"input": {"pfs": {"repo": "r", "glob": "/["}}}, "input.pfs.glob"),
        ({"input": {"pfs": {"repo": "r"}}}, "input.pfs"),
        ({"input": {"pfs": {"repo": "p", "glob": "/"}}}, "input"),
        ({"input": {"pfs": {"repo": "out", "glob": "/"}}}, "input.pfs.name"),
        ({"input": {"cross": []}}, "input.cross"),
        ({"input": {"pfs": {"repo": "r", "glob": "/", "join_on": "$1"}}}, "input.pfs.join_on"),
        ({"input": {"join": [{"pfs": {"repo": "r", "glob": "/"}}]}}, "input.join[0]"),
        ({"input": {"cross": [{"pfs": {"repo": "r", "glob": "/"}}] * 2}}, "input.cross[1]"),
        ({"input": {"cron": {"name": "t", "spec": "now and then"}}}, "input.cron.spec"),
        ({"input": {"pfs": {"repo": "r", "glob": "/", "trigger": {}}}}, "input.pfs.trigger"),
        ({"transform": {"cmd": ["sh"], "image": "No Such"}}, "transform.image"),
        ({"transform": {"cmd": ["sh"], "image": "-v/:/host"}}, "transform.image"),
        ({"resource_limits": {"memory": "much"}}, "resource_limits.memory"),
        ({"spout": {}}, "spout"),
        ({"egress": {"URL": "s3://bucket"}}, "egress.URL"),
        ({"input": None}, "input"),
        ({"inputs": []}, "input"),
        ({"datum_tries": 0}, "datum_tries"),
        ({"datum_tries": 1 << 70}, "datum_tries"),
        ({"datum_timeout": "5"}, "datum_timeout"),
        ({"datum_timeout": "9" * 400 + "h"}, "datum_timeout"),
        ({"parallelism_spec": {"constant": -1}}, "parallelism_spec.constant"),
        ({"parallelism_spec": {"constant": 10**6}}, "parallelism_spec.constant"),
        ({"parallelism_spec": {"coefficient": float("inf")}}, "parallelism_spec.coefficient"),
        ({"parallelism_spec": {"strategy": "MANY"}}, "parallelism_spec.strategy"),
        ({"output_merge": "maybe"}, "output_merge"),
        ({"egress": {}}, "egress"),
        ({"inptu": {}}, ""),
        ({"reprocess_spec": "never"}, "reprocess_spec"),
        ({"input": lone(join_on="$1")}, "input.pfs.join_on"),
        ({"input": lone(outer_join=True)}, "input.pfs.outer_join"),
        ({"input": lone(group_by="$1")}, "input.pfs.group_by"),
        ({"input": {"cross": [lone(join_on="$1")]}}, "input.cross[0].pfs.join_on"),
        (
            {"input": {"join": [lone(join_on="$1", group_by="$1")]}},
            "input.join[0].pfs.group_by",
        ),
        ({"input": lone(name="PATH")}, "input.pfs.name"),
        ({"input": lone(name="HOME")}, "input.pfs.name"),
        ({"input": lone(name="LD_PRELOAD")}, "input.pfs.name"),
        ({"input": lone(name="PYTHONPATH")}, "input.pfs.name"),
        ({"input": lone(name="PACH_JOB_ID")}, "input.pfs.name"),
        ({"input": lone(name="r") | {"pfs": {"repo": "LC_ALL", "glob": "/"}}}, "input.pfs.name"),
        ({"input": {"cross": [lone(), lone(name="r_COMMIT")]}}, "input.cross[1].pfs.name"),
        ({"input": None, "inputs": [{"repo": {"name": "PATH"}}]}, "inputs[0].repo.name"),
        ({"transform": {"cmd": ["sh"], "env": {"A B": "x"}}}, "transform.env"),
        ({"transform": {"cmd": ["sh"], "env": {"": "x"}}}, "transform.env"),
        ({"transform": {"cmd": ["sh"], "env": {"A\n": "x"}}}, "transform.env"),
        ({"transform": {"cmd": ["sh"], "env": {"PACH_JOB_ID": "x"}}}, "transform.env.PACH_JOB_ID"),
        ({"transform": {"cmd": ["sh"], "env": {"r": "x"}}}, "transform.env.r"),
        ({"transform": {"cmd": ["sh"], "env": {"r_COMMIT": "x"}}}, "transform.env.r_COMMIT"),
        ({"transform": {"cmd": ["sh"], "env": {"A": "x" * 200_000}}}, "transform.env.A"),
        ({"transform": {"cmd": ["sh", "x" * 200_000]}}, "transform.cmd[1]"),
        ({"transform": {"cmd": ["sh", *["x" * 99_000] * 11]}}, "transform.cmd[11]"),
        ({"transform": {"cmd": ["sh"], "err_stdin": ["true"]}}, "transform.err_stdin"),
        ({"transform": {"cmd": ["sh"], "user": "-v/:/host"}}, "transform.user"),
        (
            {"transform": {"cmd": ["sh"], "overwrite": True}, "output_merge": "append"},
            "transform.overwrite",
        ),
        ({"parallelism_spec": {"constant": 2, "coefficient": 2}}, "parallelism_spec.constant"),
        (
            {"parallelism_spec": {"strategy": "CONSTANT", "coefficient": 2}},
            "parallelism_spec.coefficient",
        ),
        ({"resource_limits": {"memory": "1"}}, "resource_limits.memory"),
        ({"resource_limits": {"cpu": 0.001}}, "resource_limits.cpu"),
        ({"resource_limits": {"gpu": {"number": 1}}}, "resource_limits.gpu"),
        *[
            (
                {"input": {"join": [{"pfs": {"repo": "r", "glob": glob, "join_on": "$1"}}]}},
                "input.join[0].pfs.glob",
            )
            for glob in ("/*(a|b)-(*)", "/+(a)-(*)", "/(*)-!(a)")
        ],
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        pipeline_of(spec(**changes))
    assert field in caught.value.field
    assert caught.value.message


def test_the_words_of_a_field_are_told() -> None:
    for changes, words in (
        ({"reprocess_spec": "never"}, "every_job, until_success"),
        ({"output_merge": "maybe"}, "append, refuse, overwrite"),
        ({"transform": {"cmd": ["sh"], "network": "host"}}, "bridge, none"),
        ({"parallelism_spec": {"strategy": "MANY"}}, "CONSTANT, COEFFICIENT"),
    ):
        with pytest.raises(InvalidSpecError) as caught:
            pipeline_of(spec(**changes))
        assert sorted(words.split(", ")) == sorted(
            caught.value.hint.removeprefix("one of: ").split(", ")
        )


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "[]", "5", '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000, "1" * 10_000, '{"a":'],
)
def test_text_that_is_no_spec(text: str) -> None:
    with pytest.raises(InvalidSpecError):
        parse_specs(text)


def test_old_methods_and_their_names() -> None:
    def old(method: str) -> dict[str, Any]:
        inputs = [{"repo": {"name": "r"}, "method": method}]
        return {"pipeline": {"name": "p"}, "transform": {"cmd": ["sh"]}, "inputs": inputs}

    assert pipeline_of(old("reduce")).inputs[0].glob == "/*"
    assert pipeline_of(old("global")).inputs[0].glob == "/"
    assert pipeline_of(old("map")).inputs[0].cut == Cut.LINES
    assert pipeline_of(old("incremental_reduce")).inputs[0].incremental == Incremental.DIFF
    with pytest.raises(InvalidSpecError) as caught:
        pipeline_of(old("shuffle"))
    assert caught.value.field == "inputs[0].method"
    assert "reduce" in caught.value.hint


def test_methods_in_two_words() -> None:
    def old(**method: Any) -> Any:
        inputs = [{"repo": {"name": "r"}, "method": method, "runEmpty": True, "lazy": True}]
        document = {"pipeline": {"name": "p"}, "transform": {"cmd": ["sh"]}, "inputs": inputs}
        return pipeline_of(document)

    made = old(partition="FILE", incremental="DIFF")
    assert made.inputs[0].incremental == Incremental.DIFF
    assert made.inputs[0].run_empty
    assert made.notes == ("inputs[0].lazy means nothing on one machine, and is passed over",)
    assert old(partition="REPO").inputs[0].glob == "/"
    assert old(partition="BLOCK", incremental="DIFF").inputs[0].cut == Cut.LINES


def test_inputs_nest() -> None:
    left, right = ({"pfs": {"repo": r, "glob": "/(*).csv", "join_on": "$1"}} for r in "lr")
    document = spec(
        input={"cross": [{"join": [left, right]}, {"cron": {"name": "t", "spec": "@every 60s"}}]}
    )
    pipeline = pipeline_of(document)
    assert [item.repo for item in pipeline.inputs] == ["l", "r", "p_t"]
    assert pipeline.combined == Combination("cross", (Combination("join", (0, 1)), 2))


def test_the_same_as_typed_objects() -> None:
    typed = PipelineSpec(
        pipeline=PipelineName(name="p"),
        transform=TransformSpec(cmd=["sh"]),
        input=InputSpec(pfs=PfsInput(repo="r", glob="/*")),
    )
    assert pipeline_of(typed).inputs == pipeline_of(spec()).inputs
    assert pipeline_schema()["$defs"]["PfsInput"]["properties"]["glob"] == {"type": "string"}
