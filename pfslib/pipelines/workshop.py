"""What the jobs of one engine run share: sessions, the mount of inputs, scratch space."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Protocol, Self

from pfslib.kv.store_files import make_store_folder
from pfslib.model.errors import MountError, RunnerError
from pfslib.model.work import Pipeline
from pfslib.mounts.mountinfo import INPUTS
from pfslib.mounts.mountinfo import is_alive as is_mount_alive
from pfslib.mounts.mounting import Mounted, mount
from pfslib.pipelines.clearing import clear_away
from pfslib.pipelines.scratch import TREES, scratch_of, sweep_scratch
from pfslib.runners.runner import Confinement, Runner, Session

ChooseRunner = Callable[[Pipeline, Path], Runner]
"""Gives the runner of a pipeline; the path is where every tree of the store is mounted by key."""


class ShownTrees(Protocol):
    """Every tree of the store as a directory, by the key of its root node."""

    @property
    def path(self) -> Path:
        """Where they are."""
        ...

    @property
    def alive(self) -> bool:
        """Whether they can be read."""
        ...

    def unmount(self) -> None:
        """Take them away.

        Raises:
            MountError: They would not go.
        """
        ...


class _MountedTrees:
    """They are mounted."""

    def __init__(self, store_dir: Path, scratch: Path) -> None:
        # Root's commands may run as somebody else, who has to read this; from outside, nobody gets
        # there through the directories above.
        others = os.geteuid() == 0
        place = scratch / TREES if others else None
        if place is not None:
            place.mkdir(exist_ok=True)
        self._mounted: Mounted = mount(
            store_dir, "roots", place, fsname=f"{INPUTS}{store_dir}", allow_other=others
        )
        self.path = self._mounted.path

    @property
    def alive(self) -> bool:
        return is_mount_alive(self.path)

    def unmount(self) -> None:
        self._mounted.unmount()


class Workshop:
    """A context manager; made when an engine run begins, and gone with it."""

    def __init__(
        self,
        store_dir: Path,
        choose_runner: ChooseRunner,
        owner: str,
        show: Callable[[Path], ShownTrees] | None = None,
    ) -> None:
        self._show = show
        self._store_dir = store_dir
        self._choose_runner = choose_runner
        self._sessions: dict[tuple[str, str, Confinement], Session] = {}
        self._shown: ShownTrees | None = None
        self._scratch = scratch_of(store_dir, owner)
        self._has_scratch = False

    def __enter__(self) -> Self:
        sweep_scratch(self._store_dir)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            self.start_over()
        finally:
            if self._has_scratch:
                clear_away(self._scratch)

    @property
    def scratch(self) -> Path:
        """A folder for this run alone, made when there is a first job."""
        if not self._has_scratch:
            make_store_folder(self._scratch.parent)
            make_store_folder(self._scratch)
            self._has_scratch = True
        return self._scratch

    def session(self, pipeline: Pipeline) -> Session:
        """The session for what a pipeline's image means now, made when first needed."""
        runner = self._choose_runner(pipeline, self.trees().path)
        transform = pipeline.transform
        confinement = Confinement(
            user=transform.user,
            network=transform.network,
            cpu_limit=transform.cpu_limit,
            memory_limit=transform.memory_limit,
        )
        key = (runner.name, transform.image, confinement)
        image = transform.image or None
        if key in self._sessions and _is_replaced(self._sessions[key], runner, image):
            self._sessions.pop(key).close()
        if key not in self._sessions:
            place = Path(mkdtemp(prefix="session-", dir=self.scratch))
            self._sessions[key] = runner.session(image, scratch=place, confinement=confinement)
        return self._sessions[key]

    def start_over(self) -> None:
        """Give up what may be broken, and what others left; it is made again when it is needed."""
        sweep_scratch(self._store_dir)
        self.close_sessions()
        shown, self._shown = self._shown, None
        if shown is not None:
            with suppress(MountError):
                shown.unmount()

    def close_sessions(self) -> None:
        """Kill what still runs in them; new ones are made when they are needed."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def trees(self) -> ShownTrees:
        """Every tree of the store, from the first use on."""
        if self._shown is None:
            if self._show is None:
                self._shown = _MountedTrees(self._store_dir, self.scratch)
            else:
                self._shown = self._show(self._store_dir)
        return self._shown


def _is_replaced(session: Session, runner: Runner, image: str | None) -> bool:
    """Whether an image's name means another image than that of a session."""
    try:
        return runner.digest_of(image) != session.image_digest
    except RunnerError:  # the session knows how to wait for what went away
        return False
