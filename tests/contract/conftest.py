"""Fixtures for the runners: what they need of the machine, and an image for Docker."""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import docker

NOBODY = 65534

# fmt: off
COMMANDS = [
    "cat", "cp", "cut", "echo", "env", "grep", "head", "ls", "mkdir", "mount", "printf", "pwd",
    "rm", "seq", "setsid", "sh", "sleep", "test", "touch", "true", "wc",
]
# fmt: on


@pytest.fixture(scope="session")
def needed() -> Callable[[str], None]:
    """Skips for a reason, if there is one; on CI, where nothing may be missing, fails."""

    def need(why_not: str) -> None:
        if why_not and os.environ.get("CI") == "true":
            pytest.fail(why_not)
        if why_not:
            pytest.skip(why_not)

    return need


@pytest.fixture(scope="session")
def engine(needed) -> Iterator[docker.APIClient]:
    """The Docker engine."""
    import docker

    from pfslib.runners.docker_runner import docker_available

    needed(docker_available())
    client = docker.APIClient(**docker.utils.kwargs_from_env())
    yield client
    client.close()


@pytest.fixture(scope="session")
def make_image(engine) -> Iterator[Callable[..., str]]:
    """Makes images of a few commands: busybox's if it is installed, else the host's own.

    Nothing is pulled, so that the tests need no network.
    """
    made = []

    def make(*changes: str, commands: Sequence[str] = COMMANDS) -> str:
        made.append(f"pfslib-test-{secrets.token_hex(4)}")
        engine.import_image_from_data(
            image_archive(commands), repository=made[-1], tag="latest", changes=list(changes)
        )
        return made[-1]

    yield make
    for name in made:
        engine.remove_image(name, force=True)


@pytest.fixture(scope="session")
def small_archive() -> bytes:
    """The root file system of that image, for an engine of a test's own."""
    return image_archive()


@pytest.fixture(scope="session")
def small_image(make_image) -> str:
    """An image with a shell and small commands."""
    return make_image()


class Nobody:
    """Runs Python as an ordinary user, with a home of its own."""

    def __init__(self, python: str, home: Path, environment: dict[str, str], group: int) -> None:
        self.python = python
        self.home = home
        self.environment = environment
        self.group = group

    def run(self, *arguments: str, group: int | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, *arguments],
            cwd=self.home,
            env=self.environment,
            user=NOBODY,
            group=group or self.group,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def nobody() -> Iterator[Nobody]:
    """An ordinary user, and an interpreter that such a one may run."""
    home = Path(tempfile.mkdtemp(prefix="pfs-nobody-"))
    os.chown(home, NOBODY, NOBODY)
    project, packages = Path(__file__).parents[2], Path(pytest.__file__).parents[1]
    environment = {
        "PYTHONPATH": os.pathsep.join([str(project), str(packages)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
    }
    try:
        for python in (sys.executable, "/usr/bin/python3"):
            user = Nobody(python, home, environment, NOBODY)
            with contextlib.suppress(OSError):
                probe = "import pytest, docker, pfslib.testing.runner_contract"
                if user.run("-c", probe).returncode == 0:
                    yield user
                    return
        pytest.skip("no interpreter that an ordinary user may run can import the tests")
    finally:
        shutil.rmtree(home)


def image_archive(commands: Sequence[str] = COMMANDS) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        busybox = shutil.which("busybox")
        programs = {"busybox": busybox} if busybox else host_programs(commands)
        for name, path in programs.items():
            archive.add(os.path.realpath(path), f"bin/{name}")
        for library in {file for path in programs.values() for file in libraries(path)}:
            archive.add(os.path.realpath(library), library.lstrip("/"))
        for command in commands if busybox else ():
            entry = tarfile.TarInfo(f"bin/{command}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return buffer.getvalue()


def host_programs(commands: Sequence[str]) -> dict[str, str]:
    return {name: path for name in commands if (path := shutil.which(name, path="/usr/bin:/bin"))}


def libraries(program: str) -> list[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [path for path in re.findall(r"(/\S+) \(0x", listed) if Path(path).exists()]
