"""What somebody counts on though nothing in the store refers to it: kept from gc while it is held.

A writer finds a piece stored already and will refer to it when its commit finishes; a mount shows a
commit that may be deleted under it. Each notes the names down in a file of its own in ``holds/``,
32 bytes a name, and keeps a ``flock`` on it. That costs no write transaction and no sync, and the
kernel takes the lock away however its holder ends, whatever PID namespace that was in. The files
stay and are used again, so that copying the folder of an open store meets none that vanishes.

The order is what makes it safe (``pfslib.maintenance.gc`` has the proof):

- a holder notes a name down *before* it looks whether that is stored, and not condemned;
- a sweep first writes all its marks, then reads the holds, then deletes;
- what is let go while a sweep is under way stays written for it to read.

Where a disk has no room for a note, its holder keeps gc away altogether.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from pfslib.kv.layout import HOLDS_FOLDER, SWEEP_FILE
from pfslib.kv.room import NO_ROOM, disk_fails
from pfslib.kv.store_files import access_needed, make_store_folder, open_store_file
from pfslib.kv.syncing import write_durably
from pfslib.model.errors import BusyError

NAME_SIZE: Final = 32

_PID_SIZE: Final = 20
_SWEEP_WAIT_S: Final = 1.0
"""Holders that let go have the lock for an instant."""

_AWAY_WAIT_S: Final = 60.0
_PAUSE_S: Final = 0.01
_held_here: weakref.WeakSet[FileHold] = weakref.WeakSet()


class FileHold:
    """See Hold. Not for several threads at once."""

    def __init__(self, store_dir: Path) -> None:
        self._store_dir = store_dir
        self._fd: int | None = None
        self._size = 0
        self._away: int | None = None
        self._ending: weakref.finalize[..., FileHold] | None = None
        _held_here.add(self)

    def add(self, names: Iterable[bytes]) -> None:
        """See Hold. Cost: a system call; the first time, four."""
        data = b"".join(names)
        if not data or self._away is not None:
            return
        assert len(data) % NAME_SIZE == 0
        try:
            self._note(data)
        except OSError as error:
            if error.errno == errno.EIO:
                raise disk_fails(self._store_dir, error) from error
            if error.errno not in NO_ROOM:
                raise
            self._keep_away()

    def release(self) -> None:
        """See Hold."""
        if self._ending is not None:
            self._ending()
        self._fd, self._away, self._ending, self._size = None, None, None, 0

    def _note(self, data: bytes) -> None:
        if self._fd is None:
            with access_needed(self._store_dir):
                self._fd = _take_file(self._store_dir)
            self._arrange_end()
        written = 0
        while written < len(data):
            written += os.pwrite(self._fd, data[written:], self._size + written)
        self._size += len(data)

    def _keep_away(self) -> None:
        fd = _open_lock(self._store_dir)
        try:
            _lock(fd, fcntl.LOCK_SH, _AWAY_WAIT_S)
        except TimeoutError:
            os.close(fd)
            raise BusyError(
                f"store {self._store_dir}: garbage is being collected, and there is no room to "
                "note down what must not be",
                hint="wait until that is done",
            ) from None
        self._away = fd
        self._arrange_end()

    def _arrange_end(self) -> None:
        """Let go also when this is forgotten, or the process ends in good order."""
        if self._ending is not None:
            self._ending.detach()
        self._ending = weakref.finalize(self, _let_go, self._store_dir, self._fd, self._away)

    def _forget(self) -> None:
        """In a forked child: the hold is the parent's, and must not outlive it."""
        if self._ending is not None:
            self._ending.detach()
        for fd in (self._fd, self._away):
            if fd is not None:
                os.close(fd)
        self._fd, self._away, self._ending, self._size = None, None, None, 0


