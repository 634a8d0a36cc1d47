"""Brings a mount up, watches over it, and takes it down; a second thread serves it.

The first thread stays out of the serving, so that it can always act: when a signal comes, when the
owner dies, even when a request hangs.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from select import POLLIN, poll
from threading import Thread
from typing import Final

import pfslib
from pfsfuse.forgetting import forgetting_deleted
from pfsfuse.inodes import Inode
from pfsfuse.kernel_loop import KernelLoop
from pfsfuse.kernel_mount import Mount, detach, mount, read_far_ahead
from pfsfuse.operations import Operations
from pfsfuse.own_mount import OwnMount, mounts_at, place_of
from pfsfuse.owner import Owner
from pfsfuse.reporting import Reports
from pfsfuse.settings import Settings
from pfsfuse.store_view import ShownStore
from pfsfuse.views import open_view
from pfslib import MountError

_log = logging.getLogger("pfsfuse")

_START_S: Final = 30.0
"""Longest wait for the kernel's first word; whoever started the server gives up sooner."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 32 << 20

_STOP_S: Final = 0.5
"""How long files that are still open may keep a detached mount alive, once it is to go."""


def serve(settings: Settings, reports: Reports) -> None:
    """Serve a mount until it is unmounted, a signal comes or the owner dies; then unmount it.

    Raises:
        PfsError: It did not come up.
    """
    _keep_freed_memory()
    signals = _catch_signals()
    owner = Owner(settings.owner_pid) if settings.owner_pid else None
    store, top = _open(settings)
    served = _Served(settings, top)
    try:
        if reports.ready(served.start()):
            served.wait(signals, owner)
            served.check_failure()
    finally:
        if served.stop():  # else a request may be reading the store's map this very moment
            store.close()


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next read, where it can be told so.

    Else it hands the buffers of large reads back to the kernel each time, and a tenth of all time
    goes into getting them again, page by page.
    """
    with suppress(AttributeError):  # not every C library can
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _open(settings: Settings) -> tuple[pfslib.TreeSource, Inode]:
    """The store, and the top of what is to be shown of it."""
    if settings.view == "store":
        if settings.binding != "kernel":
            message = f"a whole store cannot be mounted by the binding {settings.binding}"
            raise MountError(message, hint="it takes paths for inodes, and branches move")
        catalog = pfslib.open_catalog(settings.store)
        return catalog, ShownStore(catalog).top()
    store = pfslib.open_trees(settings.store)
    return store, open_view(store, settings.view, label=settings.label)


def _catch_signals() -> int:
    """Turn the signals that ask to stop into bytes of a pipe; the end to read from.

    A handler that is not the default one is also what keeps libfuse from installing its own, which
    would leave the loop waiting for a last request before it stops.
    """
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def _by_libfuse(binding: str) -> Callable[..., object]:
    """What serves a mount when it is made; imported here because it needs libfuse."""
    if binding == "fusepy":
        from pfsfuse.fusepy import FusepyBinding

        return FusepyBinding
    from pfsfuse.mfusepy import MfusepyBinding

    return MfusepyBinding


class _Served:
    """One mount and the thread that serves it."""

    def __init__(self, settings: Settings, top: Inode) -> None:
        self._settings = settings
        self._operations = Operations(top)
        self._live = os.eventfd(0)
        self._ended = os.eventfd(0)
        self._before: list[OwnMount] = []
        self._own: OwnMount | None = None
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="fuse", daemon=True)

    def _run(self) -> None:
        settings = self._settings
        wanted = Mount(settings.mountpoint, settings.fsname, settings.allow_other)
        try:
            if settings.binding == "kernel":
                device = mount(wanted)
                try:
                    loop = KernelLoop(device, self._operations, on_live=self._say_live)
                    with forgetting_deleted(device, loop.inodes, self._operations.top.shown):
                        loop.serve()
                finally:
                    os.close(device)  # or whoever looks in while nobody serves waits for ever
            else:
                _by_libfuse(settings.binding)(self._operations, wanted, on_live=self._say_live)
        except BaseException as error:  # for the first thread to raise
            self._failure = error
        finally:
            os.eventfd_write(self._ended, 1)

    def _say_live(self) -> None:
        os.eventfd_write(self._live, 1)

    def start(self) -> str:
        """Mount, and make sure that the kernel sees it.

        A look into the mount would prove no more than the kernel's hello does. And were the server
        killed before it has answered itself, it would wait for itself, and nobody could end it.

        Returns:
            The device number of the mount.

        Raises:
            MountError: It could not be mounted; libfuse has said why on standard error.
        """
        where = self._settings.mountpoint
        shown = os.fsdecode(where)
        self._before = mounts_at(where)
        self._thread.start()
        if self._live not in _first_of([self._live, self._ended], _START_S):
            if isinstance(self._failure, MountError):
                raise self._failure
            message = f"{shown} could not be mounted on"
            raise MountError(message) from self._failure
        self._own = self._find()
        if self._own is None or place_of(self._own) != where:
            message = f"the mount on {shown} does not show, or another one was made there"
            raise MountError(message)
        read_far_ahead(self._own.device)
        return self._own.device.decode()

    def _find(self) -> OwnMount | None:
        """The mount that was made; None if there is none, or it cannot be told from another."""
        new = [own for own in mounts_at(self._settings.mountpoint) if own not in self._before]
        return new[0] if len(new) == 1 else None

    def wait(self, signals: int, owner: Owner | None) -> None:
        """Until it is unmounted, a signal comes, or the owner dies."""
        events = [self._ended, signals]
        if owner is None:
            _first_of(events, None)
            return
        if owner.fd is not None:
            events.append(owner.fd)
        while not _first_of(events, owner.look_every_s) and owner.is_alive():
            pass

    def check_failure(self) -> None:
        """Log why the serving has ended, if not for an unmount: the mount is dead then."""
        if self._failure is not None:
            _log.error("the mount is dead: %r", self._failure)

    def stop(self) -> bool:
        """Unmount if need be; files still open fail with ENOTCONN once the process has exited.

        Returns:
            Whether the serving has ended; it has not while files are open or a request hangs.
        """
        where = self._settings.mountpoint
        if self._thread.is_alive():
            own = self._own or self._find()
            place = place_of(own) if own is not None else None
            if place is not None:
                detach(place)
            self._thread.join(_STOP_S)
        if self._settings.private:
            with suppress(OSError):  # whoever started us may have been quicker
                os.rmdir(where)  # noqa: PTH106 - bytes
        return not self._thread.is_alive()


def _first_of(events: list[int], timeout_s: float | None) -> list[int]:
    """Which descriptors have something to read; none of them after the time-out."""
    waiting = poll()
    for fd in events:
        waiting.register(fd, POLLIN)
    return [fd for fd, _ in waiting.poll(None if timeout_s is None else timeout_s * 1000)]
