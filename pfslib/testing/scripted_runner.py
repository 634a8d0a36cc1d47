"""A runner that calls a function, in this process, on files read straight from the store.

For tests of what is to be run, rather than of how: an attempt takes half a millisecond, and neither
mounts nor namespaces are needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from pfslib.api.store import Store
from pfslib.model.nodes import Entry
from pfslib.model.paths import join_path
from pfslib.model.work import Job
from pfslib.pipelines.datum_variables import LISTS
from pfslib.pipelines.engine import Engine
from pfslib.runners.runner import UNCONFINED, Attempt, Confinement, Outcome
from pfslib.trees.directories import root_entry
from pfslib.trees.filereader import read_file
from pfslib.trees.walk import walk

Files = dict[str, bytes]
"""Content by path."""


class Call(NamedTuple):
    """What a function is given: what a command would find."""

    inputs: Mapping[str, Files]
    env: Mapping[str, str]
    cmd: tuple[str, ...]


Script = Callable[[Call], Files | int]
"""Gives what is written to /pfs/out, or the exit code of a failure."""


class ScriptedRunner:
    """Runs a function for every attempt.

    Attributes:
        calls: What it was given so far.
    """

    name = "scripted"
    image_digest = ""

    def __init__(self, store: Store, script: Script) -> None:
        self._store = store
        self._script = script
        self.calls: list[Call] = []

    def digest_of(self, image: str | None) -> str:  # noqa: ARG002 - the protocol's
        """As the session's."""
        return self.image_digest

    def session(
        self,
        image: str | None,  # noqa: ARG002 - the protocol's
        *,
        scratch: Path,  # noqa: ARG002 - the protocol's
        confinement: Confinement = UNCONFINED,  # noqa: ARG002 - the protocol's
    ) -> Self:
        """The runner is its own session."""
        return self

    def run(self, attempt: Attempt) -> Outcome:
        """Call the function."""
        trees = {name: path for name, path in attempt.inputs.items() if name != LISTS}
        inputs = {name: self._read(path) for name, path in trees.items()}
        call = Call(inputs, attempt.env, attempt.cmd)
        self.calls.append(call)
        written = self._script(call)
        if isinstance(written, int):
            return Outcome(exit_code=written)
        for path, data in written.items():
            place = attempt.out / path.strip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return Outcome(exit_code=0)

    def close(self) -> None:
        """Nothing is left."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, directory: Path) -> Files:
        """The files of a tree that would be shown at a path named by its key."""
        store = self._store
        with store.kv.read() as txn:
            root = root_entry(txn, bytes.fromhex(directory.name), store.cache)
            return {
                join_path(path): self._content(entry)
                for path, entry in walk(txn, root, store.cache)
                if not entry.is_dir
            }

    def _content(self, entry: Entry) -> bytes:
        with self._store.kv.read() as txn:
            return read_file(txn, entry, 0, None, self._store.cache)


class _NowhereTrees:
    """Trees that are not shown, for nobody looks at them."""

    alive = True

    def __init__(self, _store_dir: Path) -> None:
        self.path = Path("/nowhere")

    def unmount(self) -> None:
        """Nothing to do."""


def run_scripted(
    store: Store,
    runner: ScriptedRunner,
    *,
    egress_to: Path | None = None,
    stop: threading.Event | None = None,
) -> list[Job]:
    """Run all jobs of a store until none is left; or, with an event to stop at, as they come."""
    engine = Engine(
        store.kv,
        store.cache,
        store.path,
        lambda _pipeline, _trees: runner,
        egress_to=egress_to,
        show=_NowhereTrees,
    )
    if stop is None:
        return engine.run_until_idle()
    engine.watch(stop)
    return []
