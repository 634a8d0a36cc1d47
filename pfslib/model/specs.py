"""Pipeline specs: JSON text in, Pipeline records out; the 1.3 form and the modern one.

Every field is known, refused by name, or an error: none is ignored in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from pfslib.model.errors import InvalidGlobError, InvalidNameError, InvalidSpecError, near_miss
from pfslib.model.globs import compile_glob
from pfslib.model.names import check_name
from pfslib.model.work import Input, Merge, Pipeline, Transform

SPEC_BYTES_MAX: Final = 1 << 20
TRIES_MAX: Final = 1000
PARALLELISM_MAX: Final = 1000
DURATION_MAX_S: Final = 366 * 24 * 3600
_DEPTH_MAX: Final = 32
_RESERVED_INPUTS: Final = frozenset({"out", "prev"})

_METHODS: Final = {"reduce": "/*", "global": "/"}
"""1.3's methods as globs: whole top-level entries, or the whole repo."""

_NOT_YET: Final = {
    "egress", "service", "spout", "gc_policy", "resource_requests", "resource_limits",
    "sidecar_resource_limits", "datum_set_spec", "job_timeout", "salt", "reprocess_spec",
    "autoscaling", "scheduling_spec", "pod_patch", "pod_spec", "tolerations", "metadata", "s3_out",
    "maximum_expected_uptime", "spec_commit", "chunk_spec", "cache_size", "enable_stats", "standby",
    "secrets", "debug", "overwrite", "err_cmd", "err_stdin", "user", "dockerfile",
    "image_pull_secrets", "memory_volume", "datum_batching", "runEmpty", "run_empty", "lazy",
    "cross", "union", "join", "group", "cron", "join_on", "outer_join", "group_by", "empty_files",
    "s3", "trigger", "project", "repo_type", "commit", "external_port", "internal_port", "update",
    "no_archive", "parent_job", "transform_template",
}  # fmt: skip
"""Pachyderm's other fields: real, but not part of this version."""


