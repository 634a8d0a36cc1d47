"""The gate in front of writing: one writer at a time, with a time-out and a name.

LMDB's own mutex waits for ever when its holder is stopped, and its locks vanish when any
descriptor of the lock file is closed in the process, by a plain copy of the folder for instance.
This gate locks two bytes of a file of its own, by descriptor, which survives both: the right to
write, and the place of the one who is next, so that a busy writer cannot starve the others. If the
next one does not come when it may, being stopped, the others go before it.

After an I/O error the gate is shut, for all processes: see `pfslib.kv.health`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pfslib.kv.layout import GATE_FILE
from pfslib.kv.ofd import EXCLUSIVE, is_locked, try_lock, unlock
from pfslib.kv.store_files import open_store_file
from pfslib.kv.syncing import write_durably
from pfslib.model.errors import BusyError, CorruptionError, StoreClosedError

WAIT_S = 60.0
GATE_SIZE: Final = 1024

_WRITER: Final = 0
_NEXT: Final = 1
_PATIENCE_S = 0.1
_PAUSE_MIN_S = 0.0002
_PAUSE_MAX_S = 0.005

_LATE_S: Final = 0.1
"""Who is next looks every _PAUSE_MIN_S: if it has not come after this time, it is late."""

_LATE_FOR_S: Final = 1.0
"""How long it is then not waited for: without that, each change would cost _LATE_S."""

_HOLDER_SIZE: Final = 20
_NOTICE_AT: Final = 64
_OPEN: Final = b"open\n"


class WriteGate:
    """Exclusive right to write, among the threads of this process and among processes."""

    def __init__(self, directory: Path, *, wait_s: float = WAIT_S) -> None:
        self.wait_s = wait_s
        self._directory = directory
        self._fd = open_store_file(directory / GATE_FILE)
        self._thread_lock = threading.Lock()
        self._holder: int | None = None
        self._next_one = _NextOne(self._fd)
        self._shut = ""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the gate for the block.

        Raises:
            BusyError: Not to be had within the wait; names the process that holds it.
            StoreClosedError: Another thread has closed it.
        """
        if self._holder == threading.get_ident():
            msg = "a write transaction was begun inside another one"
            raise AssertionError(msg)
        deadline = time.monotonic() + self.wait_s
        if not self._thread_lock.acquire(timeout=self.wait_s):
            raise self._busy()
        try:
            self._holder = threading.get_ident()
            if self._fd < 0:
                raise StoreClosedError(str(self._directory))
            self._lock_file(deadline)
            yield
        finally:
            self._unlock(_WRITER)
            self._holder = None
            self._thread_lock.release()

    def close(self) -> None:
        """Close the gate's file, once no thread of this process is inside any more."""
        with self._thread_lock:
            self.abandon()

    def abandon(self) -> None:
        """In a forked child: leave the lock to the parent."""
        os.close(self._fd)
        self._fd = -1

    # --- shut and open -------------------------------------------------------------------

    def check_open(self) -> None:
        """To be called by the holder, before it writes.

        Raises:
            CorruptionError: The gate was shut.
        """
        notice = os.pread(self._fd, GATE_SIZE - _NOTICE_AT, _NOTICE_AT)
        if self._shut or not notice.startswith(_OPEN[: len(notice)]):
            why = self._shut or notice.rstrip(b"\0\n ").decode(errors="replace")
            raise CorruptionError(
                f"store {self._directory} takes no writes since {why}",
                hint="what is finished can be read; when the disk is well and nobody has the store "
                "open, `pfs recover`, which is pfslib.recover, lets it be written again",
            )

    def shut(self, why: str) -> None:
        """Refuse writing from now on, in every process. To be called by the holder."""
        self._shut = why
        # Neither room nor a new file is needed for this, and other processes see it at once, also
        # when the disk takes nothing any more: then there is nothing to survive a restart either.
        with suppress(OSError):
            self._write_notice(why.encode())

    def open_again(self) -> None:
        """Let writers in again. To be called by the holder."""
        self._shut = ""
        self._write_notice(_OPEN)

    def _write_notice(self, text: bytes) -> None:
        size = GATE_SIZE - _NOTICE_AT
        os.pwrite(self._fd, text[: size - 1].ljust(size - 1) + b"\n", _NOTICE_AT)
        os.fsync(self._fd)

    # --- locks ---------------------------------------------------------------------------

    def _lock_file(self, deadline: float) -> None:
        """Take the right to write.

        Whoever asks first when it is free gets it: handing it from one to the next in turn would
        cost a wake-up a change, and a factor of three. One who has waited for long takes the place
        of the next one, and keeps all others from asking.
        """
        impatient_at = time.monotonic() + _PATIENCE_S
        pause, is_next = _PAUSE_MIN_S, False
        self._next_one.watch()
        try:
            while True:
                if is_next or not self._next_one.is_awaited():
                    if try_lock(self._fd, EXCLUSIVE, _WRITER):
                        break
                    if time.monotonic() > impatient_at:
                        is_next = try_lock(self._fd, EXCLUSIVE, _NEXT)
                if time.monotonic() >= deadline:
                    raise self._busy()
                time.sleep(_PAUSE_MIN_S if is_next else pause)
                pause = min(pause * 1.5, _PAUSE_MAX_S)
        finally:
            if pause > _PAUSE_MIN_S:  # there was a wait
                self._unlock(_NEXT)
        with suppress(OSError):  # the name is a courtesy, not worth failing for on a full disk
            os.pwrite(self._fd, b"%-*d" % (_HOLDER_SIZE, os.getpid()), 0)

    def _unlock(self, byte: int) -> None:
        # In a child forked inside the block the file is closed, and the lock its parent's.
        if self._fd >= 0:
            unlock(self._fd, byte)

    def _busy(self) -> BusyError:
        if is_locked(self._fd, _WRITER):
            text = os.pread(self._fd, _HOLDER_SIZE, 0).strip(b" \0").decode(errors="replace")
            holder = text or "unknown"
        else:  # by another thread of this process; the file names whoever was the last
            holder = str(os.getpid())
        return BusyError(
            f"store {self._directory}: process {holder} has been writing for {self.wait_s:.0f} s",
            hint=f"look at it with `ps {holder}`: a stopped process keeps everybody waiting",
        )


class _NextOne:
    """The process that is next, as others see it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._free_since: float | None = None
        self._late_until = 0.0

    def watch(self) -> None:
        """Begin a wait."""
        self._free_since = None

    def is_awaited(self) -> bool:
        """Whether there is one, who comes when the gate is free."""
        if not is_locked(self._fd, _NEXT):
            self._free_since = None
            return False
        now = time.monotonic()
        if now < self._late_until:
            return False
        if is_locked(self._fd, _WRITER):
            self._free_since = None
        elif self._free_since is None:
            self._free_since = now
        elif now - self._free_since > _LATE_S:
            self._late_until = now + _LATE_FOR_S
            return False
        return True


def create_gate(directory: Path) -> None:
    """Make the gate's file, with the room it will need, durably."""
    content = _OPEN.rjust(_NOTICE_AT + len(_OPEN)).ljust(GATE_SIZE)
    write_durably(directory / GATE_FILE, content)
