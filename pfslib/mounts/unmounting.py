"""Takes mounts down: live or dead, idle or busy, as root or as the user who made them."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

from pfslib.model.errors import MountError
from pfslib.mounts.mountinfo import KernelMount, MountState, find_mount, state_of

_MNT_FORCE: Final = 1
_MNT_DETACH: Final = 2
_UMOUNT_NOFOLLOW: Final = 8
_FUSERMOUNT_S: Final = 10.0
_CONNECTIONS: Final = Path("/sys/fs/fuse/connections")
"""Where the owner of a mount can end it, too, if the file system fusectl is mounted there."""

_PATIENCE_S: Final = 0.3
"""Whoever only looks, such as `df`, uses a mount for less than that."""

_PAUSE_S: Final = 0.01


class Unmounted(NamedTuple):
    """A mount that was taken away."""

    path: Path
    state: MountState | None
    """How it was with its server; None if that did not matter."""

    in_use: bool
    """Whether it may have been in use, and is only out of sight until it is not."""

    aborted: bool = False
    """Whether those who use it get errors from now on, since nothing else could help them."""


def unmount(path: Path, *, lazy: bool = False, force: bool = False) -> Unmounted:
    """Unmount a mount of pfslib, whoever made it and whether or not its server still lives.

    Args:
        path: The mount point.
        lazy: Take it out of the tree of directories at once, even while files in it are in use;
            its server goes on until the last of them is closed. That is also what is done when it
            is in use, but its server is dead or hung; those who wait for a hung one then get an
            error, where this user can see to that.
        force: See to that at once, however it is with the server.

    Raises:
        MountError: Nothing of ours is mounted there, it is in use, or it is another user's; or it
            cannot be forced.
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
    if force:
        if not _abort(found):
            message = f"{found.path} cannot be unmounted by force: only root can do that"
            hint = "or its user, after root has said `mount -t fusectl none " + f"{_CONNECTIONS}`"
            raise MountError(message, hint=hint)
        return Unmounted(found.path, None, in_use=True, aborted=True)
    if lazy:
        detach(found, lazy=True)
        return Unmounted(found.path, None, in_use=True)
    if _take_away(found, lazy=False):
        return Unmounted(found.path, None, in_use=False)
    state = state_of(found.path)
    if state is MountState.HUNG and _abort(found):
        return Unmounted(found.path, state, in_use=True, aborted=True)
    is_served = state in {MountState.RUNNING, MountState.UNKNOWN}
    detach(found, lazy=not is_served, patience_s=_PATIENCE_S)
    return Unmounted(found.path, state, in_use=not is_served)


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
    while not _take_away(mount, lazy=lazy):
        if time.monotonic() >= deadline:
            hint = (
                f"`fuser -vm {mount.path}` shows by whom; "
                f"`pfs unmount --lazy {mount.path}` does not wait for them"
            )
            message = f"{mount.path} is in use"
            raise MountError(message, hint=hint)
        time.sleep(_PAUSE_S)


def detach_used(mount: KernelMount) -> None:
    """Unmount lazily what is in use; if its server is hung, so that nobody waits for that.

    Raises:
        MountError: It is another user's.

    Cost: if it is hung, two seconds.
    """
    if state_of(mount.path) is not MountState.HUNG or not _abort(mount):
        detach(mount, lazy=True)


def _abort(mount: KernelMount) -> bool:
    """Have the kernel answer in place of the server, with errors, and unmount; whether it could.

    A lazy unmount alone would leave those who wait for a hung server to it, with no path left by
    which they could be helped.
    """
    try:
        (_CONNECTIONS / mount.device.partition(":")[2] / "abort").write_bytes(b"1")
    except OSError:
        failure = _umount2(mount.path, _MNT_FORCE)
        if failure != errno.EBUSY:
            return failure == 0
    detach(mount, lazy=True)
    return True


def _take_away(mount: KernelMount, *, lazy: bool) -> bool:
    """Unmount, without asking its server for anything; whether it was not in use."""
    failure = _umount2(mount.path, _MNT_DETACH if lazy else 0)
    if failure in {errno.EPERM, errno.EACCES}:
        return _fusermount(mount.path, lazy=lazy)
    if failure not in {0, errno.EBUSY, errno.EINVAL, errno.ENOENT}:  # latter: somebody was quicker
        message = f"{mount.path} cannot be unmounted: {os.strerror(failure)}"
        raise MountError(message)
    return failure != errno.EBUSY


def _umount2(path: Path, flags: int) -> int:
    """Unmount by system call: root's way, and fast. Zero, or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags |= _UMOUNT_NOFOLLOW
    return 0 if libc.umount2(os.fsencode(path), flags) == 0 else ctypes.get_errno()


def _fusermount(path: Path, *, lazy: bool) -> bool:
    """Unmount by the program that may do so for the user who mounted; whether it was not in use."""
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
        return True
    said = os.fsdecode(done.stderr).strip().removeprefix("fusermount: ")
    if "busy" in said:
        return False
    message = f"{path} cannot be unmounted: {said}"
    raise MountError(message)
