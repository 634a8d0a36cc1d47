"""Who has the store open: every process shows it by a lock, the first one and a lone one see it.

Some things may only be done while nobody else has the store open: mending its files, or entering it
from another PID namespace, where LMDB would take one process for another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pfslib.kv.layout import DATA_FILE, PRESENCE_FILE, READERS_FILE
from pfslib.kv.ofd import EXCLUSIVE, SHARED, try_lock, unlock
from pfslib.kv.process import pid_namespace
from pfslib.kv.store_files import open_store_file
from pfslib.kv.syncing import write_durably
from pfslib.model.errors import BusyError

RECORD_SIZE: Final = 256

_BYTE: Final = 0
_PAUSE_S: Final = 0.005
_SETTLE_S: Final = 0.5
_ALONE_WAIT_S: Final = 60.0


class Presence:
    """This process's lock on a store being open.

    Attributes:
        alone: Whether nobody else has the store open, nor can until `share`.
    """

    def __init__(self, directory: Path) -> None:
        """Enter; alone if nobody is in.

        Raises:
            BusyError: Somebody is in from another PID namespace or with other files, or mends the
                store and does not come to an end.
        """
        self._directory = directory
        self._fd = open_store_file(directory / PRESENCE_FILE)
        try:
            self.alone = self._enter()
        except BaseException:
            self.leave()
            raise

    def share(self) -> None:
        """Let others in, who will find what is recorded now."""
        if self.alone:
            os.pwrite(self._fd, self._record(), 0)
            try_lock(self._fd, SHARED, _BYTE)
            self.alone = False

    def is_alone(self) -> bool:
        """Whether nobody else has the store open at this moment."""
        if not try_lock(self._fd, EXCLUSIVE, _BYTE):
            return False
        try_lock(self._fd, SHARED, _BYTE)
        return True

    def leave(self) -> None:
        """Have the store open no more."""
        # By name: a process that was just forked may have a copy of the descriptor for a moment.
        unlock(self._fd, _BYTE)
        os.close(self._fd)

    def abandon(self) -> None:
        """In a forked child: leave the lock to the parent."""
        os.close(self._fd)

    def _enter(self) -> bool:
        start = time.monotonic()
        while True:
            if try_lock(self._fd, EXCLUSIVE, _BYTE):
                return True
            waited = time.monotonic() - start
            if try_lock(self._fd, SHARED, _BYTE):
                problem = self._mismatch()
                if problem is None:
                    return False
                # Those it was recorded for may be leaving just now.
                unlock(self._fd, _BYTE)
                if waited > _SETTLE_S:
                    raise problem
            elif waited > _ALONE_WAIT_S:
                raise BusyError(
                    f"store {self._directory}: a process keeps it for itself",
                    hint=f"`fuser {self._directory / PRESENCE_FILE}` names it",
                )
            time.sleep(_PAUSE_S)

    def _mismatch(self) -> BusyError | None:
        """Why what those who are in have open is not what this process would open."""
        recorded, ours = os.pread(self._fd, RECORD_SIZE, 0).split(), self._record().split()
        if recorded == ours:
            return None
        if recorded[:1] != ours[:1]:
            return BusyError(
                f"store {self._directory} is open in another PID namespace: in another container,"
                " or outside of this one",
                hint="LMDB cannot tell processes of two apart: close it there, or share the "
                "namespace (docker run --pid)",
            )
        return BusyError(
            f"store {self._directory}: its files were replaced while others have the old ones open",
            hint=f"end the processes that `fuser {self._directory / PRESENCE_FILE}` names",
        )

    def _record(self) -> bytes:
        identity = [f"pid-namespace={pid_namespace()}"]
        for name in (DATA_FILE, READERS_FILE):
            with suppress(FileNotFoundError):
                identity.append(f"{name}={(self._directory / name).stat().st_ino}")
        return " ".join(identity).encode().ljust(RECORD_SIZE - 1) + b"\n"


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Have a store to oneself for the block, without opening it.

    Raises:
        BusyError: A process, this one or another, has it open.
    """
    presence = Presence(directory)
    try:
        if not presence.alone:
            raise BusyError(
                f"store {directory} is open",
                hint=f"`fuser {directory / PRESENCE_FILE}` names the processes; close it there",
            )
        yield
    finally:
        presence.leave()


def create_presence(directory: Path) -> None:
    """Make the file, with the room it will need, durably."""
    write_durably(directory / PRESENCE_FILE, b"\n".rjust(RECORD_SIZE))