class _Doc(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object of a spec."""


class _NameDoc(_Doc, kw_only=True, forbid_unknown_fields=True):
    name: str


class _TransformDoc(_Doc, kw_only=True, forbid_unknown_fields=True):
    cmd: list[str] = []
    image: str = ""
    stdin: list[str] = []
    env: dict[str, str] = {}
    accept_return_code: list[int] = []
    working_dir: str = ""


class _ParallelismDoc(_Doc, kw_only=True, forbid_unknown_fields=True):
    strategy: str = ""
    constant: int = 0
    coefficient: float = 0.0


class _OldInputDoc(_Doc, kw_only=True, forbid_unknown_fields=True):
    repo: _NameDoc
    method: str = "map"


class _PfsDoc(_Doc, kw_only=True, forbid_unknown_fields=True):
    repo: str
    branch: str = "master"
    glob: str
    name: str = ""


class _InputDoc(_Doc, kw_only=True, forbid_unknown_fields=True):
    pfs: _PfsDoc | None = None


class _SpecDoc(_Doc, kw_only=True, forbid_unknown_fields=True):
    pipeline: _NameDoc
    transform: _TransformDoc
    description: str = ""
    parallelism_spec: _ParallelismDoc = msgspec.field(default_factory=_ParallelismDoc)
    inputs: list[_OldInputDoc] | None = None
    input: _InputDoc | None = None
    datum_tries: int = 3
    datum_timeout: str = ""
    output_branch: str = ""
    output_merge: str = ""


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
    """The pipeline that one JSON document, already decoded, describes.

    Raises:
        InvalidSpecError: It is not a spec; says which field and what is allowed.
    """
    if not isinstance(document, Mapping):
        raise InvalidSpecError("a JSON object is needed")
    _refuse_not_yet(document, "", 0)
    _check_texts(document, "")
    doc = _convert(document)
    name = _checked_name("pipeline", doc.pipeline.name, "pipeline.name")
    if not doc.transform.cmd:
        raise InvalidSpecError(
            "a command is needed", field="transform.cmd", hint='for instance "cmd": ["sh"]'
        )
    old_form = doc.inputs is not None
    inputs = tuple(_old_inputs(doc)) if old_form else tuple(_inputs(doc))
    if any(item.repo == name for item in inputs):
        raise InvalidSpecError(
            f"repo {name} is the pipeline's own output", field="inputs" if old_form else "input"
        )
    merge = doc.output_merge or (Merge.APPEND if old_form else Merge.REFUSE)
    if merge not in set(Merge):
        raise InvalidSpecError(f"{merge!r} is not one of {', '.join(Merge)}", field="output_merge")
    _check_range(doc.datum_tries, 1, TRIES_MAX, "datum_tries")
    for number, code in enumerate(doc.transform.accept_return_code):
        _check_range(code, 0, 255, f"transform.accept_return_code[{number}]")
    if not doc.transform.cmd[0]:
        raise InvalidSpecError("the name of a program is needed", field="transform.cmd[0]")
    for variable in doc.transform.env:
        if not variable or "=" in variable:
            raise InvalidSpecError(f"{variable!r} is no name of a variable", field="transform.env")
    return Pipeline(
        name=name,
        transform=Transform(
            cmd=tuple(doc.transform.cmd),
            image=doc.transform.image,
            stdin=tuple(doc.transform.stdin),
            env=tuple(sorted(doc.transform.env.items())),
            accept_return_code=tuple(doc.transform.accept_return_code),
            working_dir=_absolute(doc.transform.working_dir),
        ),
        inputs=inputs,
        parallelism=_parallelism(doc.parallelism_spec),
        datum_tries=doc.datum_tries,
        datum_timeout_s=_duration(doc.datum_timeout, "datum_timeout"),
        output_branch=_output_branch(doc, old_form=old_form),
        output_merge=merge,
        every_commit=old_form,
        description=doc.description,
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


def _check_range(number: float, low: int, high: int, field: str) -> None:
    if not low <= number <= high:
        raise InvalidSpecError(f"{number} is not between {low} and {high}", field=field)


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


def _refuse_not_yet(value: object, path: str, depth: int) -> None:
    """Refuse what Pachyderm knows and this version does not, naming it."""
    if depth > _DEPTH_MAX:
        raise InvalidSpecError("it is nested too deeply")
    if isinstance(value, Mapping):
        for key, below in value.items():
            where = f"{path}.{key}" if path else str(key)
            if path.endswith("env"):
                continue
            if key in _NOT_YET:
                raise InvalidSpecError(
                    "this version of pfslib does not support the field", field=where
                )
            _refuse_not_yet(below, where, depth + 1)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            _refuse_not_yet(below, f"{path}[{number}]", depth + 1)


def _convert(document: Mapping[str, object]) -> _SpecDoc:
    renamed = dict(document)
    transform = renamed.get("transform")
    if isinstance(transform, Mapping) and "acceptReturnCode" in transform:
        transform = dict(transform)
        transform["accept_return_code"] = transform.pop("acceptReturnCode")
        renamed["transform"] = transform
    try:
        # Not strict: the 1.3 form writes numbers as strings ("constant": "1").
        return msgspec.convert(renamed, _SpecDoc, strict=False)
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `")
        field = where.rstrip("`").removeprefix("$").removeprefix(".")
        raise InvalidSpecError(_plainly(why), field=field, hint=_known_fields(why)) from error


def _plainly(why: str) -> str:
    """The sentence of msgspec's in the words of JSON."""
    return why.replace("Object contains unknown field", "unknown field").replace(
        "Object missing required field", "missing field"
    )


def _known_fields(why: str) -> str:
    if "unknown field" not in why:
        return ""
    unknown = why.split("`")[1]
    known = {
        field
        for doc in (_SpecDoc, _TransformDoc, _ParallelismDoc, _OldInputDoc, _PfsDoc, _InputDoc)
        for field in doc.__struct_fields__
    }
    return near_miss(unknown, known) or f"known fields: {', '.join(sorted(known))}"


def _old_inputs(doc: _SpecDoc) -> Iterator[Input]:
    assert doc.inputs is not None
    if doc.input is not None:
        raise InvalidSpecError("give `input` or `inputs`, not both", field="input")
    if not doc.inputs:
        raise InvalidSpecError("at least one input is needed", field="inputs")
    seen: set[str] = set()
    for number, item in enumerate(doc.inputs):
        field = f"inputs[{number}]"
        repo = _checked_name("repo", item.repo.name, f"{field}.repo.name")
        if repo in seen:
            raise InvalidSpecError(f"repo {repo} is an input twice", field=f"{field}.repo.name")
        if repo in _RESERVED_INPUTS:
            raise InvalidSpecError(
                f"/pfs/{repo} means something else: a repo of that name cannot be an input",
                field=f"{field}.repo.name",
            )
        seen.add(repo)
        if item.method not in _METHODS:
            raise InvalidSpecError(
                f"method {item.method!r} is not supported",
                field=f"{field}.method",
                hint=f"one of: {', '.join(_METHODS)}",
            )
        yield Input(name=repo, repo=repo, branch="", glob=_METHODS[item.method])


def _inputs(doc: _SpecDoc) -> Iterator[Input]:
    pfs = doc.input.pfs if doc.input is not None else None
    if pfs is None:
        raise InvalidSpecError(
            "an input is needed",
            field="input",
            hint='for instance "input": {"pfs": {"repo": "data", "glob": "/*"}}',
        )
    repo = _checked_name("repo", pfs.repo, "input.pfs.repo")
    branch = _checked_name("branch", pfs.branch, "input.pfs.branch")
    name = _checked_name("input", pfs.name or repo, "input.pfs.name")
    if name in _RESERVED_INPUTS:
        raise InvalidSpecError(f"/pfs/{name} means something else", field="input.pfs.name")
    try:
        compile_glob(pfs.glob)
    except InvalidGlobError as error:
        raise InvalidSpecError(error.message, field="input.pfs.glob") from error
    yield Input(name=name, repo=repo, branch=branch, glob=pfs.glob)


def _checked_name(kind: str, name: str, field: str) -> str:
    try:
        return check_name(kind, name)
    except InvalidNameError as error:
        raise InvalidSpecError(error.message, field=field, hint=error.hint) from error


def _absolute(path: str) -> str:
    if path and not path.startswith("/"):
        raise InvalidSpecError("an absolute path is needed", field="transform.working_dir")
    return path


def _parallelism(doc: _ParallelismDoc) -> int:
    if doc.strategy not in {"", "CONSTANT", "COEFFICIENT"}:
        raise InvalidSpecError(
            f"{doc.strategy!r} is not CONSTANT or COEFFICIENT", field="parallelism_spec.strategy"
        )
    _check_range(doc.constant, 0, PARALLELISM_MAX, "parallelism_spec.constant")
    _check_range(doc.coefficient, 0, PARALLELISM_MAX, "parallelism_spec.coefficient")
    # One machine is one node: a coefficient of containers per node is a constant.
    return max(doc.constant or int(doc.coefficient), 1)


def _output_branch(doc: _SpecDoc, *, old_form: bool) -> str:
    if doc.output_branch:
        return _checked_name("branch", doc.output_branch, "output_branch")
    return "" if old_form else "master"


_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _duration(text: str, field: str) -> float:
    """Seconds of a duration such as 90s, 1h30m, 500ms; 0 for none."""
    total, number = 0.0, ""
    rest = text.strip()
    while rest:
        if rest[0].isdigit() or rest[0] == ".":
            number, rest = number + rest[0], rest[1:]
            continue
        unit = "ms" if rest.startswith("ms") else rest[0]
        try:
            total += float(number) * _UNITS_S[unit]
        except (KeyError, ValueError):
            raise InvalidSpecError(
                f"{text!r} is no duration", field=field, hint="write 90s, 5m or 1h30m"
            ) from None
        number, rest = "", rest[len(unit) :]
    if number:
        raise InvalidSpecError(f"{text!r} lacks a unit", field=field, hint="write 90s, 5m or 1h30m")
    if total > DURATION_MAX_S:
        raise InvalidSpecError(f"{text!r} is longer than a year", field=field)
    return total
