"""The inputs of a spec, in either form, to records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from pfslib.model.captures import captures_of
from pfslib.model.durations import bytes_of
from pfslib.model.errors import InvalidGlobError, InvalidNameError, InvalidSpecError
from pfslib.model.globs import compile_glob
from pfslib.model.inputs import Combination, Cron, Cut, How, Incremental, Input, Trigger
from pfslib.model.names import check_name
from pfslib.model.spec_form import (
    CronInput,
    InputSpec,
    OldInput,
    OldMethod,
    PfsInput,
    PipelineSpec,
    TriggerSpec,
)
from pfslib.model.ticks import check_schedule
from pfslib.model.variable_names import meaning_of, of_inputs

_RESERVED: Final = frozenset({"out", "prev"})

_OTHER_NAME: Final = (
    'any other name, such as "data"; in the 1.3 form, inputs are called as repos are'
)

_METHODS: Final = {
    "map": OldMethod(partition="BLOCK", incremental="NONE"),
    "reduce": OldMethod(partition="FILE", incremental="NONE"),
    "global": OldMethod(partition="REPO", incremental="NONE"),
    "incremental_reduce": OldMethod(partition="FILE", incremental="DIFF"),
}
"""1.3's names for its methods. `map` is not incremental here: lines are skipped, not hidden."""

_GLOBS: Final = {"BLOCK": "/**", "FILE": "/*", "REPO": "/"}

Inputs = tuple[tuple[Input, ...], Combination | None]


def inputs_of(spec: PipelineSpec) -> Inputs:
    """The inputs that a spec names, one by one, and how they are combined.

    Raises:
        InvalidSpecError: Says which field is wrong.
    """
    if spec.inputs is not None:
        if spec.input is not None:
            raise InvalidSpecError("give `input` or `inputs`, not both", field="input")
        inputs = tuple(_old_inputs(spec.inputs))
        _check_variables([(item, f"inputs[{n}].repo.name") for n, item in enumerate(inputs)])
        return inputs, None
    if spec.input is None:
        raise InvalidSpecError(
            "an input is needed",
            field="input",
            hint='for instance "input": {"pfs": {"repo": "data", "glob": "/*"}}',
        )
    reader = _Reader(spec.pipeline.name)
    whole = reader.read(spec.input, "input")
    _check_variables(list(zip(reader.inputs, reader.name_fields, strict=True)))
    return tuple(reader.inputs), whole if isinstance(whole, Combination) else None


def checked_name(kind: str, name: str, field: str) -> str:
    """A name that is one.

    Raises:
        InvalidSpecError: It is none.
    """
    try:
        return check_name(kind, name)
    except InvalidNameError as error:
        raise InvalidSpecError(error.message, field=field, hint=error.hint) from error


# --- 1.3 -------------------------------------------------------------------------------------


def _old_inputs(inputs: Sequence[OldInput]) -> Iterator[Input]:
    if not inputs:
        raise InvalidSpecError("at least one input is needed", field="inputs")
    seen: set[str] = set()
    for number, item in enumerate(inputs):
        field = f"inputs[{number}]"
        repo = checked_name("repo", item.repo.name, f"{field}.repo.name")
        if repo in seen:
            raise InvalidSpecError(f"repo {repo} is an input twice", field=f"{field}.repo.name")
        _check_free(repo, f"{field}.repo.name")
        seen.add(repo)
        method = _method(item.method, f"{field}.method")
        incremental = _incremental(method)
        lines = method.partition == "BLOCK" and not incremental
        yield Input(
            name=repo,
            repo=repo,
            branch="",
            glob=_GLOBS[method.partition],
            cut=Cut.LINES if lines else Cut.WHOLE,
            incremental=incremental,
            run_empty=item.run_empty,
        )


def _method(method: str | OldMethod, field: str) -> OldMethod:
    if isinstance(method, OldMethod):
        return method
    if method not in _METHODS:
        raise InvalidSpecError(
            f"there is no method {method!r}", field=field, hint=f"one of: {', '.join(_METHODS)}"
        )
    return _METHODS[method]


def _incremental(method: OldMethod) -> Incremental:
    if method.incremental in {"FULL", "FILE"}:
        return Incremental.FULL
    if method.incremental in {False, "NONE"} or method.partition == "BLOCK":
        return Incremental.NONE
    return Incremental.DIFF


# --- the modern form -------------------------------------------------------------------------


