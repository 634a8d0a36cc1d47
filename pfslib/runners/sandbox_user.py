"""Who a sandboxed command runs as."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import NamedTuple

from pfslib.model.errors import RunnerError


class User(NamedTuple):
    """A user of this machine."""

    user: int
    group: int
    home: str


def user_of(wanted: str) -> User:
    """The user that a spec names: a name or a number, and a group after a colon.

    Raises:
        RunnerError: There is none, or only root could be somebody else.
    """
    name, _, group_name = wanted.partition(":")
    user, group, home = _user(name)
    if group_name:
        group = _group(group_name)
    if os.geteuid() != 0 and (user, group) != (os.geteuid(), os.getegid()):
        raise RunnerError(
            f"the local sandbox cannot run commands as {wanted}: only root can be somebody else",
            hint="leave `transform.user` out, or run in containers: --runner docker",
        )
    return User(user, group, home)


def _user(name: str) -> User:
    try:
        found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        if name.isdecimal():  # a number needs no name
            return User(int(name), int(name), "/")
        raise _nobody(f"user {name}") from None
    home = found.pw_dir if Path(found.pw_dir).is_dir() else "/"
    return User(found.pw_uid, found.pw_gid, home)


def _group(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise _nobody(f"group {name}") from None


def _nobody(who: str) -> RunnerError:
    return RunnerError(
        f"this machine has no {who}", hint="give its number, or run in containers: --runner docker"
    )
