"""DockerRunner: commands in containers of their image."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker
import docker.errors
import docker.types
import msgspec
import requests

from pfslib.model.errors import RunnerError
from pfslib.runners import docker_owner
from pfslib.runners.bounded_log import BoundedLog
from pfslib.runners.docker_diagnosis import cause
from pfslib.runners.docker_engine import (
    ENGINE_ERRORS,
    ImageDigests,
    attached,
    connect,
    containers,
    engine_errors,
    find_image,
    mounts_of,
    remove,
    remove_left_overs,
    url_of,
    user_of_commands,
)
from pfslib.runners.docker_outcome import outcome
from pfslib.runners.docker_pool import WorkerPool
from pfslib.runners.docker_presence import EnginePresence
from pfslib.runners.docker_script import needs_script, script_file
from pfslib.runners.docker_stream import AttachedStream
from pfslib.runners.docker_worker import CONTROL, LOOP, ControlDirectory, Ended, Grafter, Worker
from pfslib.runners.runner import (
    UNCONFINED,
    Attempt,
    AttemptLostError,
    Confinement,
    Outcome,
    out_of_memory,
)

_logger = logging.getLogger(__name__)

_PING_TIMEOUT_S = 2.0
_END_S = 60.0
"""An engine has so long to tell of the end of a container that was killed."""

_PROCESSES_LIMIT = 4096
_KILLED = {128 + signal.SIGTERM, 128 + signal.SIGKILL}
"""Exit codes of what an engine has ended, among others."""


class DockerRunner:
    """Runs commands in containers, by the engine that the Docker CLI would use.

    Args:
        base_url: Where the engine listens; by default what DOCKER_HOST says, else its usual socket.
            It must run on this machine: inputs and outputs are given to it by their paths.
        warm: Use a container for many attempts, where that is possible.
    """

    name = "docker"

    def __init__(self, base_url: str | None = None, *, warm: bool = True) -> None:
        self._base_url = base_url
        self._warm = warm and _is_root()
        self._digests = ImageDigests(base_url)

    def digest_of(self, image: str | None) -> str:
        """The id of the image that this machine has by a name; empty if it has none."""
        return self._digests.of(image) if image is not None else ""

    def session(
        self, image: str | None, *, scratch: Path, confinement: Confinement = UNCONFINED
    ) -> DockerSession:
        """Find the image, pulling it only if it is not there, and remove what dead owners left.

        Raises:
            RunnerError: No engine answers, or the image cannot be had.
        """
        if image is None:
            raise RunnerError(
                "the docker runner needs an image, and the pipeline's spec names none",
                hint="add transform.image to the spec, or run without one: --runner local",
            )
        client = connect(self._base_url)
        try:
            with engine_errors():
                remove_left_overs(client)
                found = find_image(client, image)
                engine = EnginePresence(client.ping, url_of(self._base_url))
                return DockerSession(client, engine, found, scratch, confinement, warm=self._warm)
        except BaseException:
            client.close()
            raise


def docker_available(base_url: str | None = None) -> str:
    """Empty when a Docker engine answers within 2 s, else a sentence saying why not."""
    try:
        client = connect(base_url, timeout_s=_PING_TIMEOUT_S)
    except RunnerError as error:
        return str(error)
    try:
        client.ping()
    except ENGINE_ERRORS as error:
        return f"the Docker engine does not answer: {cause(error)}"
    finally:
        client.close()
    return ""


class DockerSession:
    """Attempts in one image. Made by `DockerRunner.session`.

    As root beside the engine, and in an image with a shell, attempts run one after another in
    containers that stay, as many as there are threads running attempts; otherwise each has a
    container of its own.
    """

    def __init__(
        self,
        client: docker.APIClient,
        engine: EnginePresence,
        image: dict[str, Any],
        scratch: Path,
        confinement: Confinement,
        *,
        warm: bool,
    ) -> None:
        self._confinement = confinement
        self.image_digest: str = image["Id"]
        self._client = client
        self._engine = engine
        self._user = confinement.user or user_of_commands(client)
        config = image["Config"]
        self._image_user: str = confinement.user or config.get("User") or ""
        self._image_cmd = tuple((config.get("Entrypoint") or []) + (config.get("Cmd") or []))
        # The engine refuses more than the machine has.
        processors = min(confinement.cpu_limit, os.cpu_count() or 1)
        self._nano_cpus = round(processors * 1e9)
        self._scratch = scratch.absolute()
        self._label, self._labels = docker_owner.new_session()
        self._state = threading.Condition()  # of what follows
        self._closed = False
        self._running = 0
        self._warm = warm
        self._workers = WorkerPool(self._start_worker) if warm else None

    def run(self, attempt: Attempt) -> Outcome:
        """Run one attempt; takes about 5 ms in a container that stays, else about 0.4 s.

        Raises:
            AttemptLostError: The engine was restarted meanwhile; it has been waited for.
            RunnerError: The engine failed, or the session was closed meanwhile.
        """
        attempt = msgspec.structs.replace(attempt, cmd=attempt.cmd or self._image_cmd)
        if not attempt.cmd:
            return Outcome(
                exit_code=127, reason="there is no command to run, nor has the image one"
            )
        with self._counted():
            engine = self._engine.now()
            try:
                with engine_errors(), BoundedLog(attempt.log) as log:
                    end, found = self._run(attempt, log)
            except RunnerError as error:
                if self._engine.went_away(engine, container_died=False):
                    raise self._lost() from error
                raise
            died = end is Ended.BY_DEATH
            if (died or end in _KILLED) and self._engine.went_away(engine, container_died=died):
                raise self._lost()
            return found

    def _run(self, attempt: Attempt, log: FileIO) -> tuple[int | Ended, Outcome]:
        if _is_root() and self._image_user.partition(":")[0] not in {"", "0", "root"}:
            attempt.out.chmod(0o777)  # the image's user is somebody else
        begin = log.tell()
        worker = self._take_worker()
        started = time.monotonic()
        deadline = None if attempt.timeout_s is None else started + attempt.timeout_s
        if worker and self._workers:
            end, hungry = self._workers.run(worker, attempt, log, deadline)
        else:
            end, hungry = self._run_alone(attempt, log, deadline)
        seconds = time.monotonic() - started
        found = outcome(attempt, end, seconds=seconds, log=log, begin=begin)
        return end, out_of_memory(found, self._confinement) if hungry else found

    def _lost(self) -> RunnerError:
        """The error for an attempt during which the engine went away; waits for its return."""
        if self._engine.comes_back(lambda: self._closed):
            return AttemptLostError("the Docker engine was restarted while a datum was running")
        return RunnerError(
            "the Docker engine went away while a datum was running, and does not come back",
            hint="start it, and run again: what is finished is kept",
        )

    def close(self) -> None:
        """Kill and remove the session's containers, and wait for their attempts. Idempotent."""
        with self._state:
            if self._closed:
                return
            self._closed = True
        with engine_errors(), contextlib.ExitStack() as ends, self._state:
            ends.callback(self._client.close)
            if self._workers:
                ends.callback(self._workers.end)
                self._workers.kill_busy()
            # Again and again, for an attempt may be just about to make its container.
            while self._remove_containers() or not self._state.wait_for(self._is_over, 0.1):
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Counts an attempt that runs; turns whatever comes of closing meanwhile into one error."""
        with self._state:
            if self._closed:
                raise _closed()
            self._running += 1
        try:
            yield
        except RunnerError as error:
            if self._closed:
                raise _closed() from error
            raise
        finally:
            with self._state:
                self._running -= 1
                self._state.notify_all()
        if self._closed:
            raise _closed()

    def _is_over(self) -> bool:
        return not self._running

    def _remove_containers(self, *names: str) -> bool:
        """Remove some, by default all; False if there are none, or nobody to remove them.

        Of those that stay, the engine removes what has ended, at the latest when it is started.
        """
        if self._engine.now() is None:
            return False
        try:
            names = names or tuple(one["Id"] for one in containers(self._client, self._label))
            for name in names:
                remove(self._client, name)
        except requests.RequestException as error:
            _logger.warning("containers are left to a later session: %s", cause(error))
            return False
        return bool(names)

    @contextlib.contextmanager
    def _container(
        self, mounts: Iterable[docker.types.Mount], *, auto_remove: bool = False, **settings: object
    ) -> Iterator[str]:
        created = self._client.create_container(
            image=self.image_digest,
            user=self._user,
            labels=self._labels,
            host_config=self._client.create_host_config(
                mounts=[docker.types.Mount("/pfs", None, "tmpfs", read_only=True), *mounts],
                init=True,
                auto_remove=auto_remove,
                security_opt=["no-new-privileges:true"],
                pids_limit=_PROCESSES_LIMIT,
                log_config=docker.types.LogConfig(type="none"),
                network_mode=None if self._confinement.network else "none",
                mem_limit=self._confinement.memory_limit or None,
                memswap_limit=self._confinement.memory_limit or None,
                nano_cpus=self._nano_cpus or None,
            ),
            **settings,
        )
        try:
            yield created["Id"]
        finally:
            self._remove_containers(created["Id"])

    # --- in a container that stays -----------------------------------------------------------

    def _take_worker(self) -> Worker | None:
        if not self._warm or self._workers is None:
            return None
        try:
            return self._workers.take()
        except RunnerError as error:
            _logger.info("image %s: a container for each attempt: %s", self.image_digest, error)
            self._warm = False
            return None

    def _start_worker(self, grafter: Grafter) -> Worker:
        with contextlib.ExitStack() as held:
            control = ControlDirectory(self._scratch / f"worker-{secrets.token_hex(4)}")
            held.callback(control.remove)
            mount = docker.types.Mount(CONTROL, str(control.path), "bind", read_only=True)
            container = held.enter_context(
                self._container([mount], auto_remove=True, entrypoint=["sh", "-c", LOOP])
            )
            self._client.start(container)
            pid = self._client.inspect_container(container)["State"]["Pid"]
            return Worker(pid, control, grafter, held)

    # --- in a container of its own -----------------------------------------------------------

    def _run_alone(
        self, attempt: Attempt, log: FileIO, deadline: float | None
    ) -> tuple[int | Ended, bool]:
        with contextlib.ExitStack() as held:
            mounts = list(mounts_of(attempt))
            # As the entry point, so that nothing of the image's own is put in front of it.
            told: dict[str, Any] = {
                "entrypoint": list(attempt.cmd),
                "environment": dict(attempt.env),
                "working_dir": attempt.working_dir,
            }
            if needs_script(attempt):
                order = held.enter_context(script_file(attempt, self._scratch))
                mounts.append(docker.types.Mount(CONTROL, str(order), "bind", read_only=True))
                told = {"entrypoint": ["sh", CONTROL]}
            container = held.enter_context(self._container(mounts, stdin_open=True, **told))
            with attached(self._client, container) as connection:
                self._client.start(container)
                stream = AttachedStream(connection, attempt.stdin, log)
                in_time = stream.pump(deadline)
                code = self._exit_code(container, deadline) if in_time else None
                if code is not None:
                    state = self._client.inspect_container(container)["State"]
                    return code, bool(state["OOMKilled"])
                with contextlib.suppress(docker.errors.APIError):  # it has ended meanwhile
                    self._client.kill(container)
                stream.pump(time.monotonic() + _END_S)
            self._exit_code(container, time.monotonic() + _END_S)
            return Ended.BY_DEADLINE, False

    def _exit_code(self, container: str, deadline: float | None) -> int | None:
        """Wait for the end, which comes later than that of the output if the command closed it."""
        timeout = None if deadline is None else max(deadline - time.monotonic(), 0.001)
        if self._engine.now() is None:
            raise RunnerError("no Docker engine answers any more")
        try:
            return int(self._client.wait(container, timeout=timeout)["StatusCode"])
        except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
            if deadline is None or time.monotonic() < deadline:
                raise
            return None


def _is_root() -> bool:
    return os.geteuid() == 0


def _closed() -> RunnerError:
    return RunnerError("the docker session has been closed", hint="open a new session")
