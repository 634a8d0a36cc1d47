"""The end of a working copy: its files are put aside, and those that a commit holds are removed.

What is put aside, programs reach only that had it open, or were in it, before. Of these, a file is
removed only while it is what the commit holds. So a change that comes too late is left lying.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pfslib.api.copy_origin import ASIDE, CLAIM, MARKER, PROBE, is_working_copy
from pfslib.kv.directory_lock import locked
from pfslib.model.errors import (
    AlreadyExistsError,
    BusyError,
    InvalidInputError,
    PathNotFoundError,
    PfsError,
    StateError,
)
from pfslib.mounts.mountinfo import kernel_mounts
from pfslib.trees.hoststats import RACY_NS

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.info import FileInfo

_NAMES_SHOWN: Final = 8
_STILL_USED: Final = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT})


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other commits and ends of a working copy out.

    Raises:
        BusyError: There is one.
    """
    with ExitStack() as lock:
        try:
            lock.enter_context(locked(path))
        except BlockingIOError:
            raise BusyError(
                f"{path} is being committed or unmounted", hint="wait until that is done"
            ) from None
        yield


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Have an empty directory for oneself, to make a working copy in.

    Raises:
        AlreadyExistsError: It is not empty, or somebody else makes one in it.
        InvalidInputError: It is inside another working copy.
        OSError: It is not there, or cannot be written to.
    """
    _check_apart(path)
    claim = path / CLAIM
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        raise AlreadyExistsError(
            f"{path} is not empty: somebody makes a working copy in it",
            hint=f"wait for that; if it was cut short, remove {claim} and what is half made",
        ) from None
    except OSError as error:  # what the user has named is the directory
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        if any(entry != claim and not _is_lost_and_found(entry) for entry in path.iterdir()):
            raise AlreadyExistsError(f"{path} is not empty", hint="name an empty directory")
        yield
    finally:
        claim.unlink(missing_ok=True)


def _check_apart(path: Path) -> None:
    for above in Path(os.path.realpath(path)).parents:
        with suppress(PermissionError):  # it is not for this user to look into
            if is_working_copy(above):
                raise InvalidInputError(
                    f"{path} is inside the working copy {above}, whose commits would take it in",
                    hint="name a directory elsewhere",
                )


@contextmanager
def removed_on_failure(path: Path, commit: Commit | None, below: str) -> Iterator[None]:
    """If the block fails, remove what an export into a claimed directory has written."""
    try:
        yield
    except BaseException:
        with suppress(PfsError, OSError):  # more is left lying then; the first error says why
            (path / MARKER).unlink(missing_ok=True)
            for note in path.glob(".pfs-export-*~*"):
                note.unlink()
            remove_held(path, commit, below)
        raise


def edited(path: Path) -> list[Path]:
    """What is in a working copy, but for what is ours, or the file system's own."""
    return [
        entry
        for entry in path.iterdir()
        if not entry.name.startswith(MARKER) and not _is_lost_and_found(entry)
    ]


def _is_lost_and_found(path: Path) -> bool:
    """Whether it is what ext4 puts into its top directory, and its fsck needs there."""
    if path.name != "lost+found" or path.is_symlink() or not path.parent.is_mount():
        return False
    try:
        return path.stat().st_uid == 0 and not any(path.iterdir())
    except OSError:
        return False


def put_aside(path: Path) -> None:
    """Move all that is in a working copy to its folder for that.

    Raises:
        StateError: Something is mounted inside.
        OSError: Something cannot be moved; all is where it was.
    """
    check_nothing_mounted(path)
    aside = path / ASIDE
    aside.mkdir()
    try:
        for entry in edited(path):
            with suppress(FileNotFoundError):  # removed meanwhile
                entry.rename(aside / entry.name)
    except BaseException:
        put_back(path)
        raise


def put_back(path: Path) -> None:
    """Undo `put_aside`; does nothing where nothing was put aside.

    Raises:
        StateError: There is something new of the same name; both are kept.
    """
    aside = path / ASIDE
    if not aside.is_dir():
        return
    taken = []
    for entry in aside.iterdir():
        if os.path.lexists(path / entry.name):
            taken.append(entry.name)
        else:
            entry.rename(path / entry.name)
    if taken:
        raise StateError(
            f"{_listed(taken)} in {aside} cannot be moved back: {path} has others of these names",
            hint="rename or remove either, then retry",
        )
    aside.rmdir()


