"""An engine of the tests' own, really restarted in the middle of a job: each datum counts once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pfslib
from pfslib.model.errors import RunnerError
from pfslib.runners import docker_engine
from pfslib.runners.docker_engine import connect
from pfslib.runners.docker_runner import DockerRunner, docker_available
from pfslib.testing.runner_workbench import (
    mounts_below,
    processes_with,
    unique_duration,
    wait_until,
)
from pfslib.testing.shell_pipelines import commit_files, shell_spec

pytestmark = [pytest.mark.docker, pytest.mark.mount]

IMAGE = "pfslib-test-dockerd"
SLEEP_S = unique_duration()


class Daemon:
    """A dockerd with its own socket, images and containers; of the host it changes nothing.

    Not even its network: with ``--bridge=none`` a dockerd removes the bridge docker0, whosever it
    is, so it gets a network namespace of its own.
    """

    def __init__(self, place: Path) -> None:
        self.url = f"unix://{place}/d.sock"
        self._command = [
            *("unshare", "--net", "dockerd", "--host", self.url, "--pidfile", f"{place}/pid"),
            *("--data-root", f"{place}/data", "--exec-root", f"{place}/exec"),
            *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
        ]
        self._log = place / "log"
        self._containerd = place / "exec/containerd/containerd.pid"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        if not wait_until(self._is_settled, seconds=60):
            self.end(signal.SIGKILL)
            raise RuntimeError(self._log.read_text(errors="replace")[-4000:])

    def _is_settled(self) -> bool:
        return self._process.poll() is not None or not docker_available(self.url)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(how)
        self._process.wait(60)
        # The kernel kills its containerd with it, which the next dockerd would take for alive.
        if self._containerd.exists():
            containerd = int(self._containerd.read_text())
            assert wait_until(lambda: not Path(f"/proc/{containerd}").exists())

    def containers(self) -> list[str]:
        with contextlib.closing(connect(self.url)) as client:
            return [found["Id"] for found in client.containers(all=True)]

    def remove_containers(self) -> None:
        with contextlib.closing(connect(self.url)) as client:
            for container in client.containers(all=True):
                client.remove_container(container["Id"], force=True)


def docker0() -> str:
    """The number of the interface that the machine's own engine has its containers at."""
    number = Path("/sys/class/net/docker0/ifindex")
    return number.read_text() if number.exists() else ""


@pytest.fixture(scope="module")
def daemon(needed, small_archive) -> Iterator[Daemon]:
    if os.geteuid() != 0:
        pytest.skip("only root can start an engine")
    needed("" if shutil.which("dockerd") else "there is no dockerd to start")
    bridge, place = docker0(), Path(tempfile.mkdtemp(prefix="pfs-dockerd-"))
    try:
        started = Daemon(place)
        with contextlib.closing(connect(started.url)) as client:
            client.import_image_from_data(small_archive, repository=IMAGE, tag="latest")
        yield started
        started.remove_containers()
        started.end()
        assert docker0() == bridge, "it has meddled with the network of the machine"
    finally:
        for line in mounts_below(place):  # each killed daemon leaves one
            subprocess.run(["umount", line.split()[4]], check=False)
        shutil.rmtree(place)


def sleeping() -> int:
    """The process of a datum that is being run."""
    assert wait_until(lambda: bool(processes_with(SLEEP_S)))
    return processes_with(SLEEP_S)[0]


@pytest.mark.parametrize("warm", [True, False], ids=["staying", "single"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_job_goes_on_where_it_was(daemon, tmp_path, how, warm, caplog) -> None:
    """What is finished stays, what was running runs again, and no try is counted for it."""

    def restart() -> None:
        first = sleeping()
        before.update(daemon.containers())
        daemon.end(how)
        daemon.start()
        assert wait_until(lambda: not Path(f"/proc/{first}").exists())
        os.kill(sleeping(), signal.SIGTERM)

    before: set[str] = set()
    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("data")
        lines = [
            f"[ $data != /pfs/data/1 ] || sleep {SLEEP_S} || true",
            "cat $data >> /pfs/out/all; cat /etc/hostname > /pfs/out/host-$(cat $data)",
        ]
        more = {"transform": {"image": IMAGE}, "output_merge": "append"}
        store.create_pipeline(shell_spec("p", "data", *lines, **more))
        commit_files(store, "data", {f"/{name}": f"{name}\n" for name in range(4)})
        thread = threading.Thread(target=restart)
        thread.start()
        (job,) = store.run(runner=DockerRunner(daemon.url, warm=warm), notice=lambda _: None)
        thread.join()
        assert job.reason == ""
        assert [record.attempts for record in store.list_datum(job.id)] == [1] * 4
        output = store.commit("p@master")
        assert output.get_file("/all") == b"0\n1\n2\n3\n"
        hosts = [output.get_file(f"/host-{n}").decode().strip() for n in range(4)]
    assert "was restarted while a datum was running" in caplog.text
    ran_before = [any(one.startswith(host) for one in before) for host in hosts]
    assert ran_before == [warm, False, False, False]
    assert daemon.containers() == []
    assert processes_with(SLEEP_S) == []


def test_an_engine_that_is_gone_by_the_end_spoils_nothing(daemon, tmp_path, caplog) -> None:
    """A container that stays needs no engine; what is to be removed then is so by the next one."""

    def kill() -> None:
        running = sleeping()
        daemon.end(signal.SIGKILL)
        os.kill(running, signal.SIGTERM)

    with pfslib.init(tmp_path / "store") as store:
        store.create_repo("data")
        lines = f"sleep {SLEEP_S} || true; cat $data > /pfs/out/a"
        store.create_pipeline(shell_spec("p", "data", lines, transform={"image": IMAGE}))
        commit_files(store, "data", {"/a": "a"})
        thread = threading.Thread(target=kill)
        thread.start()
        (job,) = store.run(runner=DockerRunner(daemon.url), notice=lambda _: None)
        thread.join()
        assert (job.reason, store.commit("p@master").get_file("/a")) == ("", b"a")
    daemon.start()
    assert wait_until(lambda: daemon.containers() == [])


def test_what_a_name_means_is_asked_over_one_connection(daemon, monkeypatch) -> None:
    """Connecting takes ten times as long as asking; the connection may break in between."""
    connected: list[str | None] = []
    connecting = docker_engine.connect
    monkeypatch.setattr(
        docker_engine, "connect", lambda url: (connected.append(url), connecting(url))[1]
    )
    runner = DockerRunner(daemon.url)
    digest = runner.digest_of(IMAGE)
    assert digest.startswith("sha256:")
    assert [runner.digest_of(IMAGE), runner.digest_of("no/such")] == [digest, ""]
    daemon.end()
    with pytest.raises(RunnerError):
        runner.digest_of(IMAGE)
    daemon.start()
    assert runner.digest_of(IMAGE) == digest
    assert connected == [daemon.url]
