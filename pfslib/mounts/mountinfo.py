"""What the kernel says is mounted, which of it is ours, and whether that is served."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
"""What the kernel answers for a server that has ended."""

_CLOSED: Final = frozenset({errno.EACCES, errno.EPERM})
"""What it answers to whom it does not let near. Any other error is the server's answer."""

_TABLE: Final = Path("/proc/thread-self/mountinfo")
INPUTS: Final = "pfs-inputs:"
"""So begins the source of a mount that jobs have their inputs from, which is nobody else's."""

# Of a mount that root has opened, since its user may not get there, nor start this Python.
_AS_ITS_USER: Final = """\
import errno, os, sys
mount, user, group = map(int, sys.argv[1:])
os.setgroups([])
os.setresgid(group, group, group)
os.setresuid(user, user, user)
try:
    print(0 if os.fstatvfs(mount).f_bsize else errno.EACCES)
except OSError as error:
    print(error.errno)
"""

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
    options: tuple[str, ...] = ()
    """Of the file system, such as ``user_id=1000``."""

    @property
    def is_pfs(self) -> bool:
        """Whether it is one of ours."""
        return self.file_system == FILE_SYSTEM

    def owner(self) -> tuple[str, str] | None:
        """User and group id of who made it; None for what is no FUSE mount."""
        options = dict(option.partition("=")[::2] for option in self.options)
        found = options.get("user_id"), options.get("group_id")
        return None if found[0] is None or found[1] is None else (found[0], found[1])


class MountState(StrEnum):
    """How it is with the server of a mount."""

    RUNNING = "running"
    HUNG = "hung"
    """It lives, but does not answer: it has been stopped, or the machine is busy."""

    DEAD = "dead"

    UNKNOWN = "unknown"
    """It is another user's, and closed to others: the kernel asks no server for them."""


class MountRecord(msgspec.Struct, frozen=True):
    """A mount of a commit or of a store, whoever made it."""

    path: Path
    fsname: str
    """What it shows, in the words of whoever made it."""

    state: MountState

    @property
    def alive(self) -> bool:
        """Whether it has a server, be that one that does not answer, as far as can be seen."""
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
    paths = sorted(ours)
    return [
        MountRecord(path, ours[path].source, state)
        for path, state in zip(paths, states_of(paths), strict=True)
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
    return states_of([path])[0]


def states_of(paths: Sequence[Path]) -> list[MountState]:
    """The same of several. Cost: two seconds together, however many are hung."""
    asked = [_Question(path) for path in paths]
    deadline = time.monotonic() + _ANSWER_S
    return [question.wait(deadline) for question in asked]


def is_alive(path: Path) -> bool:
    """Whether the mount at a path has a server, be that one that does not answer."""
    return state_of(path) is not MountState.DEAD


class _Question:
    """Asks a server how large its mount is: the kernel has the answer to most others in memory.

    It is asked in a thread, because nobody can take it back once a hung server has it. A stranger
    is told by the kernel that all sizes are zero, dead or alive: root asks as the mount's user.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = MountState.HUNG
        self._asking = Thread(target=self._ask, name="statvfs", daemon=True)
        self._asking.start()

    def _ask(self) -> None:
        try:
            is_stranger = not os.statvfs(self._path).f_bsize
        except OSError as error:
            self._state = _state_by(error.errno)
        else:
            self._state = _as_its_user(self._path) if is_stranger else MountState.RUNNING

    def wait(self, deadline: float) -> MountState:
        """The answer, or that there is none."""
        self._asking.join(max(0.0, deadline - time.monotonic()))
        return self._state


def _as_its_user(path: Path) -> MountState:
    """How it is with the server of another user's mount, as that user is told."""
    import subprocess

    found = find_mount(path)
    owner = found.owner() if found is not None else None
    if owner is None or os.geteuid() != 0 or not sys.executable:
        return MountState.UNKNOWN
    try:
        with _opened(path) as top:
            command = [sys.executable, "-I", "-S", "-c", _AS_ITS_USER, str(top), *owner]
            said = subprocess.run(
                command, capture_output=True, pass_fds=[top], timeout=_ANSWER_S, check=True
            )
    except subprocess.TimeoutExpired:
        return MountState.HUNG
    except (OSError, subprocess.SubprocessError):
        return MountState.UNKNOWN
    return _state_by(int(said.stdout))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of a mount point, which asks no server."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _state_by(number: int | None) -> MountState:
    """What the errno of a question means."""
    if number in _CLOSED:
        return MountState.UNKNOWN
    return MountState.DEAD if number in _GONE else MountState.RUNNING


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
        file_system, source, *options = after.split(b" ")
        yield KernelMount(
            id=int(fields[0]),
            path=Path(_unescape(fields[4])),
            device=fields[2].decode(),
            file_system=_unescape(file_system),
            source=_unescape(source),
            options=tuple(b",".join(options).decode(errors="replace").split(",")),
        )


def _unescape(field: bytes) -> str:
    r"""The text of a field; the kernel writes blanks and backslashes as ``\040``."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field))
