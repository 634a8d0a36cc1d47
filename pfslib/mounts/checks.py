"""Says in a sentence what stands in the way of a mount, before anything is started."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from pfslib.model.errors import MountError
from pfslib.mounts.mountinfo import KernelMount, MountState, find_mount, state_of
from pfslib.mounts.unmounting import detach

_DEVICE: Final = Path("/dev/fuse")
_FUSE_CONF: Final = Path("/etc/fuse.conf")
_WAY_ROUND: Final = "`export` writes a commit's files to a directory"


def check_machine(*, allow_other: bool) -> None:
    """See that this user may mount anything here.

    Raises:
        MountError: They may not.
    """
    if not _DEVICE.exists():
        message = "the kernel offers no /dev/fuse"
        hint = (
            "load the module with `modprobe fuse`, or give the container "
            "`--device /dev/fuse --cap-add SYS_ADMIN`; or do without: " + _WAY_ROUND
        )
        raise MountError(message, hint=hint)
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        message = "this user may not open /dev/fuse"
        raise MountError(
            message,
            hint="`chmod 666 /dev/fuse` as root lets every user mount; or do without: "
            + _WAY_ROUND,
        )
    if os.geteuid() == 0:
        return
    if shutil.which("fusermount3") is None and shutil.which("fusermount") is None:
        message = "fusermount is missing, without which only root can mount"
        raise MountError(message, hint=f"apt install fuse3; or do without: {_WAY_ROUND}")
    if allow_other and not _users_may_allow_other():
        message = f"{_FUSE_CONF} does not let users show their mounts to others"
        raise MountError(message, hint=f"add the line user_allow_other to {_FUSE_CONF}")


def _users_may_allow_other() -> bool:
    try:
        lines = _FUSE_CONF.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() == "user_allow_other" for line in lines)


def check_mountpoint(given: Path) -> Path:
    """See that a directory can be mounted on; a mount of ours whose server is dead makes room.

    Returns:
        The mount point as an absolute path without symbolic links.

    Raises:
        MountError: It is missing, no directory, not empty, not the user's, or a mount already.
    """
    found = find_mount(given)
    state = state_of(found.path) if found is not None and found.is_pfs else None
    if found is not None and state is MountState.DEAD:
        detach(found, lazy=True)
        found = find_mount(given)
    if found is not None:
        raise refuse(found, is_hung=state is MountState.HUNG)
    path = Path(os.path.realpath(given))
    _check_directory(path)
    return path


def refuse(found: KernelMount, *, is_hung: bool = False) -> MountError:
    """The error for a mount point at which something is mounted already."""
    what = f"{found.source} ({found.file_system})"
    message = f"{found.path} is a mount point already: {what} is mounted there"
    if is_hung:
        message += ", and its server lives, but does not answer"
    if not found.is_pfs:
        return MountError(message, hint="name another directory")
    return MountError(message, hint=f"`pfs unmount {found.path}` takes it away")


def _check_directory(path: Path) -> None:
    try:
        names = os.listdir(path)  # noqa: PTH208 - a list, not an iterator left open
    except FileNotFoundError:
        message = f"mount point {path} does not exist"
        raise MountError(message, hint=f"`mkdir -p {path}` makes it") from None
    except NotADirectoryError:
        message = f"mount point {path} is not a directory"
        raise MountError(message) from None
    except OSError as error:
        message = f"mount point {path} cannot be used: {error.strerror}"
        raise MountError(message) from error
    if names:
        message = f"mount point {path} is not empty: it has {names[0]}"
        raise MountError(message, hint="a mount would hide what is there; name an empty directory")
    if not os.access(path, os.W_OK):
        message = f"mount point {path} is not this user's to mount on"
        raise MountError(message, hint="name a directory that you may write to")