def _take_file(store_dir: Path) -> int:
    """An empty file that nobody else has; made when all are taken."""
    folder = store_dir / HOLDS_FOLDER
    make_store_folder(folder)
    for number in count():
        fd = open_store_file(folder / str(number))
        try:
            if _try_lock(fd, fcntl.LOCK_EX) and _empty(fd, store_dir):
                return fd
        except BaseException:
            os.close(fd)
            raise
        _close(fd)
    raise AssertionError


def _empty(fd: int, store_dir: Path) -> bool:
    """Empty a locked file, unless the sweep that is under way has to read it."""
    if os.fstat(fd).st_size:
        if _is_swept(store_dir):
            return False
        os.ftruncate(fd, 0)
    return True


def _let_go(store_dir: Path, fd: int | None, away: int | None) -> None:
    if fd is not None:
        with suppress(OSError):  # the store may be gone
            _empty(fd, store_dir)
        _close(fd)
    if away is not None:
        _close(away)


def _is_swept(store_dir: Path) -> bool:
    """Whether a sweep is under way. If not, the next will see what was published before now."""
    fd = _open_lock(store_dir)
    try:
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        _close(fd)


class FileSweep:
    """See Sweep."""

    def __init__(self, store_dir: Path) -> None:
        self._folder = store_dir / HOLDS_FOLDER

    def held(self) -> Iterator[bytes]:
        """See Sweep."""
        for path in _files(self._folder):
            data = path.read_bytes()
            for end in range(NAME_SIZE, len(data) + 1, NAME_SIZE):
                yield data[end - NAME_SIZE : end]

    def clean(self) -> None:
        """Empty the files that nobody holds any more.

        At the beginning of a sweep, what their holders published is in the store; at its end, this
        sweep needs them no more, and the next will find in the store what they published.
        """
        for path in _files(self._folder):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            if _try_lock(fd, fcntl.LOCK_EX):
                os.ftruncate(fd, 0)
                _close(fd)
            else:
                os.close(fd)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


@contextmanager
def sweeping(store_dir: Path) -> Iterator[FileSweep]:
    """See KV."""
    fd = _open_lock(store_dir)
    try:
        try:
            _lock(fd, fcntl.LOCK_EX, _SWEEP_WAIT_S)
        except TimeoutError:
            raise _not_alone(fd, store_dir) from None
        with suppress(OSError):  # on a full disk gc is wanted most
            os.pwrite(fd, b"%-*d" % (_PID_SIZE, os.getpid()), 0)
        sweep = FileSweep(store_dir)
        sweep.clean()
        yield sweep
        sweep.clean()
    finally:
        _close(fd)


def _not_alone(fd: int, store_dir: Path) -> BusyError:
    if _try_lock(fd, fcntl.LOCK_SH):
        return BusyError(
            f"store {store_dir}: a writer keeps gc away, because the disk has no room for a note",
            hint="make a little room, or end it",
        )
    other = os.pread(fd, _PID_SIZE, 0).strip().decode(errors="replace") or "unknown"
    return BusyError(
        f"store {store_dir}: process {other} is collecting garbage already",
        hint="wait until it is done",
    )


def create_sweep_lock(store_dir: Path) -> None:
    """Make the file, with the room it will need, durably."""
    write_durably(store_dir / SWEEP_FILE, b"\n".rjust(_PID_SIZE))


# --- locks -----------------------------------------------------------------------------------


def _open_lock(store_dir: Path) -> int:
    return open_store_file(store_dir / SWEEP_FILE)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(fd: int, kind: int, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while not _try_lock(fd, kind):
        if time.monotonic() >= deadline:
            raise TimeoutError
        time.sleep(_PAUSE_S)


def _close(fd: int) -> None:
    """Unlock and close; closing alone would leave the lock to a child forked meanwhile."""
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def _forget_after_fork() -> None:
    for hold in list(_held_here):
        hold._forget()  # noqa: SLF001 - module-private life cycle


os.register_at_fork(after_in_child=_forget_after_fork)
