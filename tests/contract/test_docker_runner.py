"""Docker keeps the runners' contract, and some promises of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pfslib.runners.docker_runner
from pfslib.model.errors import RunnerError
from pfslib.runners import docker_owner
from pfslib.runners.docker_runner import DockerRunner, docker_available
from pfslib.runners.runner import Confinement, Runner
from pfslib.testing.runner_contract import RunnerContract
from pfslib.testing.runner_workbench import (
    Workbench,
    processes_with,
    unique_duration,
    wait_until,
)

pytestmark = pytest.mark.docker

PROJECT = Path(pfslib.runners.docker_runner.__file__).parents[2]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can")
both_ways = pytest.mark.parametrize("warm", [True, False], ids=["staying", "single"])


@pytest.fixture(scope="module", autouse=True)
def possible(needed) -> None:
    needed(docker_available())


class TestOneContainerAnAttempt(RunnerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls) -> Runner:
        return DockerRunner(warm=False)

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, small_image) -> str:
        return small_image


@needs_root
class TestContainersThatStay(RunnerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls) -> Runner:
        return DockerRunner()

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, small_image) -> str:
        return small_image


@pytest.fixture
def scratch(tmp_path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def containers(engine, image: str) -> list[str]:
    return [
        found["Id"]
        for found in engine.containers(all=True, filters={"ancestor": f"{image}:latest"})
    ]


# --- images ----------------------------------------------------------------------------------


def test_a_spec_without_image_is_refused(scratch):
    with pytest.raises(RunnerError, match="needs an image"):
        DockerRunner().session(None, scratch=scratch)


def test_an_image_that_cannot_be_had_is_refused(scratch):
    with pytest.raises(RunnerError, match="not on this machine and cannot be pulled") as caught:
        DockerRunner().session("127.0.0.1:9/absent:1", scratch=scratch)
    assert "docker pull 127.0.0.1:9/absent:1" in caught.value.hint


def test_the_digest_is_that_of_the_image(engine, small_image, scratch):
    with DockerRunner().session(small_image, scratch=scratch) as session:
        assert session.image_digest == engine.inspect_image(small_image)["Id"]


def test_a_name_that_was_moved_means_another_image(engine, make_image, small_image, scratch):
    image = make_image("ENV OTHER=1")
    with DockerRunner().session(image, scratch=scratch) as session:
        engine.tag(small_image, image)
        small = engine.inspect_image(small_image)["Id"]
        assert DockerRunner().digest_of(image) == small != session.image_digest
        assert DockerRunner().digest_of("127.0.0.1:9/absent:1") == ""


@both_ways
def test_the_entry_point_of_the_image_is_not_put_in_front(make_image, scratch, tmp_path, warm):
    image = make_image('ENTRYPOINT ["false"]', "WORKDIR /etc", "ENV FROM_IMAGE=yes")
    with DockerRunner(warm=warm).session(image, scratch=scratch) as session:
        ran = Workbench(session, tmp_path).sh("pwd; echo $FROM_IMAGE")
    assert ran.log.split() == ["/etc", "yes"]


@both_ways
def test_without_a_command_the_image_s_own_is_run(make_image, scratch, tmp_path, warm):
    image = make_image('ENTRYPOINT ["echo", "from"]', 'CMD ["the image"]')
    with DockerRunner(warm=warm).session(image, scratch=scratch) as session:
        assert Workbench(session, tmp_path).run().log == "from the image\n"


def test_without_any_command_nothing_is_run(small_image, scratch, tmp_path):
    with DockerRunner().session(small_image, scratch=scratch) as session:
        assert Workbench(session, tmp_path).run().outcome.exit_code == 127


@both_ways
def test_an_image_may_have_its_own_user(make_image, scratch, tmp_path, warm):
    image = make_image("USER 1234:1234")
    with DockerRunner(warm=warm).session(image, scratch=scratch) as session:
        for stdin in (b"1\n", b"2\n"):
            ran = Workbench(session, tmp_path / stdin.decode().strip()).sh(
                "cat > /pfs/out/result; grep Uid /proc/self/status",
                stdin=stdin,
                inputs={"in": {"f": "input"}},
            )
            assert ran.outcome.exit_code == 0, ran.log
            assert ran.wrote().encode() == stdin
    if os.geteuid() == 0:
        assert ran.log.split()[1] == "1234"


def test_an_image_without_shell_has_a_container_for_each_attempt(make_image, scratch, tmp_path):
    image = make_image(commands=["cat", "cp", "true"])
    with DockerRunner().session(image, scratch=scratch) as session:
        for number in ("one", "two"):
            ran = Workbench(session, tmp_path / number).run(
                "cp", "/pfs/in/f", "/pfs/out/result", inputs={"in": {"f": number}}
            )
            assert ran.wrote() == number
    assert list(scratch.iterdir()) == []


@both_ways
def test_names_that_are_not_utf8_arrive(small_image, scratch, tmp_path, warm):
    name = os.fsdecode(b"n\xff\n'")
    with DockerRunner(warm=warm).session(small_image, scratch=scratch) as session:
        ran = Workbench(session, tmp_path).run(
            *("sh", "-c", 'cat; pwd; echo "$1" > "/pfs/out/$NAME"; exit 3', "sh", name),
            env={"NAME": name},
            stdin=b"stdin\n",
            working_dir="/somewhere/new",
        )
    assert (ran.outcome.exit_code, ran.log) == (3, "stdin\n/somewhere/new\n")
    assert (ran.out / name).read_bytes() == os.fsencode(name) + b"\n"
    assert list(scratch.iterdir()) == []


def test_such_names_need_a_shell(make_image, scratch, tmp_path):
    with DockerRunner().session(make_image(commands=["true"]), scratch=scratch) as session:
        ran = Workbench(session, tmp_path).run("true", env={"NAME": os.fsdecode(b"\xff")})
    assert ran.outcome.exit_code == 127
    assert "not UTF-8" in ran.outcome.reason


# --- containers that stay --------------------------------------------------------------------


@needs_root
def test_attempts_share_a_container(engine, small_image, scratch, tmp_path):
    with DockerRunner().session(small_image, scratch=scratch) as session:
        workbench = Workbench(session, tmp_path)
        names = {workbench.sh("cat /etc/hostname").log for _ in range(3)}
        assert len(names) == 1
        assert len(containers(engine, small_image)) == 1
    assert containers(engine, small_image) == []


@needs_root
def test_a_container_is_replaced_after_a_timeout(small_image, scratch, tmp_path):
    with DockerRunner().session(small_image, scratch=scratch) as session:
        workbench = Workbench(session, tmp_path)
        before = workbench.sh("cat /etc/hostname").log
        assert "timed out" in workbench.sh("sleep 60", timeout_s=0.2).outcome.reason
        assert workbench.sh("cat /etc/hostname").log not in {before, ""}


@needs_root
def test_an_attempt_that_kills_its_container_is_an_outcome(small_image, scratch, tmp_path):
    with DockerRunner().session(small_image, scratch=scratch) as session:
        workbench = Workbench(session, tmp_path)
        ran = workbench.sh("echo last words; kill -9 -1; kill -9 $PPID; sleep 60")
        assert ran.outcome.exit_code == 137
        assert "outside" in ran.outcome.reason
        assert ran.log == "last words\n"
        assert workbench.run("true").outcome.exit_code == 0


@needs_root
def test_an_attempt_may_tell_lies_of_its_end(small_image, scratch, tmp_path):
    with DockerRunner().session(small_image, scratch=scratch) as session:
        workbench = Workbench(session, tmp_path)
        assert workbench.sh("printf '\\n1 0\\n0' > /.pfs/done; exit 4").outcome.exit_code == 4
        assert workbench.sh("echo x > /.pfs/order || exit 5").outcome.exit_code == 5


@needs_root
def test_an_attempt_cannot_give_orders(small_image, scratch, tmp_path):
    replay = "for order in /.pfs/order-*; do echo ${order#/.pfs/order-} x > /.pfs/go; done"
    with DockerRunner().session(small_image, scratch=scratch) as session:
        workbench = Workbench(session, tmp_path)
        for lie in (
            "echo again > /.pfs/go",
            replay,
            "printf half > /.pfs/go",
            "seq 12000 > /.pfs/go",
        ):
            assert workbench.sh(lie).outcome.exit_code == 0
            assert workbench.sh("echo ran", timeout_s=10.0).log == "ran\n"


@needs_root
def test_nothing_is_mounted_on_the_host_while_an_attempt_runs(small_image, scratch, tmp_path):
    with DockerRunner().session(small_image, scratch=scratch) as session:
        workbench = Workbench(session, tmp_path)
        workbench.run("true")
        table = Path("/proc/self/mountinfo").read_text()
        assert str(tmp_path) not in table
        # Not in the container either, once the attempt has ended.
        assert workbench.sh("grep -c ' /pfs' /proc/self/mountinfo").log == "3\n"


@both_ways
def test_what_a_session_is_confined_to(small_image, scratch, tmp_path, warm):
    confined = Confinement(user="1234", network=False, memory_limit=64 << 20, cpu_limit=0.5)
    runner = DockerRunner(warm=warm)
    with runner.session(small_image, scratch=scratch, confinement=confined) as session:
        workbench = Workbench(session, tmp_path)
        ran = workbench.sh("cat /proc/self/status /proc/net/dev; echo x > /pfs/out/result")
        assert "Uid:\t1234\t" in ran.log
        assert "eth0" not in ran.log
        assert ran.wrote() == "x\n"
        hungry = workbench.sh("x=x; while :; do x=$x$x; done")
        assert hungry.outcome.exit_code


@both_ways
def test_only_who_lacked_memory_is_told_so(small_image, scratch, tmp_path, warm):
    hungry = "(x=x; while :; do x=$x$x; done) 2> /dev/null"
    confined = Confinement(memory_limit=16 << 20)
    runner = DockerRunner(warm=warm)
    with runner.session(small_image, scratch=scratch, confinement=confined) as session:
        workbench = Workbench(session, tmp_path)
        ended = [
            workbench.sh(s).outcome for s in (f"{hungry}; exit 0", "exit 1", f"{hungry}; exit 3")
        ]
    assert [(outcome.exit_code, outcome.reason) for outcome in ended] == [(0, ""), (1, ""), (3, "")]
    assert [outcome.remark.partition(":")[0] for outcome in ended] == ["", "", "out of memory"]


# --- who may clean up what -------------------------------------------------------------------

OWNER = """
import sys
from pathlib import Path
from pfslib.runners.docker_runner import DockerRunner
from pfslib.testing.runner_workbench import Workbench
place, image, mark, warm = Path(sys.argv[1]), *sys.argv[2:]
session = DockerRunner(warm=warm == "True").session(image, scratch=place)
Workbench(session, place).sh(f"sleep {mark}")
"""


@both_ways
def test_what_a_killed_owner_leaves_is_removed_by_the_next(
    engine, make_image, scratch, tmp_path, warm
):
    image = make_image()
    mark = unique_duration()
    command = [sys.executable, "-c", OWNER, str(tmp_path), image, mark, str(warm)]
    with subprocess.Popen(command, cwd=PROJECT) as owner:
        try:
            assert wait_until(lambda: len(processes_with(mark)) > 1)
            assert wait_until(lambda: containers(engine, image))
            (theirs,) = containers(engine, image)
            DockerRunner().session(image, scratch=scratch).close()
            assert containers(engine, image) == [theirs], "its owner lives"
        finally:
            owner.kill()
    DockerRunner().session(image, scratch=scratch).close()
    assert containers(engine, image) == []
    assert processes_with(mark) == []


def test_a_warm_container_ends_with_its_owner_in_the_middle_of_an_attempt(
    engine, make_image, tmp_path
):
    image, mark = make_image(), unique_duration()
    command = [sys.executable, "-c", OWNER, str(tmp_path), image, mark, "True"]
    with subprocess.Popen(command, cwd=PROJECT) as owner:
        assert wait_until(lambda: len(processes_with(mark)) > 1)
        owner.kill()
    assert wait_until(lambda: containers(engine, image) == [])
    assert processes_with(mark) == []


def test_another_machines_containers_are_left_alone():
    _, labels = docker_owner.new_session()
    now = time.time()
    assert not docker_owner.is_left_over(labels, running=True, created=now)
    assert docker_owner.is_left_over(labels | {"pfslib.started": "1"}, running=True, created=now)
    elsewhere = labels | {"pfslib.where": "another boot", "pfslib.started": "1"}
    assert not docker_owner.is_left_over(elsewhere, running=True, created=0.0)
    assert not docker_owner.is_left_over(elsewhere, running=False, created=now)
    assert docker_owner.is_left_over(elsewhere, running=False, created=now - 10**6)


# --- other users, no engine ------------------------------------------------------------------

AS_NOBODY = """
import os, sys
from pathlib import Path
from pfslib.runners.docker_runner import DockerRunner
from pfslib.testing.runner_workbench import Workbench
place = Path.cwd()
(place / "scratch").mkdir()
with DockerRunner().session(sys.argv[1], scratch=place / "scratch") as session:
    ran = Workbench(session, place).sh("umask 077; cat /pfs/in/f > /pfs/out/result",
                                       inputs={"in": {"f": "given"}})
print(ran.wrote(), (ran.out / "result").stat().st_uid == os.getuid())
"""


@needs_root
def test_an_ordinary_user_owns_the_output(nobody, small_image):
    engine_socket = Path("/var/run/docker.sock")
    if not engine_socket.exists() or not engine_socket.stat().st_gid:
        pytest.skip("no group may use the engine")
    done = nobody.run("-c", AS_NOBODY, small_image, group=engine_socket.stat().st_gid)
    assert done.stdout == "given True\n", done.stderr


def test_no_engine_is_said_at_once(tmp_path, scratch):
    url = f"unix://{tmp_path}/absent.sock"
    assert docker_available() == ""
    assert "absent.sock" in docker_available(url)
    assert "No such file" in docker_available(url)
    with pytest.raises(RunnerError, match=r"absent\.sock") as caught:
        DockerRunner(url).session("image", scratch=scratch)
    assert "--runner local" in caught.value.hint


def test_an_engine_that_hangs_is_not_waited_for(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/s")
        server.listen()
        started = time.monotonic()
        assert "timed out" in docker_available(f"unix://{tmp_path}/s").lower()
        assert time.monotonic() - started < 5
