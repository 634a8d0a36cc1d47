"""Those who mount at one place take turns: of two mounts, one would hide the other.

The lock is on the mount point. A mount there whose server is dead cannot be opened, nor locked, and
only one of those who find it may clear it away, or the others would take the new mount for the dead
one. So whoever finds anything mounted locks the directory above first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pfslib.kv.directory_lock import locked
from pfslib.model.errors import MountError
from pfslib.mounts.checks import check_mountpoint, refuse
from pfslib.mounts.mountinfo import find_mount


@contextmanager
def claim(given: Path, timeout_s: float) -> Iterator[Path]:
    """Have a directory to mount on for oneself; a mount of ours whose server is dead makes room.

    Args:
        given: The directory.
        timeout_s: How long to wait for others who mount there.

    Yields:
        The mount point as an absolute path without symbolic links.

    Raises:
        MountError: It cannot be mounted on, or somebody else is at it all the time.
    """
    with ExitStack() as locks:
        found = find_mount(given)
        if found is not None:
            _enter(locks, found.path.parent, timeout_s)
        path = check_mountpoint(given)
        _enter(locks, path, timeout_s)
        found = find_mount(path)
        if found is not None:
            raise refuse(found)
        yield path


def _enter(locks: ExitStack, directory: Path, timeout_s: float) -> None:
    try:
        locks.enter_context(locked(directory, timeout_s))
    except BlockingIOError:
        message = f"somebody else is mounting at {directory}, or has it locked"
        hint = f"`fuser -v {directory}` shows who uses it"
        raise MountError(message, hint=hint) from None
    except OSError:  # the directory above may not be for this user to look into
        return
