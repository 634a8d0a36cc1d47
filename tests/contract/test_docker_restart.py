"""An engine that is restarted in the middle of a job costs the datum a run, and nothing else.

The machine's own engine is left alone: it is reached through a socket that can be cut, and what a
restart does to containers, kill them, is done to the one of the test.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib.pipelines.docker_engine import url_of
from pfslib.pipelines.docker_runner import DockerRunner, docker_available
from pfslib.testing.runner_workbench import processes_with, wait_until
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.docker, pytest.mark.mount]

SLEEP_S = "1.37951"


@pytest.fixture(scope="module", autouse=True)
def possible(needed) -> None:
    needed(docker_available())
    if not url_of(None).startswith("unix://"):
        pytest.skip("the engine does not listen on a socket of this machine")


class CuttableEngine:
    """A socket that leads to the engine, until it is cut, and again when it is mended."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self._path = path
        self._engine = url_of(None).removeprefix("unix://")
        self.mend()

    def mend(self) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._path))
        self._server.listen()
        self._stop = os.eventfd(0)
        self._thread = threading.Thread(target=self._serve, args=(self._server, self._stop))
        self._thread.start()

    def cut(self) -> None:
        self._path.unlink()
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)

    def _serve(self, server: socket.socket, stop: int) -> None:
        peers: dict[socket.socket, socket.socket] = {}
        ends = [server]
        while True:
            ready, _, _ = select.select([server, stop, *peers], [], [])
            if stop in ready:
                break
            for source in ready:
                if source is server:
                    visitor, _ = server.accept()
                    engine = socket.socket(socket.AF_UNIX)
                    engine.connect(self._engine)
                    peers |= {visitor: engine, engine: visitor}
                    ends += [visitor, engine]
                elif not self._pass_on(source, peers[source]):
                    del peers[source]
        for end in ends:
            end.close()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> bool:
        """False when there is no more to come."""
        try:
            data = source.recv(1 << 16)
            if not data:
                target.shutdown(socket.SHUT_WR)
            target.sendall(data)
        except OSError:
            return False
        return bool(data)


@pytest.fixture
def cuttable(tmp_path) -> Iterator[CuttableEngine]:
    engine = CuttableEngine(tmp_path / "engine.sock")
    yield engine
    engine.cut()


@pytest.mark.parametrize("warm", [True, False], ids=["staying", "single"])
def test_a_datum_is_run_again_and_its_job_ends_well(
    engine, small_image, cuttable, tmp_path, warm, caplog
):
    def running() -> list[str]:
        found = engine.containers(filters={"ancestor": f"{small_image}:latest"})
        return [container["Id"] for container in found]

    def restart() -> None:
        assert wait_until(lambda: bool(processes_with(SLEEP_S)))
        cuttable.cut()
        for container in running():
            killed.append(container)
            engine.kill(container)
        assert wait_until(lambda: running() == [])
        cuttable.mend()

    killed: list[str] = []
    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("data")
        lines = ["cat /etc/hostname > /pfs/out/host", f"sleep {SLEEP_S}"]
        transform = {"image": small_image}
        store.create_pipeline(shell_spec("p", "data", *lines, transform=transform))
        commit_files(store, "data", {"/a": "a"})
        thread = threading.Thread(target=restart)
        thread.start()
        (job,) = store.run(runner=DockerRunner(cuttable.url, warm=warm), notice=lambda _: None)
        thread.join()
        assert job.reason == ""
        (record,) = store.list_datum(job.id)
        assert record.attempts == 1
        host = store.commit("p@master").get_file("/host").decode().strip()
    assert len(killed) == 1
    assert not killed[0].startswith(host), "it is what the lost attempt wrote"
    assert "was restarted while a datum was running" in caplog.text
    assert engine.containers(all=True, filters={"ancestor": f"{small_image}:latest"}) == []
