"""Pipeline specs: JSON text in, Pipeline records out; the 1.3 form and the modern one.

Every field is known, said to mean nothing here, refused by name, or an error: none is ignored in
silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec.inspect import LiteralType, StructType, UnionType, type_info

from pfslib.model.errors import InvalidSpecError, near_miss
from pfslib.model.spec_form import (
    NOTED,
    REFUSED,
    EgressSpec,
    ParallelismSpec,
    PipelineSpec,
    SpecPart,
)
from pfslib.model.spec_inputs import checked_name, inputs_of
from pfslib.model.spec_numbers import duration_of, in_range
from pfslib.model.spec_transform import transform_of
from pfslib.model.work import Merge, Pipeline

SPEC_BYTES_MAX: Final = 1 << 20
TRIES_MAX: Final = 1000
PARALLELISM_MAX: Final = 1000
_DEPTH_MAX: Final = 32
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_FREE: Final = frozenset({"env", "transform.env"})
"""Objects whose fields are the user's own."""


def parse_specs(text: str) -> list[Pipeline]:
    """The pipelines of a file: one JSON document, or several one after another.

    Raises:
        InvalidSpecError: Not JSON (says where), or not a spec (says which field).
    """
    if len(text) > SPEC_BYTES_MAX:
        raise InvalidSpecError(f"larger than {SPEC_BYTES_MAX} characters")
    pipelines = [pipeline_of(document) for document in _documents(text)]
    if not pipelines:
        raise InvalidSpecError("the file is empty", hint="give a JSON object, as in the README")
    return pipelines


def pipeline_of(document: object) -> Pipeline:
    """The pipeline that one document describes: a decoded JSON object, or a `PipelineSpec`.

    Raises:
        InvalidSpecError: It is not a spec; says which field and what is allowed.
    """
    if isinstance(document, PipelineSpec):
        document = msgspec.to_builtins(document)
    if not isinstance(document, Mapping):
        raise InvalidSpecError("a JSON object is needed")
    notes: list[str] = []
    _check_texts(document, "")
    spec = _convert(_known_fields(document, "", notes, 0))
    name = checked_name("pipeline", spec.pipeline.name, "pipeline.name")
    inputs, combined = inputs_of(spec)
    if any(item.repo == name for item in inputs):
        raise InvalidSpecError(
            f"repo {name} is the pipeline's own output",
            field="input" if spec.inputs is None else "inputs",
        )
    is_old = spec.inputs is not None
    return Pipeline(
        name=name,
        transform=transform_of(spec, inputs),
        inputs=inputs,
        combined=combined,
        parallelism=_parallelism(spec.parallelism_spec),
        datum_tries=int(in_range(spec.datum_tries, 1, TRIES_MAX, "datum_tries")),
        datum_timeout_s=duration_of(spec.datum_timeout, "datum_timeout"),
        job_timeout_s=duration_of(spec.job_timeout, "job_timeout"),
        output_branch=_output_branch(spec),
        output_merge=_merge(spec),
        every_commit=is_old,
        every_job=spec.reprocess_spec == "every_job",
        salt=spec.salt,
        egress=_egress(spec.egress),
        description=spec.description,
        notes=tuple(notes),
        spec=json.dumps(document, ensure_ascii=False),
    )


