"""What the kernel says is mounted, and which of it is ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec

FILE_SYSTEM: Final = "fuse.pfs"

_ANSWER_S: Final = 2.0
"""A server that takes longer to say how large its mount is counts as dead."""

_TABLE: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


class KernelMount(msgspec.Struct, frozen=True):
    """One line of /proc/self/mountinfo."""

    path: Path
    device: str
    """Major and minor number, such as ``0:49``: one file system, as long as it is mounted."""

    file_system: str
    source: str

    @property
    def is_pfs(self) -> bool:
        """Whether it is one of ours."""
        return self.file_system == FILE_SYSTEM


class MountRecord(msgspec.Struct, frozen=True):
    """A mount of a commit or of a store, whoever made it."""

    path: Path
    fsname: str
    """What it shows, in the words of whoever made it."""

    alive: bool
    """Whether its server answers."""


def list_mounts() -> list[MountRecord]:
    """The mounts of pfslib that this process can see, sorted by path.

    Cost: one request to each server; a hung one takes two seconds.
    """
    ours = {mount.path: mount for mount in kernel_mounts() if mount.is_pfs}
    return [MountRecord(path, mount.source, is_alive(path)) for path, mount in sorted(ours.items())]


def find_mount(path: Path) -> KernelMount | None:
    """What is mounted at a path, of any file system; None for nothing.

    Works without touching the mount itself, so that a dead or hung server does not matter.
    """
    mounts = {mount.path: mount for mount in kernel_mounts()}
    absolute = path.absolute()
    if absolute.name != "..":
        unasked = mounts.get(_real_path(absolute.parent) / absolute.name)
        if unasked is not None:
            return unasked
    return mounts.get(_real_path(absolute))


def _real_path(path: Path) -> Path:
    """The path without symbolic links, under which the kernel knows a mount."""
    return Path(os.path.realpath(path))


def is_alive(path: Path) -> bool:
    """Whether the server of the mount at a path answers, within two seconds.

    Statfs is the question, because the kernel has the answer to most others in its memory. It is
    asked in a thread, because nobody can take it back once a hung server has it.
    """
    answers: list[bool] = []

    def ask() -> None:
        try:
            os.statvfs(path)
        except PermissionError:
            answers.append(True)  # another user's mount: the kernel answers before the server
        except OSError:
            answers.append(False)
        else:
            answers.append(True)

    asking = Thread(target=ask, name="statvfs", daemon=True)
    asking.start()
    asking.join(_ANSWER_S)
    return answers == [True]


def kernel_mounts() -> Iterator[KernelMount]:
    """All mounts of this mount namespace; of several at one path, the last is the one seen."""
    for line in _TABLE.read_bytes().splitlines():
        # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw; "master:1" any number
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        file_system, source = after.split(b" ")[:2]
        yield KernelMount(
            path=Path(_unescape(fields[4])),
            device=fields[2].decode(),
            file_system=_unescape(file_system),
            source=_unescape(source),
        )


def _unescape(field: bytes) -> str:
    r"""The text of a field; the kernel writes blanks and backslashes as ``\040``."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field))
