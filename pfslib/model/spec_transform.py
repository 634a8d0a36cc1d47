"""What a spec says of its command, to a record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from pfslib.model.errors import InvalidSpecError
from pfslib.model.inputs import Input
from pfslib.model.spec_form import PipelineSpec, TransformSpec
from pfslib.model.spec_numbers import in_range, limit_of, size_of
from pfslib.model.variable_names import is_variable_name, of_inputs, tells_of_jobs
from pfslib.model.work import Transform

CPU_MIN: Final = 0.01
CPU_MAX: Final = 4096
MEMORY_MIN: Final = 6 << 20
"""Below, Docker refuses, and nothing starts."""

MEMORY_MAX: Final = 1 << 50
TEXT_BYTES_MAX: Final = 100_000
TEXTS_BYTES_MAX: Final = 1_000_000


def transform_of(spec: PipelineSpec, inputs: Sequence[Input]) -> Transform:
    """The command that a spec describes.

    Raises:
        InvalidSpecError: Says which field is wrong.
    """
    transform = spec.transform
    if not transform.cmd:
        raise InvalidSpecError(
            "a command is needed", field="transform.cmd", hint='for instance "cmd": ["sh"]'
        )
    for field in ("cmd", "err_cmd"):
        command = getattr(transform, field)
        if command and not command[0]:
            raise InvalidSpecError("the name of a program is needed", field=f"transform.{field}[0]")
    for number, code in enumerate(transform.accept_return_code):
        in_range(code, 0, 255, f"transform.accept_return_code[{number}]")
    if transform.err_stdin and not transform.err_cmd:
        raise InvalidSpecError("there is no err_cmd to read it", field="transform.err_stdin")
    _check_env(transform.env, [item.name for item in inputs])
    _check_size(transform)
    limits = spec.resource_limits
    return Transform(
        cmd=tuple(transform.cmd),
        image=_image(transform.image),
        stdin=tuple(transform.stdin),
        env=tuple(sorted(transform.env.items())),
        accept_return_code=tuple(transform.accept_return_code),
        working_dir=_absolute(transform.working_dir),
        user=_user(transform.user),
        err_cmd=tuple(transform.err_cmd),
        err_stdin=tuple(transform.err_stdin),
        network=transform.network != "none",
        cpu_limit=limit_of(limits.cpu, CPU_MIN, CPU_MAX, "resource_limits.cpu"),
        memory_limit=int(
            limit_of(
                size_of(limits.memory, "resource_limits.memory"),
                *(MEMORY_MIN, MEMORY_MAX, "resource_limits.memory"),
            )
        ),
    )


def _check_env(env: Mapping[str, str], inputs: Sequence[str]) -> None:
    ours = of_inputs(inputs)
    for name in env:
        field = f"transform.env.{name}"
        if not is_variable_name(name):
            raise InvalidSpecError(
                f"{name!r} is no name of a variable",
                field="transform.env",
                hint="letters, digits, '_', '.' and '-'; no digit first",
            )
        if tells_of_jobs(name):
            raise InvalidSpecError("that variable tells about the job", field=field)
        if name in ours:
            raise InvalidSpecError(
                f"that variable tells about input {ours[name]}",
                field=field,
                hint="give the variable, or with `name` the input, another name",
            )


def _check_size(transform: TransformSpec) -> None:
    """Refuse what the kernel would not start."""
    texts = [(f"transform.cmd[{n}]", word) for n, word in enumerate(transform.cmd)]
    texts += [(f"transform.err_cmd[{n}]", word) for n, word in enumerate(transform.err_cmd)]
    texts += [(f"transform.env.{name}", f"{name}={text}") for name, text in transform.env.items()]
    left = TEXTS_BYTES_MAX
    for field, text in texts:
        size = len(text.encode())
        left -= size
        if size > TEXT_BYTES_MAX or left < 0:
            raise InvalidSpecError(
                f"the kernel starts nothing of more than {TEXT_BYTES_MAX} bytes in an argument or"
                f" variable, or {TEXTS_BYTES_MAX} in all",
                field=field,
                hint="give it by transform.stdin, or as an input",
            )


_USER: Final = re.compile(
    r"(?:[a-z_][a-z0-9_.-]*|[0-9]{1,9})(?::(?:[a-z_][a-z0-9_.-]*|[0-9]{1,9}))?"
)


def _user(user: str) -> str:
    if user and not _USER.fullmatch(user):
        raise InvalidSpecError(
            f"{user!r} is no user",
            field="transform.user",
            hint="a name or number; with :group, if wanted",
        )
    return user


_IMAGE: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")


def _image(image: str) -> str:
    """A name that an engine would take: what it would refuse later is refused now."""
    if image and not (_IMAGE.fullmatch(image) or _IMAGE_ID.fullmatch(image)):
        raise InvalidSpecError(
            f"{image!r} is no name of an image",
            field="transform.image",
            hint="such as python:3.12, or registry/name:tag; names are in lower case",
        )
    return image


def _absolute(path: str) -> str:
    if path and not path.startswith("/"):
        raise InvalidSpecError("an absolute path is needed", field="transform.working_dir")
    return path
