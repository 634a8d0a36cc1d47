"""What the kernel says is mounted, which of it is ours, and whether that is served."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec

from pfslib.model.errors import MountError

FILE_SYSTEM: Final = "fuse.pfs"

_ANSWER_S: Final = 2.0
"""A server that takes longer to say how large its mount is counts as hung."""

_GONE: Final = frozenset({errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT})
"""What the kernel answers for a server that has ended. Any other error is the server's answer."""

_TABLE: Final = Path("/proc/thread-self/mountinfo")
INPUTS: Final = "pfs-inputs:"
"""So begins the source of a mount that jobs have their inputs from, which is nobody else's."""

_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


class KernelMount(msgspec.Struct, frozen=True):
    """One line of the kernel's table."""

    id: int
    """Its number, which is given out again, but not as long as it is mounted."""

    path: Path
    device: str
    """Major and minor number, such as ``0:49``: one file system, as long as it is mounted."""

    file_system: str
    source: str

    @property
    def is_pfs(self) -> bool:
        """Whether it is one of ours."""
        return self.file_system == FILE_SYSTEM


class MountState(StrEnum):
    """How it is with the server of a mount."""

    RUNNING = "running"
    HUNG = "hung"
    """It lives, but does not answer: it has been stopped, or the machine is busy."""

    DEAD = "dead"


class MountRecord(msgspec.Struct, frozen=True):
    """A mount of a commit or of a store, whoever made it."""

    path: Path
    fsname: str
    """What it shows, in the words of whoever made it."""

    state: MountState

    @property
    def alive(self) -> bool:
        """Whether it has a server, be that one that does not answer."""
        return self.state is not MountState.DEAD


def list_mounts() -> list[MountRecord]:
    """The mounts of pfslib that this process can see, but for those of jobs, sorted by path.

    Cost: one request to each server, all at once; two seconds if one is hung.
    """
    ours = {
        mount.path: mount
        for mount in kernel_mounts()
        if mount.is_pfs and not mount.source.startswith(INPUTS)
    }
    asked = [(mount, _Question(path)) for path, mount in sorted(ours.items())]
    deadline = time.monotonic() + _ANSWER_S
    return [
        MountRecord(mount.path, mount.source, question.wait(deadline)) for mount, question in asked
    ]


def find_mount(path: Path) -> KernelMount | None:
    """What is mounted at a path, of any file system; None for nothing.

    Works without touching the mount itself, so that a dead or hung server does not matter.

    Raises:
        MountError: The path is relative to a directory that was deleted.
    """
    mounts = {mount.path: mount for mount in kernel_mounts()}
    try:
        absolute = path.absolute()
    except FileNotFoundError:
        message = f"{path} leads nowhere: the working directory was deleted"
        raise MountError(message, hint="give a path that begins with /") from None
    if absolute.name != "..":
        unasked = mounts.get(_real_path(absolute.parent) / absolute.name)
        if unasked is not None:
            return unasked
    return mounts.get(_real_path(absolute))


def _real_path(path: Path) -> Path:
    """The path without symbolic links, under which the kernel knows a mount."""
    return Path(os.path.realpath(path))


def state_of(path: Path) -> MountState:
    """How it is with the server of the mount at a path. Cost: if it is hung, two seconds."""
    return _Question(path).wait(time.monotonic() + _ANSWER_S)


def is_alive(path: Path) -> bool:
    """Whether the mount at a path has a server, be that one that does not answer."""
    return state_of(path) is not MountState.DEAD


class _Question:
    """Asks a server how large its mount is: the kernel has the answer to most others in memory.

    It is asked in a thread, because nobody can take it back once a hung server has it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = MountState.HUNG
        self._asking = Thread(target=self._ask, name="statvfs", daemon=True)
        self._asking.start()

    def _ask(self) -> None:
        try:
            os.statvfs(self._path)
        except OSError as error:  # also another user's mount: the kernel answers for the server
            self._state = MountState.DEAD if error.errno in _GONE else MountState.RUNNING
        else:
            self._state = MountState.RUNNING

    def wait(self, deadline: float) -> MountState:
        """The answer, or that there is none."""
        self._asking.join(max(0.0, deadline - time.monotonic()))
        return self._state


def kernel_mounts() -> Iterator[KernelMount]:
    """All mounts of this mount namespace; of several at one path, the last is the one seen.

    Raises:
        MountError: The kernel cannot be asked.
    """
    try:
        table = _TABLE.read_bytes()
    except OSError as error:
        message = f"what is mounted cannot be seen: {error}"
        raise MountError(message, hint="`mount -t proc proc /proc` shows it") from None
    for line in table.splitlines():
        # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw; "master:1" any number
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        file_system, source = after.split(b" ")[:2]
        yield KernelMount(
            id=int(fields[0]),
            path=Path(_unescape(fields[4])),
            device=fields[2].decode(),
            file_system=_unescape(file_system),
            source=_unescape(source),
        )


def _unescape(field: bytes) -> str:
    r"""The text of a field; the kernel writes blanks and backslashes as ``\040``."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field))
