"""Mounts: by system call where that is allowed, else through fusermount.

What only fusermount needs is imported where it is called: a server is waited for.
"""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from pfslib import MountError

_DEVICE: Final = "/dev/fuse"
_TYPE: Final = b"fuse.pfs"
_READ_AHEAD_KB: Final = b"1024"

_MS_RDONLY: Final = 1
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_MNT_DETACH: Final = 2
_UMOUNT_NOFOLLOW: Final = 8
_FUSERMOUNT_S: Final = 10.0


class Mount(NamedTuple):
    """What to mount."""

    mountpoint: bytes
    fsname: str
    """What `mount` and `df` show as the source."""

    allow_other: bool
    """Whether other users may look."""


def mount(wanted: Mount) -> int:
    """Mount, read-only and with the kernel checking permissions.

    Returns:
        The descriptor of /dev/fuse to serve it with; when it is closed, the mount is dead.

    Raises:
        MountError: It cannot be mounted.
    """
    try:
        device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        message = f"{_DEVICE} cannot be opened: {error.strerror}"
        raise MountError(message) from error
    options = (
        f"fd={device},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()},"
        "default_permissions" + (",allow_other" if wanted.allow_other else "")
    )
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _MS_RDONLY | _MS_NOSUID | _MS_NODEV
    source = os.fsencode(wanted.fsname)
    if libc.mount(source, wanted.mountpoint, _TYPE, flags, options.encode()) == 0:
        return device
    failure = ctypes.get_errno()
    os.close(device)
    if failure == errno.EPERM:
        return _fusermount(wanted)
    message = f"{os.fsdecode(wanted.mountpoint)} cannot be mounted on: {os.strerror(failure)}"
    raise MountError(message)


def detach(mountpoint: bytes) -> None:
    """Unmount lazily, as whoever mounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(mountpoint, _MNT_DETACH | _UMOUNT_NOFOLLOW) == 0:
        return
    if ctypes.get_errno() != errno.EPERM:
        return
    import subprocess

    program = _find_fusermount()
    if program is not None:
        with suppress(subprocess.TimeoutExpired):
            command: list[str | bytes] = [program, "-u", "-z", "-q", "--", mountpoint]
            subprocess.run(command, timeout=_FUSERMOUNT_S, check=False)


def _find_fusermount() -> str | None:
    import shutil

    return shutil.which("fusermount3") or shutil.which("fusermount")


def _fusermount(wanted: Mount) -> int:
    """Let the program mount that may do so for users; it sends the descriptor over a socket."""
    import socket
    import subprocess

    program = _find_fusermount()
    if program is None:
        message = "fusermount is missing, without which only root can mount"
        raise MountError(message, hint="apt install fuse3")
    options = f"ro,nosuid,nodev,default_permissions,subtype=pfs,fsname={_escape(wanted.fsname)}"
    if wanted.allow_other:
        options += ",allow_other"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            done = subprocess.run(
                [program, "-o", os.fsencode(options), "--", wanted.mountpoint],
                env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                capture_output=True,
                timeout=_FUSERMOUNT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"{os.fsdecode(wanted.mountpoint)}: fusermount does not come back"
            raise MountError(message) from None
        if done.returncode:
            raise MountError(os.fsdecode(done.stderr).strip() or "fusermount failed")
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    os.set_inheritable(descriptors[0], False)  # noqa: FBT003 - takes no keyword
    return descriptors[0]


def _escape(text: str) -> str:
    r"""Fusermount takes a comma for the end of an option and a backslash for an escape."""
    return text.replace("\\", "\\\\").replace(",", "\\,")


def read_far_ahead(device: bytes) -> None:
    """Let the kernel read ahead by as much as it can ask for at once, where this is allowed.

    Args:
        device: The mount's number, as in ``0:49``.
    """
    with suppress(OSError):
        Path(f"/sys/class/bdi/{device.decode()}/read_ahead_kb").write_bytes(_READ_AHEAD_KB)
