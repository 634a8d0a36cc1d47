"""The command line of the mount server, which is the whole interface to `pfslib.mounts`."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NamedTuple


class Settings(NamedTuple):
    """What to serve, where, and for whom."""

    store: str
    view: str
    mountpoint: bytes
    """Absolute."""

    ready_fd: int | None
    """Where to say that the mount is up, or why it is not."""

    log_fd: int | None
    """Where the log goes once the mount is up; None for syslog."""

    owner_pid: int | None
    """Unmount when this process ends."""

    fsname: str
    label: str
    allow_other: bool
    private: bool
    """Whether the mount point goes with the mount."""


def parse_settings(arguments: Sequence[str]) -> Settings:
    """The settings that a command line, without the program, means; exits when it means none."""
    parser = ArgumentParser(prog="python -m pfsfuse", description="Serve a mount of a store.")
    add = parser.add_argument
    add("--store", required=True, metavar="DIR", help="the store")
    add("--view", required=True, help="'tree:' and the 64 hex digits of a root, or 'roots'")
    add("--mountpoint", required=True, metavar="DIR", help="an empty directory", type=_absolute)
    add("--ready-fd", type=int, metavar="N", help="where to write 'ready' or 'error: ...'")
    add("--log-fd", type=int, metavar="N", help="where to log once mounted; else to syslog")
    add("--owner-pid", type=int, metavar="P", help="unmount when this process ends")
    add("--fsname", default="pfs", metavar="S", help="the source that `mount` and `df` show")
    add("--label", default="", metavar="S", help="value of the attribute user.pfs.commit")
    add("--allow-other", action="store_true", help="let other users look")
    add("--private", action="store_true", help="remove the mount point after the unmount")
    return Settings(**vars(parser.parse_args(arguments)))


def _absolute(path: str) -> bytes:
    return os.path.abspath(os.fsencode(path))  # noqa: PTH100 - bytes
