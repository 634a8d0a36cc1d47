"""The Docker engine: reached, asked for images, relieved of containers that nobody wants."""

from __future__ import annotations

import contextlib
import os
import socket
import weakref
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors
import docker.types
import docker.utils
import requests

from pfslib.model.errors import RunnerError
from pfslib.runners import docker_owner
from pfslib.runners.docker_diagnosis import cause, knock
from pfslib.runners.runner import Attempt

_USUAL_URL = "unix:///var/run/docker.sock"

ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException)


def connect(base_url: str | None, timeout_s: float | None = None) -> docker.APIClient:
    """Reach an engine.

    Raises:
        RunnerError: None answers.
    """
    settings = docker.utils.kwargs_from_env() if base_url is None else {}
    if timeout_s is not None:
        settings["timeout"] = timeout_s
    url = settings["base_url"] = url_of(base_url)
    try:
        knock(url)
        return docker.APIClient(**settings)
    except (*ENGINE_ERRORS, OSError) as error:
        raise RunnerError(
            f"no Docker engine answers at {url}: {cause(error)}",
            hint="start one, or run on this machine's own files: --runner local",
        ) from error


def url_of(base_url: str | None) -> str:
    """Where an engine listens: as given, else as DOCKER_HOST says, else as is usual."""
    return base_url or docker.utils.kwargs_from_env().get("base_url") or _USUAL_URL


def user_of_commands(client: docker.APIClient) -> str | None:
    """Whom commands run as, so that this user can read and remove what they put out."""
    if os.geteuid() == 0:
        return None  # whoever the image says
    if "name=rootless" in client.info().get("SecurityOptions", []):
        return "0:0"  # who is this user, outside
    return f"{os.geteuid()}:{os.getegid()}"


class ImageDigests:
    """What images' names mean on this machine: about 1 ms each, for the client is kept.

    Args:
        base_url: Where the engine listens; it may be restarted between two questions.
    """

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url
        self._client: docker.APIClient | None = None

    def of(self, image: str) -> str:
        """Identifies what a name means; empty when it means nothing.

        Raises:
            RunnerError: No engine answers.
        """
        if self._client is None:
            self._client = connect(self._base_url)
            weakref.finalize(self, self._client.close)
        with engine_errors(), contextlib.suppress(docker.errors.ImageNotFound):
            knock(url_of(self._base_url))
            return str(self._client.inspect_image(image)["Id"])
        return ""


def find_image(client: docker.APIClient, image: str) -> dict[str, Any]:
    """What the engine knows of an image, which is pulled if it is not there.

    Raises:
        RunnerError: It cannot be had.
    """
    with contextlib.suppress(docker.errors.ImageNotFound):
        return dict(client.inspect_image(image))
    repository, tag = docker.utils.parse_repository_tag(image)
    try:
        client.pull(repository, tag=tag or "latest")
        return dict(client.inspect_image(image))
    except ENGINE_ERRORS as error:
        raise RunnerError(
            f"image {image} is not on this machine and cannot be pulled: {cause(error)}",
            hint=f"try `docker pull {image}`, or run on this machine's own files: --runner local",
        ) from error


def mounts_of(attempt: Attempt) -> Iterator[docker.types.Mount]:
    """What a container of an attempt's own is given."""
    for name, directory in attempt.inputs.items():
        source = str(directory.absolute())
        yield docker.types.Mount(f"/pfs/{name}", source, type="bind", read_only=True)
    yield docker.types.Mount("/pfs/out", str(attempt.out.absolute()), type="bind")


@contextlib.contextmanager
def attached(client: docker.APIClient, container: str) -> Iterator[socket.socket]:
    """A connection to the standard streams of a container."""
    streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    attachment = client.attach_socket(container, params=streams)
    # The SDK hands out a file; only what is below it can be half-closed, and closed for good.
    connection: socket.socket = attachment._sock  # noqa: SLF001
    try:
        yield connection
    finally:
        attachment._response.close()  # noqa: SLF001
        connection.close()


def containers(client: docker.APIClient, label: str) -> list[dict[str, Any]]:
    """All containers with a label, also those that have ended."""
    return list(client.containers(all=True, filters={"label": label}))


def remove_left_overs(client: docker.APIClient) -> None:
    """Remove the containers whose owner is dead."""
    for found in containers(client, docker_owner.SESSION):
        running = found["State"] == "running"
        if docker_owner.is_left_over(found["Labels"], running=running, created=found["Created"]):
            remove(client, found["Id"])


def remove(client: docker.APIClient, container: str) -> None:
    """Kill and remove a container."""
    # Somebody else may have done it, or be at it.
    with contextlib.suppress(docker.errors.NotFound):
        try:
            client.remove_container(container, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code != requests.codes.conflict:
                raise


@contextlib.contextmanager
def engine_errors() -> Iterator[None]:
    """Make a `RunnerError` of what the engine says, or does not."""
    try:
        yield
    except ENGINE_ERRORS as error:
        message = f"the Docker engine could not do its part: {cause(error)}"
        raise RunnerError(message, hint="see the engine's own log") from error
    except OSError as error:
        message = f"the container could not be worked: {error}"
        raise RunnerError(message) from error