def check_nothing_mounted(top: Path) -> None:
    """See to it that no removal reaches into what is mounted inside.

    Raises:
        StateError: Something is.
    """
    real = Path(os.path.realpath(top))
    for mount in kernel_mounts():
        if real in mount.path.parents:
            raise StateError(
                f"something is mounted on {mount.path}", hint=f"`umount {mount.path}`, then retry"
            )


def clock_ns(path: Path) -> int:
    """What time it is for the file system of a directory: that may be another machine's."""
    probe = path / PROBE
    probe.touch()
    try:
        probe.chmod(0o600)  # an older one of somebody killed gets the time, too
        return probe.stat().st_ctime_ns
    finally:
        probe.unlink(missing_ok=True)


def remove_held(
    directory: Path, commit: Commit | None, below: str, *, committed_ns: int = 0
) -> None:
    """Remove what is in a directory, as far as it is what a commit holds.

    Args:
        directory: The directory.
        commit: The commit; None for one without files.
        below: The directory of it that is copied.
        committed_ns: Files that have not been changed for some time before this, by the file
            system's clock, are known to be in the commit; the others are compared, byte by byte.
    """
    _Removal(commit, committed_ns).inside(directory, below)


def remove_empty(directory: Path) -> None:
    """Remove a directory, unless there is something in it."""
    try:
        directory.rmdir()
    except OSError as error:
        if error.errno not in _STILL_USED:
            raise


def check_removed(path: Path, shown: str) -> None:
    """Tell of what was left.

    Raises:
        StateError: Something was.
    """
    aside = path / ASIDE
    late = [f"{ASIDE}/{entry.name}" for entry in aside.iterdir()] if aside.is_dir() else []
    left = [*late, *(entry.name for entry in edited(path))]
    if left:
        raise StateError(
            f"{path} is no working copy of {shown} any more, but files in it were changed "
            f"too late to be committed, and are kept: {_listed(left)}",
            hint="move them elsewhere; a new working copy can take them in",
        )


class _Removal:
    def __init__(self, commit: Commit | None, committed_ns: int) -> None:
        self._commit = commit
        self._committed_ns = committed_ns

    def inside(self, directory: Path, below: str | None) -> None:
        """Remove what is held of what is in a directory."""
        known = self._known(below)
        for path in list(directory.iterdir()):
            info = known.get(path.name)
            with suppress(FileNotFoundError):  # removed meanwhile
                status = path.lstat()
                if stat.S_ISDIR(status.st_mode):
                    self.inside(path, info.path if info and info.kind == "dir" else None)
                    remove_empty(path)
                elif info is not None and self._is_same(path, status, info):
                    path.unlink()

    def _known(self, below: str | None) -> dict[str, FileInfo]:
        if below is None or self._commit is None:
            return {}
        try:
            return {info.path.rpartition("/")[2]: info for info in self._commit.list_file(below)}
        except PathNotFoundError:
            return {}

    def _is_same(self, path: Path, status: os.stat_result, info: FileInfo) -> bool:
        assert self._commit is not None
        if info.kind == "symlink":
            if not stat.S_ISLNK(status.st_mode):
                return False
            target = os.readlink(os.fsencode(path))  # noqa: PTH115 - a Path would tidy it up
            return target == self._commit.get_file(info.path)
        if (
            info.kind != "file"
            or not stat.S_ISREG(status.st_mode)
            or status.st_size != info.size
            or bool(status.st_mode & 0o111) != info.executable
        ):
            return False
        if max(status.st_mtime_ns, status.st_ctime_ns) + RACY_NS <= self._committed_ns:
            return True
        with path.open("rb") as file:
            blocks = self._commit.stream_file(info.path)
            return all(file.read(len(block)) == block for block in blocks) and not file.read(1)


def _listed(names: list[str]) -> str:
    shown, more = ", ".join(sorted(names)[:_NAMES_SHOWN]), len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
