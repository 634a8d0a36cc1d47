"""Has the kernel forget commits that were deleted, so that gc can have them.

In the mount of a whole store, all that the kernel knows is kept from gc, since it may be open; and
the kernel forgets nothing before memory is short. So it is told when a commit is not there any
more. What is not in use it forgets at once, the rest when that is closed, and says so.

Since Linux 6.18 it can be told of inodes, and waits for nobody. Before, it is told of names: it
lets nobody change a directory while a name is looked up in it, for which the serving thread has to
be free. Hence a thread of its own; and were the server killed while that waits, the kernel could
end neither it nor whoever looks up. So names that are being looked up are left alone.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final
from weakref import WeakKeyDictionary

from pfsfuse import abi
from pfsfuse.inode_table import InodeTable
from pfsfuse.inodes import Inode, Shown
from pfsfuse.store_view import ShownCommit, ShownStore
from pfslib import PfsError

_log = logging.getLogger("pfsfuse")

_EVERY_S: Final = 0.5
_AT_MOST: Final = 1 / 20
"""Part of a processor that may be spent on it."""

_JOIN_S: Final = 0.5

_Known = frozenset[tuple[int, int]]
"""Inodes that the kernel knows, with how often each was looked up."""


@contextmanager
def forgetting_deleted(device: int, inodes: InodeTable, top: Shown) -> Iterator[None]:
    """Have deleted commits forgotten inside the block; of nothing but a whole store.

    Args:
        device: Descriptor of /dev/fuse that the mount is served by.
        inodes: What the kernel knows.
        top: What is mounted.
    """
    if not isinstance(top, ShownStore):
        yield
        return
    ended = Event()
    thread = Thread(
        target=_Forgetting(device, inodes, top, ended).run, name="forgetting", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_JOIN_S)


class _Forgetting:
    def __init__(self, device: int, inodes: InodeTable, store: ShownStore, ended: Event) -> None:
        self._device = device
        self._inodes = inodes
        self._store = store
        self._ended = ended
        self._can_prune = True
        """Until the kernel says that it cannot."""

        self._seen: WeakKeyDictionary[ShownCommit, _Known] = WeakKeyDictionary()
        """Deleted commits, of which what is not in use was forgotten with their tops."""

        self._told: WeakKeyDictionary[ShownCommit, _Known] = WeakKeyDictionary()
        """What the kernel was told of by name: it goes when it is closed, if not looked up anew."""

    def run(self) -> None:
        took_s = 0.0
        while not self._ended.wait(max(_EVERY_S, took_s / _AT_MOST)):
            began_s = time.thread_time()
            try:
                self._forget()
                self._store.tidy()
            except (PfsError, OSError) as error:
                if not self._ended.is_set():
                    _log.warning("what is deleted stays kept from gc until the unmount: %s", error)
                return
            took_s = time.thread_time() - began_s

    def _forget(self) -> None:
        for shown in self._store.deleted():
            known = self._inodes.shown_by(shown)
            if self._can_prune and self._prune(known):
                continue
            now = frozenset((inode.id, inode.lookups) for inode in known)
            before = self._seen.get(shown)
            self._seen[shown] = now
            if before is None:  # with the top goes all below it that is not in use
                self._invalidate([inode for inode in known if not _is_below(inode, shown)])
            elif now <= before and not now <= self._told.get(shown, frozenset()):
                self._told[shown] = now
                self._invalidate(known)

    def _prune(self, inodes: list[Inode]) -> bool:
        """Have the kernel forget those that nobody uses; whether it can.

        The rest it is told of again.
        """
        ids = array("Q", [inode.id for inode in reversed(inodes)])  # a directory after its names
        body = abi.PRUNE_OUT.pack(len(ids), 0, 0) + ids.tobytes()
        header = abi.OUT_HEADER.pack(abi.OUT_HEADER.size + len(body), abi.NOTIFY_PRUNE, 0)
        try:
            os.writev(self._device, (header, body))
        except OSError as error:
            self._can_prune = error.errno != errno.EINVAL
        return self._can_prune

    def _invalidate(self, inodes: list[Inode]) -> None:
        for inode in inodes:
            self._invalidate_one(inode)

    def _invalidate_one(self, inode: Inode) -> None:
        """Take a name out of the kernel's memory; what it names goes when nobody uses it."""
        if inode.parent is None or self._ended.is_set():
            return
        name = inode.entry.name + b"\0"
        body = abi.INVAL_ENTRY_OUT.pack(inode.parent.id, len(name) - 1, 0) + name
        size = abi.OUT_HEADER.size + len(body)
        header = abi.OUT_HEADER.pack(size, abi.NOTIFY_INVAL_ENTRY, 0)
        with suppress(OSError):  # it was forgotten already, or the mount is gone
            os.writev(self._device, (header, body))


def _is_below(inode: Inode, shown: Shown) -> bool:
    return inode.parent is not None and inode.parent.shown is shown