def _check_texts(value: object, path: str) -> None:
    """Refuse text that nothing outside of JSON can hold: lone surrogates, NUL."""
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidSpecError("it holds a NUL character", field=path)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidSpecError("it cannot be encoded as UTF-8", field=path) from None
    elif isinstance(value, Mapping):
        for key, below in value.items():
            _check_texts(key, path or "(a field's name)")
            _check_texts(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for number, below in enumerate(value):
            _check_texts(below, f"{path}[{number}]")


def _documents(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise InvalidSpecError(_with_caret(text, error)) from error
        except RecursionError as error:
            raise InvalidSpecError("it is nested too deeply") from error
        except ValueError as error:
            if isinstance(error, InvalidSpecError):
                raise
            raise InvalidSpecError(str(error)) from error  # a number of too many digits
        yield document


def _with_caret(text: str, error: json.JSONDecodeError) -> str:
    line = text.split("\n")[error.lineno - 1]
    # Tabs would put the caret in the wrong place.
    before = line[: error.colno - 1].expandtabs(4)
    shown = line.expandtabs(4)
    return (
        f"not JSON, line {error.lineno}, column {error.colno}: {error.msg}\n"
        f"    {shown}\n    {' ' * len(before)}^"
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidSpecError("the field is given twice", field=key)
        found[key] = value
    return found


def _no_constant(text: str) -> object:
    raise InvalidSpecError(f"{text} is not a JSON number")


def _known_fields(value: object, path: str, notes: list[str], depth: int) -> Any:  # noqa: ANN401 - JSON
    """The document with fields in snake case, those left out that mean nothing here.

    Raises:
        InvalidSpecError: A field of Pachyderm's that cannot be had.
    """
    if depth > _DEPTH_MAX:
        raise InvalidSpecError("it is nested too deeply")
    if isinstance(value, list | tuple):
        return [
            _known_fields(below, f"{path}[{number}]", notes, depth + 1)
            for number, below in enumerate(value)
        ]
    if not isinstance(value, Mapping) or path in _FREE:
        return value
    found: dict[str, object] = {}
    for given, below in value.items():
        key = given if given == "URL" else _CAMEL.sub(r"_\1", str(given)).lower()
        where = f"{path}.{given}" if path else str(given)
        if key in REFUSED and below is not None and below is not False:
            raise InvalidSpecError(REFUSED[key], field=where)
        if key in found:
            raise InvalidSpecError("the field is given twice", field=where)
        if key in REFUSED:
            continue  # it asks for nothing
        if key in NOTED:
            notes.append(f"{where} means nothing on one machine, and is passed over")
        else:
            found[key] = _known_fields(
                below, where if path or key != given else key, notes, depth + 1
            )
    return found


def _convert(document: Mapping[str, object]) -> PipelineSpec:
    try:
        # Not strict: the 1.3 form writes numbers as strings ("constant": "1").
        return msgspec.convert(document, PipelineSpec, strict=False)
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `")
        field = where.rstrip("`").removeprefix("$").removeprefix(".")
        raise InvalidSpecError(
            _plainly(why), field=field, hint=_near_fields(why) or _allowed(field)
        ) from error


def _plainly(why: str) -> str:
    """The sentence of msgspec's in the words of JSON."""
    return why.replace("Object contains unknown field", "unknown field").replace(
        "Object missing required field", "missing field"
    )


def _near_fields(why: str) -> str:
    if "unknown field" not in why:
        return ""
    unknown = why.split("`")[1]
    known = {field for part in SpecPart.__subclasses__() for field in part.__struct_fields__}
    return near_miss(unknown, known) or "`pfs schema pipeline` prints all fields"


def _allowed(field: str) -> str:
    """The words that a field may hold, as a hint; empty if it may hold others."""
    name = field.rpartition(".")[2]
    specs = map(type_info, SpecPart.__subclasses__())
    parts = (part for spec in specs if isinstance(spec, StructType) for part in spec.fields)
    kinds = [part.type for part in parts if part.encode_name == name]
    kinds += [inner for kind in kinds if isinstance(kind, UnionType) for inner in kind.types]
    words = [word for kind in kinds if isinstance(kind, LiteralType) for word in kind.values]
    return f"one of: {', '.join(map(str, filter(None, words)))}" if words else ""


# --- fields ----------------------------------------------------------------------------------


def _parallelism(spec: ParallelismSpec) -> int:
    for key, other in (("constant", "coefficient"), ("coefficient", "constant")):
        if getattr(spec, key) and (getattr(spec, other) or spec.strategy == other.upper()):
            raise InvalidSpecError(
                f"it does not go with {other}", field=f"parallelism_spec.{key}", hint="give one"
            )
    in_range(spec.constant, 0, PARALLELISM_MAX, "parallelism_spec.constant")
    in_range(spec.coefficient, 0, PARALLELISM_MAX, "parallelism_spec.coefficient")
    # One machine is one node: a coefficient of containers per node is a constant.
    return max(spec.constant or int(spec.coefficient), 1)


def _merge(spec: PipelineSpec) -> str:
    if spec.transform.overwrite and spec.output_merge not in {"", Merge.OVERWRITE}:
        raise InvalidSpecError(
            f"output_merge says {spec.output_merge}: give one", field="transform.overwrite"
        )
    if spec.output_merge:
        return spec.output_merge
    if spec.transform.overwrite:
        return Merge.OVERWRITE
    return Merge.REFUSE if spec.inputs is None else Merge.APPEND


def _output_branch(spec: PipelineSpec) -> str:
    if spec.output_branch:
        return checked_name("branch", spec.output_branch, "output_branch")
    return "master" if spec.inputs is None else ""


def _egress(spec: EgressSpec | None) -> str:
    if spec is None:
        return ""
    path = spec.url.removeprefix("file://")
    if not spec.url.startswith("file:///") or any(part == ".." for part in path.split("/")):
        raise InvalidSpecError(
            f"{spec.url!r} is no directory of this machine",
            field="egress.URL",
            hint="write file:///directory",
        )
    return path
