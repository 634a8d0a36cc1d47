"""Names of environment variables: what may be one, and which mean something already."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")

_OF_PROGRAMS: Final = re.compile(
    r"(?:PATH|CDPATH|HOME|LANG|LANGUAGE|PWD|OLDPWD|SHELL|USER|LOGNAME|HOSTNAME|TMPDIR|TZ|TERM|IFS"
    r"|ENV|SHELLOPTS|PS[0-4]|(?:LD|LC|BASH|GCONV|MALLOC)_.*|(?:PYTHON|PERL5|RUBY|NODE_).*)"
)
"""Those that change how a shell, the C library or an interpreter works."""


def is_variable_name(name: str) -> bool:
    """Whether a variable may have the name; the rule is that of Kubernetes."""
    return _NAME.fullmatch(name) is not None


def tells_of_jobs(name: str) -> bool:
    """Whether a variable is of those that every job gives its commands."""
    return name.startswith(("PACH_", "PPS_"))


def meaning_of(name: str) -> str:
    """What a variable of a name means to every command; empty when nothing.

    An input has a variable of its own name, which must not change how its command runs.
    """
    if tells_of_jobs(name):
        return "variables of that kind tell about the job"
    return "it changes how programs run" if _OF_PROGRAMS.fullmatch(name) else ""


def of_inputs(names: Iterable[str]) -> dict[str, str]:
    """The variables that inputs have, each with its input; if of two, that whose commit it is."""
    known = list(names)
    return {name: name for name in known} | {f"{name}_COMMIT": name for name in known}
