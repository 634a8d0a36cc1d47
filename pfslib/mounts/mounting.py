"""Mounts a tree of a store, or all of them, and hands back the directory."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Never, SupportsIndex

from pfslib.model.errors import MountError, StateError
from pfslib.mounts.checks import check_machine
from pfslib.mounts.mount_zygote import prepare
from pfslib.mounts.mountinfo import KernelMount, MountState, find_mount, kernel_mounts, state_of
from pfslib.mounts.server_process import ServerProcess, start_server
from pfslib.mounts.turns import claim
from pfslib.mounts.unmounting import detach, detach_used

BINDING_VARIABLE: Final = "PFS_MOUNT_BINDING"
"""Environment variable: ``fusepy`` has libfuse 2 speak to the kernel, in place of our own code,
``mfusepy`` libfuse 3."""

_BINDINGS: Final = ("kernel", "fusepy", "mfusepy")

_FSNAME_MAX: Final = 1000
"""Characters, of up to four bytes: the kernel takes a page."""

_PROBE: Final = "-" * 256
"""What servers open as an empty file: longer than the name of any in a commit."""

_EXIT_S: Final = 2.0
"""How long a server is waited for after the unmount; it takes milliseconds when nothing is open."""


def mount(
    store_dir: Path,
    view: str,
    mountpoint: Path | None,
    *,
    fsname: str,
    label: str = "",
    tied: bool = True,
    allow_other: bool = False,
    timeout_s: float = 10.0,
) -> Mounted:
    """Mount a view of a store, read-only, served by a process of its own.

    Args:
        store_dir: The store.
        view: ``tree:`` and the 64 hex digits of a root, or ``roots``, which shows each tree of
            the store at ``/<64 hex digits>`` below the mount point.
        mountpoint: An existing, empty directory; None for a private one that goes with the mount.
        fsname: What `mount`, `df` and `list_mounts` show as the source; cut if it is long.
        label: Value of the extended attribute ``user.pfs.commit`` of everything in the mount.
        tied: Whether the mount ends with this process, however that ends.
        allow_other: Whether other users may look; without it not even root may look into a user's.
        timeout_s: How long to wait for the server.

    Raises:
        MountError: It cannot be mounted; the error says why, and what to do about it.

    Cost: of the first mount of a process 60 ms and more, of the next ones about 5.
    """
    check_machine(allow_other=allow_other)
    prepare()
    settings = {
        "store": os.path.abspath(store_dir),  # noqa: PTH100 - keeps symbolic links
        "view": view,
        "fsname": _cut(fsname),
        "label": label,
        "allow_other": allow_other,
        "private": mountpoint is None,
        "binding": _binding(),
    }
    if mountpoint is None:
        path = _private_directory()
        return _mount_at(path, settings, tied=tied, timeout_s=timeout_s)
    with claim(mountpoint, timeout_s) as path:
        return _mount_at(path, settings, tied=tied, timeout_s=timeout_s)


def _mount_at(path: Path, settings: dict[str, Any], *, tied: bool, timeout_s: float) -> Mounted:
    private = settings["private"]
    settings = {**settings, "mountpoint": os.fsencode(path)}
    try:
        server, device = start_server(settings, tied=tied, timeout_s=timeout_s)
    except BaseException:
        _clear(path, private=private)
        raise
    _probe(path)
    for found in kernel_mounts():
        if (found.path, found.device) == (path, device):
            return Mounted(found, server, private=private)
    server.end()
    message = f"{path} was unmounted while it was being mounted"
    raise MountError(message)


def _probe(path: Path) -> None:
    """Have the kernel learn that closing a file need not be told to the server.

    It asks with the first that is closed, and whoever does that then waits for a stopped server.
    """
    with suppress(OSError):  # unmounted already, or served by libfuse
        os.close(os.open(path / _PROBE, os.O_RDONLY | os.O_CLOEXEC))


class Mounted:
    """A mount made by this process; a context manager that gives the directory.

    Attributes:
        path: The mount point.
        source: What it shows, in the words of whoever made it.
        pid: The server's process id.
    """

    def __init__(self, found: KernelMount, server: ServerProcess, *, private: bool) -> None:
        self.path = found.path
        self.source = found.source
        self.pid = server.pid
        self._found = found
        self._server = server
        self._private = private
        self._maker = os.getpid()
        self._lock = Lock()
        self._gone = False

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise StateError(
            f"the mount at {self.path} belongs to its process, and is not pickled",
            hint="pickle its path: the directory is there for every process",
        )

    def unmount(self) -> None:
        """Unmount; if files are still open, out of sight at once and for good when they close.

        Does nothing when it has been unmounted already, nor in a forked child.

        Raises:
            MountError: It cannot be unmounted.
        """
        if os.getpid() != self._maker:
            return
        with self._lock:
            if self._gone:
                return
            self._take_down()
            self._gone = True

    def _take_down(self) -> None:
        busy = False
        there = self._find()
        if there is not None:
            try:
                detach(there, lazy=False)
            except MountError:
                busy = True
                detach_used(there)
        if not self._server.wait(0.0 if busy else _EXIT_S):
            self._server.let_go()
        if self._private:
            _remove(self.path)

    def _find(self) -> KernelMount | None:
        """The mount, be it elsewhere since a directory above was renamed; None if it is gone.

        The kernel gives numbers out again: only while the server lives, or has left the mount
        behind dead, do they tell one mount from another.

        Raises:
            MountError: It is covered by another.
        """
        mounts = list(kernel_mounts())
        own = self._found
        same = (m for m in mounts if m.device == own.device)
        ours = next((m for m in same if own.id == m.id or own.path == m.path), None)
        if ours is None:
            return None
        seen = next(one for one in reversed(mounts) if one.path == ours.path)
        if seen != ours:
            what = f"{seen.source} ({seen.file_system})"
            message = f"{seen.path} cannot be unmounted: {what} is mounted on top of it"
            raise MountError(message, hint=f"`umount {seen.path}` takes that away")
        if self._server.wait(0.0) and state_of(seen.path) is not MountState.DEAD:
            return None
        return seen

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.unmount()


def _private_directory() -> Path:
    try:
        return Path(os.path.realpath(tempfile.mkdtemp(prefix="pfs-")))
    except OSError as error:
        message = f"no directory to mount on can be made: {error}"
        raise MountError(message, hint="name one, or set TMPDIR to one that is writable") from error


def _binding() -> str:
    name = os.environ.get(BINDING_VARIABLE) or "kernel"
    if name not in _BINDINGS:
        message = f"{BINDING_VARIABLE} is {name!r}, which names no binding"
        raise MountError(message, hint=f"it is one of {', '.join(_BINDINGS)}, or not set")
    return name


def _cut(fsname: str) -> str:
    return fsname if len(fsname) <= _FSNAME_MAX else fsname[: _FSNAME_MAX - 1] + "…"


def _clear(path: Path, *, private: bool) -> None:
    """Take away what a server left that did not come up, or had to be killed."""
    left = find_mount(path)
    if left is not None and left.is_pfs and (private or state_of(path) is MountState.DEAD):
        with suppress(MountError):  # the one to tell is why the server did not come up
            detach(left, lazy=True)
    if private:
        _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # the server may have been quicker
        path.rmdir()
