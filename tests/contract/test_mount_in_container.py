"""A container sees what is mounted after it was started: Docker reads a mount at /pfs/<repo>."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pfslib

pytestmark = [
    pytest.mark.mount,
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can share mounts"),
]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory whose mounts propagate, as those of / do wherever systemd runs."""
    path = Path(tempfile.mkdtemp(prefix="pfs-shared-", dir="/tmp"))
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "--make-shared", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)
    path.rmdir()


class Container:
    """A container that waits for commands."""

    def __init__(self, engine, image: str, folder: Path) -> None:
        self.engine = engine
        self.id = engine.create_container(
            image,
            ["sh", "-c", "sleep 60"],
            volumes=["/pfs"],
            network_disabled=True,
            host_config=engine.create_host_config(binds=[f"{folder}:/pfs:ro,rslave"]),
        )["Id"]
        engine.start(self.id)

    def run(self, script: str) -> str:
        command = self.engine.exec_create(self.id, ["sh", "-c", script])
        return self.engine.exec_start(command["Id"]).decode()


@pytest.fixture
def container(engine, small_image: str, shared: Path) -> Iterator[Container]:
    container = Container(engine, small_image, shared)
    yield container
    engine.remove_container(container.id, force=True)


def test_mounts_propagate_into_a_running_container(
    store: pfslib.Store, shared: Path, container: Container
) -> None:
    with store.create_repo("projects").commit() as making:
        making.put_file("/one.txt", "docker/docker")
        making.put_file("/sub/large", bytes(3_000_000))
    target = shared / "projects"
    target.mkdir()
    try:
        with making.commit.mount(target, allow_other=True):
            assert container.run("cat /pfs/projects/one.txt") == "docker/docker"
            assert container.run("cat /pfs/projects/sub/large | wc -c").strip() == "3000000"
            assert "Read-only" in container.run("echo x > /pfs/projects/new")
        assert container.run("ls /pfs/projects") == ""
        with store.mount(target, allow_other=True):
            script = "cat /pfs/projects/projects/master/one.txt"
            assert container.run(script) == "docker/docker"
            with store.repo("projects").commit() as again:
                again.put_file("/one.txt", "golang/go")
            assert container.run(script) == "golang/go"
    finally:
        target.rmdir()
