"""DockerRunner: commands in containers of their image. The one module that imports docker."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker
import docker.errors
import docker.types
import docker.utils
import requests

from pfslib.model.errors import RunnerError
from pfslib.pipelines import docker_owner
from pfslib.pipelines.docker_stream import AttachedStream
from pfslib.pipelines.runner import Attempt, Outcome

_PING_TIMEOUT_S = 2.0
_PROCESSES_LIMIT = 4096
_LOG_TAIL_BYTES = 4096

_ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException)


class DockerRunner:
    """Runs commands in containers, by the engine that the Docker CLI would use.

    Args:
        base_url: Where the engine listens; by default what DOCKER_HOST says, else its usual socket.
            It must run on this machine: inputs and outputs are given to it by their paths.
    """

    name = "docker"

    def __init__(self, base_url: str | None = None) -> None:
        self._base_url = base_url

    def session(self, image: str | None, *, scratch: Path) -> DockerSession:  # noqa: ARG002
        """Find the image, pulling it only if it is not there, and remove what dead owners left.

        Raises:
            RunnerError: No engine answers, or the image cannot be had.
        """
        if image is None:
            raise RunnerError(
                "the docker runner needs an image, and the pipeline's spec names none",
                hint="add transform.image to the spec, or run without one: --runner local",
            )
        client = _connect(self._base_url)
        try:
            with _engine_errors():
                _remove_left_overs(client)
                return DockerSession(client, _find_image(client, image))
        except BaseException:
            client.close()
            raise


def docker_available(base_url: str | None = None) -> str:
    """Empty when a Docker engine answers within 2 s, else a sentence saying why not."""
    try:
        client = _connect(base_url, timeout_s=_PING_TIMEOUT_S)
    except RunnerError as error:
        return str(error)
    try:
        client.ping()
    except _ENGINE_ERRORS as error:
        return f"the Docker engine does not answer: {_cause(error)}"
    finally:
        client.close()
    return ""


class DockerSession:
    """Attempts in one image, a container for each. Made by `DockerRunner.session`."""

    def __init__(self, client: docker.APIClient, image: dict[str, Any]) -> None:
        self.image_digest: str = image["Id"]
        self._client = client
        self._id = secrets.token_hex(8)
        self._labels = docker_owner.labels(self._id)
        self._image_user: str = image["Config"].get("User") or ""
        self._closed = threading.Event()

    def run(self, attempt: Attempt) -> Outcome:
        """Run one attempt in a new container; making and removing it takes about 0.4 s.

        Raises:
            RunnerError: The engine failed, or the session was closed meanwhile.
        """
        self._check_open()
        if os.geteuid() == 0 and self._image_user.partition(":")[0] not in {"", "0", "root"}:
            attempt.out.chmod(0o777)  # the image's user is somebody else
        try:
            with _engine_errors(), self._container(attempt) as container:
                outcome = self._run_in(container, attempt)
        except RunnerError:
            self._check_open()
            raise
        self._check_open()
        return outcome

    def close(self) -> None:
        """Kill and remove the session's containers. Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        with _engine_errors():
            for found in _containers(self._client, f"{docker_owner.SESSION}={self._id}"):
                _remove(self._client, found["Id"])
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise RunnerError("the docker session has been closed", hint="open a new session")

    @contextlib.contextmanager
    def _container(self, attempt: Attempt) -> Iterator[str]:
        made = self._client.create_container(
            image=self.image_digest,
            # As the entry point, so that nothing of the image's own is put in front of it.
            entrypoint=list(attempt.cmd),
            environment=dict(attempt.env),
            working_dir=attempt.working_dir,
            user=None if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}",
            stdin_open=True,
            labels=self._labels,
            host_config=self._client.create_host_config(
                mounts=list(_mounts(attempt)),
                init=True,
                security_opt=["no-new-privileges:true"],
                pids_limit=_PROCESSES_LIMIT,
                log_config=docker.types.LogConfig(type="none"),
            ),
        )
        try:
            yield made["Id"]
        finally:
            _remove(self._client, made["Id"])

    def _run_in(self, container: str, attempt: Attempt) -> Outcome:
        with attempt.log.open("ab+", buffering=0) as log:
            begin = log.tell()
            started = time.monotonic()
            deadline = None if attempt.timeout_s is None else started + attempt.timeout_s
            with self._attached(container) as connection:
                self._client.start(container)
                stream = AttachedStream(connection, attempt.stdin, log)
                in_time = stream.pump(deadline)
                code = self._exit_code(container, deadline) if in_time else None
                if code is None:
                    self._kill(container)
                    stream.pump(None)
                    self._exit_code(container, None)
            seconds = time.monotonic() - started
            if code is None:
                reason = f"timed out after {attempt.timeout_s:g} s"
                return Outcome(exit_code=128 + signal.SIGKILL, reason=reason, seconds=seconds)
            code, reason = _verdict(code, attempt.cmd[0], _tail(log, begin))
            return Outcome(exit_code=code, reason=reason, seconds=seconds)

    @contextlib.contextmanager
    def _attached(self, container: str) -> Iterator[socket.socket]:
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = self._client.attach_socket(container, params=streams)
        # The SDK hands out a file; only what is below it can be half-closed, and closed for good.
        connection: socket.socket = attached._sock  # noqa: SLF001
        try:
            yield connection
        finally:
            attached._response.close()  # noqa: SLF001
            connection.close()

    def _exit_code(self, container: str, deadline: float | None) -> int | None:
        """Wait for the end, which comes later than that of the output if the command closed it."""
        timeout = None if deadline is None else max(deadline - time.monotonic(), 0.001)
        try:
            return int(self._client.wait(container, timeout=timeout)["StatusCode"])
        except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
            if deadline is None or time.monotonic() < deadline:
                raise
            return None

    def _kill(self, container: str) -> None:
        with contextlib.suppress(docker.errors.APIError):  # it has ended meanwhile
            self._client.kill(container)


