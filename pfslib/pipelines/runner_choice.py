"""Which runner a pipeline gets: the local sandbox, Docker, or one of the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from pfslib.kv.protocol import KV
from pfslib.kv.tables import Table
from pfslib.model.errors import InvalidInputError
from pfslib.model.work import Image, Pipeline
from pfslib.pipelines.ledger import find_image
from pfslib.runners.runner import Runner
from pfslib.runners.sandbox_runner import SandboxRunner

AUTO = "auto"
LOCAL = "local"
DOCKER = "docker"
RUNNER_NAMES = (AUTO, LOCAL, DOCKER)

Notice = Callable[[str], None]


class RunnerChoice:
    """Chooses the runner of each pipeline; says so once when it is not the one the spec means.

    Args:
        kv: The store, for its local images.
        store_dir: The store's directory, which no command may see.
        wanted: ``auto`` (Docker for a spec that names an image, unless the store has one of that
            name or no engine answers), ``local``, ``docker``, or a runner.
        notice: Told, in a sentence, what the user may not expect.
    """

    def __init__(self, kv: KV, store_dir: Path, wanted: str | Runner, notice: Notice) -> None:
        if isinstance(wanted, str) and wanted not in RUNNER_NAMES:
            raise InvalidInputError(
                f"runner {wanted!r} is unknown", hint=f"one of: {', '.join(RUNNER_NAMES)}"
            )
        self._kv = kv
        self._hold = kv.hold()
        self._store_dir = store_dir
        self._wanted = wanted
        self._notice = notice
        self._said: set[str] = set()
        self._no_docker: str | None = None
        self._docker: Runner | None = None

    def __call__(self, pipeline: Pipeline, trees_at: Path) -> Runner:
        """The runner of a pipeline.

        Args:
            pipeline: What is to run.
            trees_at: Where every tree of the store is mounted by its key.
        """
        if not isinstance(self._wanted, str):
            return self._wanted
        name = pipeline.transform.image
        image = self._local_image(name) if name else None
        # An image that somebody put into this very store is meant to be used.
        by_itself = self._wanted == AUTO and name and image is None
        if (self._wanted == DOCKER and name) or (by_itself and not self._docker_problem()):
            return self._docker_runner()
        return self._sandbox(pipeline.name, name, image, trees_at)

    def _local_image(self, name: str) -> Image | None:
        """The store's image of a name, kept from gc while this lives, though it be replaced."""
        with self._kv.read() as txn:
            image = find_image(txn, name)
        if image is None:
            return None
        self._hold.add((image.root.node,))
        with self._kv.read() as txn:
            now = find_image(txn, name)
        return image if now == image else self._local_image(name)

    def _docker_problem(self) -> str:
        """Why Docker cannot be used; empty when it can. Asked once: a hanging engine is slow."""
        if self._no_docker is None:
            from pfslib.runners.docker_runner import docker_available

            self._no_docker = docker_available()
        return self._no_docker

    def _docker_runner(self) -> Runner:
        """One for all pipelines, for it keeps its connection."""
        if self._docker is None:
            from pfslib.runners.docker_runner import DockerRunner

            self._docker = DockerRunner()
        return self._docker

    def _sandbox(
        self, pipeline: str, name: str, image: Image | None, trees_at: Path
    ) -> SandboxRunner:
        hidden = [self._store_dir]
        if image is None:
            if name:
                self._say_once(
                    f"pipeline {pipeline} names the image {name}: running it in the local"
                    f" sandbox on this machine's own files instead{self._because()}"
                )
            return SandboxRunner(hidden=hidden)
        self._say_once(
            f"pipeline {pipeline} names the image {name}: running it in the local sandbox"
            f" with the store's local image of that name{self._because()}"
        )
        return SandboxRunner(
            hidden=hidden,
            overlays={name: trees_at / image.root.node.hex()},
            digests={name: image.root.content.hex()},
        )

    def _because(self) -> str:
        return f" ({self._no_docker})" if self._no_docker else ""

    def _say_once(self, sentence: str) -> None:
        """Once a store: each command of the shell is a process of its own."""
        if sentence in self._said:
            return
        self._said.add(sentence)
        key = b"said:" + blake3(sentence.encode()).digest()
        with self._kv.read() as txn:
            said = txn.get(Table.META, key) is not None
        if not said:
            with self._kv.write() as txn:
                txn.put(Table.META, key, b"")
            self._notice(sentence)
