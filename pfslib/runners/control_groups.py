"""Control groups: limits of memory, processors and processes that hold for all of an attempt.

Where there are limits, each attempt has groups of its own, which its init joins before it does
anything else; otherwise those of a session share one. Where the kernel has none, or this user may
not make any, there are none.

A group is removed by whoever made it; if that was killed, by the guard of its session, which
outlives it; if that was killed as well, by the next session that makes groups in the same place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pfslib.kv.process import is_alive, this_process

PROCESSES_MAX: Final = 4096
"""Of all that share a group, as many as in a container: a fork bomb ends in itself."""

_WANTED: Final = frozenset({"memory", "cpu", "pids"})
_MARK: Final = "pfslib~"
_EVENTS: Final = {True: "memory.events", False: "memory.oom_control"}
"""By version: the file that counts how often the kernel killed for want of memory."""

_PERIOD_US: Final = 100_000
_REMOVE_TRIES: Final = 50
_REMOVE_WAIT_S: Final = 0.002


class Place(NamedTuple):
    """Where groups can be made."""

    directory: Path
    controllers: frozenset[str]
    unified: bool
    """Whether it is of version 2."""


class Limits(NamedTuple):
    """Of one attempt."""

    memory: int
    """Bytes; 0 for no limit."""

    processors: float
    """0 for no limit."""


class Group:
    """The groups, one of each hierarchy, that some processes are in."""

    def __init__(self, made: Sequence[tuple[Path, Place]]) -> None:
        self._made = made

    @property
    def doors(self) -> list[str]:
        """Files to which a process writes 0 to join."""
        return [str(directory / "cgroup.procs") for directory, _ in self._made]

    @property
    def memory_kills(self) -> int:
        """How often the kernel has killed a process of it for want of memory."""
        return sum(
            _kills_in(directory, unified=place.unified)
            for directory, place in self._made
            if place.unified or "memory" in place.controllers
        )


class ControlGroups:
    """Makes the groups of a session's attempts.

    Attributes:
        places: Where they are made; nowhere, if none may be.
        memory: Whether they limit memory.
        processors: Whether they limit processors.
        shared: What the session is to join once, for an attempt would need milliseconds for it;
            None if its attempts have groups of their own.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._mark = f"{_MARK}{this_process()}~{secrets.token_hex(4)}."
        wanted = {"pids"} | ({"memory"} if limits.memory else set())
        wanted |= {"cpu"} if limits.processors else set()
        self.places = [
            place for place in find_places() if wanted & place.controllers and self._can(place)
        ]
        held = {controller for place in self.places for controller in place.controllers}
        self.memory = "memory" in held
        self.processors = "cpu" in held
        self._kept = contextlib.ExitStack()
        self.shared = None if any(limits) else self._kept.enter_context(self._made())

    @property
    def names(self) -> list[str]:
        """How the paths of its groups begin, and no others'."""
        return [str(place.directory / self._mark) for place in self.places]

    def close(self) -> None:
        """Remove what is left, such as what the kernel was slow with; all attempts are over."""
        self._kept.close()
        for place in self.places:
            for found in place.directory.glob(f"{self._mark}*"):
                _remove(found)

    @contextlib.contextmanager
    def group(self) -> Iterator[Group]:
        """The groups that one attempt is to join, there until all its processes are dead."""
        if self.shared is not None:
            yield Group([])
        else:
            with self._made() as group:
                yield group

    @contextlib.contextmanager
    def _made(self) -> Iterator[Group]:
        name = f"{self._mark}{secrets.token_hex(4)}"
        with contextlib.ExitStack() as made:
            for place in self.places:
                made.callback(_remove, place.directory / name)
                self._make(place, place.directory / name)
            yield Group([(place.directory / name, place) for place in self.places])

    def _can(self, place: Place) -> bool:
        """Whether groups can be made at a place; removes what dead processes left there."""
        try:
            for found in place.directory.glob(f"{_MARK}*"):
                if is_alive(found.name.split("~")[1]) is False:
                    _remove(found)
            rehearsal = place.directory / f"{self._mark}{secrets.token_hex(4)}"
            try:
                self._make(place, rehearsal)
            finally:
                _remove(rehearsal)
        except OSError:
            return False
        return True

    def _make(self, place: Place, directory: Path) -> None:
        directory.mkdir()
        if "pids" in place.controllers:
            (directory / "pids.max").write_text(str(PROCESSES_MAX))
        if "memory" in place.controllers and self._limits.memory:
            self._limit_memory(directory, unified=place.unified)
        if "cpu" in place.controllers and self._limits.processors:
            quota = round(self._limits.processors * _PERIOD_US)
            if place.unified:
                (directory / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
            else:
                (directory / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
                (directory / "cpu.cfs_quota_us").write_text(str(quota))

    def _limit_memory(self, directory: Path, *, unified: bool) -> None:
        limit = str(self._limits.memory)
        (directory / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(limit)
        # Not all kernels count swap.
        with contextlib.suppress(OSError):
            if unified:
                (directory / "memory.swap.max").write_text("0")
            else:
                (directory / "memory.memsw.limit_in_bytes").write_text(limit)


def find_places() -> list[Place]:
    """Where this process's attempts could have groups, with the controllers that are of use."""
    found: list[Place] = []
    for own in groups_of("self"):
        if own.unified:
            found += _handed_down(own.directory)
        elif _WANTED & own.controllers:
            found.append(own._replace(controllers=_WANTED & own.controllers))
    return found


def group_of(pid: int) -> Group:
    """The group that a process is in."""
    return Group([(own.directory, own) for own in groups_of(pid)])


def groups_of(pid: int | str, proc: Path = Path("/proc")) -> Iterator[Place]:
    """The groups that a process is in, of each hierarchy that is mounted here."""
    paths: dict[str, str] = {}
    with contextlib.suppress(OSError):  # it has ended
        for line in (proc / str(pid) / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            paths |= dict.fromkeys(controllers.split(","), path)
    table = os.fsdecode((proc / "self/mountinfo").read_bytes())  # of whatever names others mount at
    for line in table.removesuffix("\n").split("\n"):
        before, _, after = line.partition(" - ")
        root, mountpoint = before.split(" ")[3:5]
        kind, *_, options = after.split(" ")
        held = frozenset(options.split(",")) if kind == "cgroup" else frozenset({""})
        if kind in {"cgroup", "cgroup2"} and (known := held & paths.keys()):
            directory = _below(mountpoint, root, paths[min(known)])
            yield Place(directory, held, unified=kind == "cgroup2")


def _below(mountpoint: str, root: str, path: str) -> Path:
    """Where a group is to be seen, of a hierarchy that is mounted from some root on."""
    top = root.rstrip("/")
    return Path(mountpoint + path.removeprefix(top)) if path.startswith(top) else Path(mountpoint)


def _handed_down(own: Path) -> Iterator[Place]:
    """The nearest group above this process, of version 2, that hands controllers down.

    Its own one cannot: such a group has either processes in it or groups with controllers.
    """
    for directory in (own, *own.parents):
        with contextlib.suppress(OSError):
            handed = (directory / "cgroup.subtree_control").read_text().split()
            if wanted := _WANTED & set(handed):
                yield Place(directory, wanted, unified=True)
                return


def _kills_in(directory: Path, *, unified: bool) -> int:
    with contextlib.suppress(OSError):
        for line in (directory / _EVENTS[unified]).read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _remove(directory: Path) -> None:
    """Remove a group whose processes are dead; the kernel may be a moment behind."""
    for _ in range(_REMOVE_TRIES):
        try:
            directory.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
            time.sleep(_REMOVE_WAIT_S)
        else:
            return