def _mounts(attempt: Attempt) -> Iterator[docker.types.Mount]:
    yield docker.types.Mount("/pfs", None, type="tmpfs", read_only=True)
    for name, directory in attempt.inputs.items():
        source = str(directory.absolute())
        yield docker.types.Mount(f"/pfs/{name}", source, type="bind", read_only=True)
    yield docker.types.Mount("/pfs/out", str(attempt.out.absolute()), type="bind")


# --- how it ended ----------------------------------------------------------------------------


def _verdict(code: int, command: str, tail: bytes) -> tuple[int, str]:
    last_line = tail.rstrip(b"\n").rpartition(b"\n")[2].decode(errors="replace")
    if last_line.startswith("[FATAL tini"):
        problem = last_line.rpartition(": ")[2]
        return max(code, 126), f"the command {command} could not be started: {problem}"
    # The init that runs the command tells of signals in this way; so do shells.
    with contextlib.suppress(ValueError):
        return code, f"killed by {signal.Signals(code - 128).name}"
    return code, ""


def _tail(log: FileIO, begin: int) -> bytes:
    end = log.seek(0, os.SEEK_END)
    log.seek(max(begin, end - _LOG_TAIL_BYTES))
    return log.read()


# --- the engine ------------------------------------------------------------------------------


def _connect(base_url: str | None, timeout_s: float | None = None) -> docker.APIClient:
    settings = docker.utils.kwargs_from_env()
    if base_url is not None:
        settings = {"base_url": base_url}
    if timeout_s is not None:
        settings["timeout"] = timeout_s
    try:
        return docker.APIClient(**settings)
    except _ENGINE_ERRORS as error:
        where = settings.get("base_url", "its usual socket")
        raise RunnerError(
            f"no Docker engine answers at {where}: {_cause(error)}",
            hint="start one, or run on this machine's own files: --runner local",
        ) from error


def _find_image(client: docker.APIClient, image: str) -> dict[str, Any]:
    with contextlib.suppress(docker.errors.ImageNotFound):
        return dict(client.inspect_image(image))
    repository, tag = docker.utils.parse_repository_tag(image)
    try:
        client.pull(repository, tag=tag or "latest")
        return dict(client.inspect_image(image))
    except _ENGINE_ERRORS as error:
        raise RunnerError(
            f"image {image} is not on this machine and cannot be pulled: {_cause(error)}",
            hint=f"try `docker pull {image}`, or run on this machine's own files: --runner local",
        ) from error


def _containers(client: docker.APIClient, label: str) -> list[dict[str, Any]]:
    return list(client.containers(all=True, filters={"label": label}))


def _remove_left_overs(client: docker.APIClient) -> None:
    for found in _containers(client, docker_owner.SESSION):
        running = found["State"] == "running"
        if docker_owner.is_left_over(found["Labels"], running=running, created=found["Created"]):
            _remove(client, found["Id"])


def _remove(client: docker.APIClient, container: str) -> None:
    # Somebody else may have done it, or be at it.
    with contextlib.suppress(docker.errors.NotFound):
        try:
            client.remove_container(container, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code != requests.codes.conflict:
                raise


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except _ENGINE_ERRORS as error:
        message = f"the Docker engine could not do its part: {_cause(error)}"
        raise RunnerError(message, hint="see the engine's own log") from error
    except OSError as error:
        message = f"the container could not be worked: {error}"
        raise RunnerError(message) from error


def _cause(error: BaseException) -> str:
    """What the engine said, or else the first of the errors that led to this one."""
    while not isinstance(error, docker.errors.APIError):
        earlier = error.__cause__ or error.__context__
        if earlier is None:
            break
        error = earlier
    said = getattr(error, "explanation", None) or getattr(error, "strerror", None) or str(error)
    return str(said).strip()