class _Reader:
    """Reads inputs nested in each other; collects those that are repos."""

    def __init__(self, pipeline: str) -> None:
        self.inputs: list[Input] = []
        self.name_fields: list[str] = []
        """Of each input, where its name stands."""

        self._pipeline = pipeline

    def read(
        self, spec: InputSpec, field: str, within: frozenset[How] = frozenset()
    ) -> int | Combination:
        """The number of an input, or a combination of several; within combinations of kinds."""
        kinds = [kind for kind in InputSpec.__struct_fields__ if getattr(spec, kind) is not None]
        if len(kinds) != 1:
            given = " and ".join(kinds) or "none"
            raise InvalidSpecError(
                f"one of {', '.join(InputSpec.__struct_fields__)} is needed, {given} is given",
                field=field,
            )
        where = f"{field}.{kinds[0]}"
        if spec.pfs is not None:
            _check_combined(spec.pfs, within, where)
            return self._add(_pfs(spec.pfs, where), where)
        if spec.cron is not None:
            return self._add(self._cron(spec.cron, where), where)
        return self._combination(How(kinds[0]), getattr(spec, kinds[0]), where, within)

    def _combination(
        self, how: How, parts: Sequence[InputSpec], field: str, within: frozenset[How]
    ) -> Combination:
        if not parts:
            raise InvalidSpecError("at least one input is needed", field=field)
        read: list[int | Combination] = []
        names: set[str] = set()
        for number, part in enumerate(parts):
            where, before = f"{field}[{number}]", len(self.inputs)
            read.append(self.read(part, where, within | {how}))
            below = self.inputs[before:]
            self._check_keys(how, below, where)
            if how != How.UNION:
                twice = names.intersection(item.name for item in below)
                if twice:
                    raise InvalidSpecError(
                        f"/pfs/{min(twice)} would be two inputs", field=where, hint="give a `name`"
                    )
                names.update(item.name for item in below)
        return Combination(how, tuple(read))

    def _check_keys(self, how: How, inputs: Sequence[Input], field: str) -> None:
        if how == How.JOIN and not any(item.join_on for item in inputs):
            raise InvalidSpecError(
                "an input that is joined needs `join_on`", field=field, hint='such as "$1"'
            )
        if how == How.GROUP and not any(item.group_by for item in inputs):
            raise InvalidSpecError(
                "an input that is grouped needs `group_by`", field=field, hint='such as "$1"'
            )

    def _add(self, item: Input, field: str) -> int:
        _check_free(item.name, f"{field}.name")
        self.inputs.append(item)
        self.name_fields.append(f"{field}.name")
        return len(self.inputs) - 1

    def _cron(self, spec: CronInput, field: str) -> Input:
        name = checked_name("input", spec.name, f"{field}.name")
        repo = checked_name("repo", spec.repo or f"{self._pipeline}_{name}", f"{field}.repo")
        _check_schedule(spec.spec, f"{field}.spec")
        cron = Cron(spec.spec, _time_ns(spec.start, f"{field}.start"), overwrite=spec.overwrite)
        return Input(name=name, repo=repo, branch="master", glob="/*", cron=cron)


def _check_combined(spec: PfsInput, within: frozenset[How], field: str) -> None:
    """Refuse what would mean nothing where the input stands."""
    for key, how in (("join_on", How.JOIN), ("outer_join", How.JOIN), ("group_by", How.GROUP)):
        if getattr(spec, key) and how not in within:
            raise InvalidSpecError(
                f"it means nothing outside of a {how}",
                field=f"{field}.{key}",
                hint=f'write "input": {{"{how}": [{{"pfs": …}}, …]}}, or leave it out',
            )


def _pfs(spec: PfsInput, field: str) -> Input:
    repo = checked_name("repo", spec.repo, f"{field}.repo")
    branch = checked_name("branch", spec.branch, f"{field}.branch")
    try:
        compile_glob(spec.glob)
        captures = captures_of(spec.glob) if spec.join_on or spec.group_by else None
    except InvalidGlobError as error:
        raise InvalidSpecError(error.message, field=f"{field}.glob") from error
    for key in ("join_on", "group_by"):
        template = getattr(spec, key)
        wrong = captures.check_template(template) if captures and template else ""
        if wrong:
            raise InvalidSpecError(
                wrong, field=f"{field}.{key}", hint='for instance "glob": "/(*).csv" and "$1"'
            )
    return Input(
        name=checked_name("input", spec.name or repo, f"{field}.name"),
        repo=repo,
        branch=branch,
        glob=spec.glob,
        empty_files=spec.empty_files,
        join_on=spec.join_on,
        outer_join=spec.outer_join,
        group_by=spec.group_by,
        trigger=_trigger(spec.trigger, branch, f"{field}.trigger") if spec.trigger else None,
    )


def _trigger(spec: TriggerSpec, branch: str, field: str) -> Trigger:
    if spec.branch not in {"", branch}:
        raise InvalidSpecError(
            f"the input is of branch {branch}: name the trigger's there", field=f"{field}.branch"
        )
    if spec.commits < 0:
        raise InvalidSpecError("it must not be negative", field=f"{field}.commits")
    try:
        size = bytes_of(spec.size) if spec.size else 0
    except ValueError as error:
        raise InvalidSpecError(str(error), field=f"{field}.size") from error
    if not (size or spec.commits or spec.rate_limit_spec or spec.cron_spec):
        raise InvalidSpecError(
            "a condition is needed", field=field, hint="size, commits, rate_limit_spec, cron_spec"
        )
    for key in ("rate_limit_spec", "cron_spec"):
        if getattr(spec, key):
            _check_schedule(getattr(spec, key), f"{field}.{key}")
    return Trigger(
        size=size,
        commits=spec.commits,
        rate_limit=spec.rate_limit_spec,
        cron=spec.cron_spec,
        every=spec.all,
    )


def _check_schedule(schedule: str, field: str) -> None:
    wrong = check_schedule(schedule)
    if wrong:
        raise InvalidSpecError(f"{schedule!r} is no schedule: {wrong}", field=field)


def _time_ns(text: str, field: str) -> int:
    if not text:
        return 0
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InvalidSpecError(
            f"{text!r} is no RFC 3339 time", field=field, hint="such as 2026-01-31T12:00:00Z"
        )
    return int(time.timestamp()) * 10**9


def _check_free(name: str, field: str) -> None:
    if name in _RESERVED:
        raise InvalidSpecError(
            f"/pfs/{name} means something else: an input cannot be called so",
            field=field,
            hint=_OTHER_NAME,
        )


def _check_variables(inputs: Sequence[tuple[Input, str]]) -> None:
    """Refuse names by which inputs would have variables that mean something else."""
    variables = of_inputs(item.name for item, _ in inputs)
    for item, field in inputs:
        why = meaning_of(item.name)
        if not why and variables[item.name] != item.name:
            why = f"it tells the commit of input {variables[item.name]}"
        if why:
            raise InvalidSpecError(
                f"an input called {item.name} would have that variable, and {why}",
                field=field,
                hint=_OTHER_NAME,
            )
