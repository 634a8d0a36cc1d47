"""Takes mounts down: live or dead, idle or busy, as root or as the user who made them."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from pfslib.model.errors import MountError
from pfslib.mounts.mountinfo import KernelMount, find_mount, is_alive

_MNT_DETACH: Final = 2
_UMOUNT_NOFOLLOW: Final = 8
_FUSERMOUNT_S: Final = 10.0

_PATIENCE_S: Final = 0.3
"""Whoever only looks, such as `df`, uses a mount for less than that."""

_PAUSE_S: Final = 0.01


def unmount(path: Path, *, lazy: bool = False) -> None:
    """Unmount a mount of pfslib, whoever made it and whether or not its server still lives.

    Args:
        path: The mount point.
        lazy: Take it out of the tree of directories at once, even while files in it are in use;
            its server goes on until the last of them is closed.

    Raises:
        MountError: Nothing of ours is mounted there, it is in use, or it is another user's.
    """
    found = find_mount(path)
    if found is None:
        hint = "`pfs list mount` shows what is mounted"
        message = f"{path} is no mount point"
        raise MountError(message, hint=hint)
    if not found.is_pfs:
        message = (
            f"{path} is no mount of pfs: {found.source} ({found.file_system}) is mounted there"
        )
        raise MountError(message)
    detach(found, lazy=lazy or not is_alive(found.path), patience_s=_PATIENCE_S)


def detach(mount: KernelMount, *, lazy: bool, patience_s: float = 0.0) -> None:
    """Unmount what `find_mount` has found.

    Args:
        mount: What to unmount.
        lazy: See `unmount`.
        patience_s: How long to wait for whoever uses it.

    Raises:
        MountError: It is in use, or another user's.
    """
    deadline = time.monotonic() + patience_s
    failure = _umount2(mount.path, lazy=lazy)
    while failure == errno.EBUSY and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        failure = _umount2(mount.path, lazy=lazy)
    if failure in {errno.EPERM, errno.EACCES}:
        _fusermount(mount.path, lazy=lazy)
    elif failure == errno.EBUSY:
        raise _in_use(mount.path)
    elif failure not in {0, errno.EINVAL, errno.ENOENT}:  # the latter two: somebody was quicker
        message = f"{mount.path} cannot be unmounted: {os.strerror(failure)}"
        raise MountError(message)


def _umount2(path: Path, *, lazy: bool) -> int:
    """Unmount by system call: root's way, and fast. Zero, or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _UMOUNT_NOFOLLOW | (_MNT_DETACH if lazy else 0)
    return 0 if libc.umount2(os.fsencode(path), flags) == 0 else ctypes.get_errno()


def _fusermount(path: Path, *, lazy: bool) -> None:
    """Unmount by the program that may do so for the user who mounted."""
    program = shutil.which("fusermount") or shutil.which("fusermount3")
    if program is None:
        message = f"{path} cannot be unmounted: fusermount is missing"
        raise MountError(message, hint="apt install fuse")
    command = [program, "-u", *(["-z"] if lazy else []), "--", os.fspath(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_FUSERMOUNT_S, check=False)
    except subprocess.TimeoutExpired:
        message = f"{path} cannot be unmounted: fusermount does not come back"
        raise MountError(message) from None
    if done.returncode == 0 or find_mount(path) is None:
        return
    said = os.fsdecode(done.stderr).strip().removeprefix("fusermount: ")
    if "busy" in said:
        raise _in_use(path)
    message = f"{path} cannot be unmounted: {said}"
    raise MountError(message)


def _in_use(path: Path) -> MountError:
    hint = f"`fuser -vm {path}` shows by whom; `pfs unmount --lazy {path}` does not wait for them"
    return MountError(f"{path} is in use", hint=hint)
