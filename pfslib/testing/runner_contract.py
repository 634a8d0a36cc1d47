"""RunnerContract: what every runner must do, as a pytest class to be subclassed.

::

    class TestMyRunner(RunnerContract):
        @pytest.fixture(scope="class")
        @classmethod
        def runner(cls) -> Runner:
            return MyRunner()

        @pytest.fixture(scope="class")
        @classmethod
        def image(cls) -> str | None:
            return "busybox"

The image, or the host when there is none, must have a POSIX shell and the usual small commands
(busybox will do). The commands must run on this host: the tests look for them in ``/proc``.
"""

# ruff: noqa: D102 - the names of tests say it all, and tests assert

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pfslib.model.errors import RunnerError
from pfslib.runners.runner import Attempt, Confinement, Outcome, Runner, Session
from pfslib.testing.runner_workbench import (
    Workbench,
    mounts_below,
    processes_with,
    unique_duration,
    wait_until,
)

_MIB = 1 << 20
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_KILLED = 137
_ODD = 3
_PROMPTLY_S = 10.0


class RunnerContract:
    """The tests. A subclass gives the runner, and the image to run them in."""

    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls) -> Runner:
        """The runner under test."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls) -> str | None:
        """The image the tests run in."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def session(
        cls, runner: Runner, image: str | None, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Session]:
        """One session for all the tests that do not end it."""
        with runner.session(image, scratch=tmp_path_factory.mktemp("scratch")) as session:
            yield session

    @pytest.fixture
    def workbench(self, session: Session, tmp_path: Path) -> Workbench:
        """For the tests that share the session."""
        return Workbench(session, tmp_path)

    @pytest.fixture
    def own_session(self, runner: Runner, image: str | None, tmp_path: Path) -> Iterator[Session]:
        """A session for a test to end."""
        (tmp_path / "scratch").mkdir()
        with runner.session(image, scratch=tmp_path / "scratch") as session:
            yield session

    # --- data in and out ---------------------------------------------------------------------

    def test_reads_an_input_and_writes_the_output(self, workbench: Workbench) -> None:
        ran = workbench.sh(
            "cat /pfs/words/file > /pfs/out/result", inputs={"words": {"file": "in and out"}}
        )
        assert ran.outcome == Outcome(exit_code=0, seconds=ran.outcome.seconds)
        assert ran.wrote() == "in and out"
        assert 0 < ran.outcome.seconds < _PROMPTLY_S

    def test_an_input_cannot_be_written(self, workbench: Workbench) -> None:
        ran = workbench.sh(
            "echo new > /pfs/words/new || echo over > /pfs/words/file || rm /pfs/words/file",
            inputs={"words": {"file": "as it was"}},
        )
        assert ran.outcome.exit_code != 0
        files = {path.name: path.read_text() for path in ran.inputs["words"].iterdir()}
        assert files == {"file": "as it was"}

    def test_each_input_has_its_own_name(self, workbench: Workbench) -> None:
        ran = workbench.sh(
            "cat /pfs/left.1/f /pfs/right-2/f > /pfs/out/result",
            inputs={"left.1": {"f": "left "}, "right-2": {"f": "right"}},
        )
        assert ran.wrote() == "left right"

    def test_pfs_holds_the_inputs_and_out_only(self, workbench: Workbench) -> None:
        ran = workbench.sh(
            "ls -a /pfs; touch /pfs/other 2> /dev/null",
            inputs={"one": {"f": "1"}, "two": {"f": "2"}},
        )
        assert sorted(ran.log.split()) == [".", "..", "one", "out", "two"]
        assert ran.outcome.exit_code != 0, "something else could be made in /pfs"

    def test_the_output_can_be_read_and_removed(self, workbench: Workbench) -> None:
        ran = workbench.sh("umask 077; mkdir /pfs/out/deep; echo x > /pfs/out/deep/result")
        assert ran.wrote("deep/result") == "x\n"
        (ran.out / "deep" / "result").unlink()
        (ran.out / "deep").rmdir()

    def test_paths_may_be_relative(
        self, runner: Runner, image: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("scratch", "in", "out"):
            Path(name).mkdir()
        attempt = Attempt(
            inputs={"in": Path("in")},
            out=Path("out"),
            cmd=("touch", "/pfs/out/result"),
            stdin=b"",
            env={},
            log=Path("log"),
        )
        with runner.session(image, scratch=Path("scratch")) as session:
            assert session.run(attempt).exit_code == 0
        assert Path("out/result").exists()

    def test_one_attempt_does_not_see_what_another_put_out(self, workbench: Workbench) -> None:
        workbench.sh("echo mine > /pfs/out/result", inputs={"words": {"f": ""}})
        assert workbench.sh("ls /pfs /pfs/out").log.split() == ["/pfs:", "out", "/pfs/out:"]

    def test_the_session_s_image_is_what_the_name_means(
        self, runner: Runner, image: str | None, session: Session
    ) -> None:
        assert runner.digest_of(image) == session.image_digest

    # --- standard streams --------------------------------------------------------------------

    def test_standard_input_is_fed_and_ends(self, workbench: Workbench) -> None:
        assert workbench.sh("cat > /pfs/out/result", stdin=b"fed\n").wrote() == "fed\n"

    def test_standard_input_may_be_empty(self, workbench: Workbench) -> None:
        assert workbench.sh("wc -c > /pfs/out/result").wrote().strip() == "0"

    def test_much_standard_input_arrives_whole(self, workbench: Workbench) -> None:
        ran = workbench.sh("wc -c > /pfs/out/result", stdin=bytes(3 * _MIB))
        assert ran.wrote().strip() == str(3 * _MIB)

    def test_standard_input_need_not_be_read(self, workbench: Workbench) -> None:
        assert workbench.run("true", stdin=bytes(_MIB)).outcome.exit_code == 0

    def test_output_and_errors_are_logged_in_order(self, workbench: Workbench) -> None:
        ran = workbench.sh("echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three")
        assert ran.log.split() == ["one", "two", "three"]

    def test_much_output_is_logged_whole(self, workbench: Workbench) -> None:
        ran = workbench.sh(f"head -c {5 * _MIB} /dev/zero", stdin=bytes(_MIB))
        assert ran.outcome.exit_code == 0
        assert len(ran.log) == 5 * _MIB

    def test_a_log_is_added_to(self, session: Session, tmp_path: Path) -> None:
        attempt = Attempt(
            inputs={}, out=tmp_path, cmd=("echo", "2"), stdin=b"", env={}, log=tmp_path / "log"
        )
        attempt.log.write_text("1\n")
        session.run(attempt)
        assert attempt.log.read_text() == "1\n2\n"

    def test_a_log_cannot_be_cut_short(self, workbench: Workbench) -> None:
        ran = workbench.sh("echo one; echo two > /dev/stdout; echo three")
        assert ran.log == "one\ntwo\nthree\n"

    def test_a_command_may_close_its_output(self, workbench: Workbench) -> None:
        assert workbench.sh(f"exec >&- 2>&-; sleep 0.3; exit {_ODD}").outcome.exit_code == _ODD

    # --- how it is run -----------------------------------------------------------------------

    def test_the_environment_is_given(self, workbench: Workbench) -> None:
        ran = workbench.sh(
            'echo "$GREETING|${PATH:+path}|${HOME:+home}" > /pfs/out/result',
            env={"GREETING": "hello $USER\nline 'two'"},
        )
        assert ran.wrote() == "hello $USER\nline 'two'|path|home\n"

    def test_a_variable_may_have_any_name(self, workbench: Workbench) -> None:
        ran = workbench.run("env", env={"my-repo.v1_COMMIT": "1", "-i": "2"})
        assert {"my-repo.v1_COMMIT=1", "-i=2"} <= set(ran.log.splitlines())

    def test_the_owners_environment_is_not(
        self, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PFS_CONTRACT_SECRET", "secret")
        assert "secret" not in workbench.sh("env").log

    def test_arguments_arrive_as_they_are(self, workbench: Workbench) -> None:
        odd = ["", "two words", "a'b", 'c"d', "$HOME", "*", "new\nline", "\\", "é"]
        ran = workbench.run("sh", "-c", 'for a in "$@"; do printf "%s\\0" "$a"; done', "sh", *odd)
        assert ran.log.split("\0")[:-1] == odd

    def test_the_working_directory_is_set(self, workbench: Workbench) -> None:
        ran = workbench.sh("pwd; touch here", working_dir="/pfs/out")
        assert ran.log == "/pfs/out\n"
        assert (ran.out / "here").exists()

    def test_no_container_engine_is_in_sight(self, workbench: Workbench) -> None:
        ran = workbench.sh("for s in /var/run/docker.sock /run/docker.sock; do test ! -S $s; done")
        assert ran.outcome.exit_code == 0

    def test_no_privilege_can_be_gained(self, workbench: Workbench) -> None:
        ran = workbench.sh("grep NoNewPrivs /proc/self/status; mount -t tmpfs none /pfs/out")
        assert "NoNewPrivs:\t1\n" in ran.log
        assert ran.outcome.exit_code != 0, "the command could mount"

    def test_parallel_attempts_do_not_mix(self, workbench: Workbench) -> None:
        def one(number: int) -> str:
            ran = workbench.sh(
                "cat; cat /pfs/in/f; echo $NUMBER > /pfs/out/result; sleep 0.2; ls /pfs/out",
                inputs={"in": {"f": f"file {number}\n"}},
                stdin=f"stdin {number}\n".encode(),
                env={"NUMBER": str(number)},
            )
            return f"{ran.outcome.exit_code}\n{ran.log}{ran.wrote()}"

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(one, range(8)))
        assert results == [f"0\nstdin {n}\nfile {n}\nresult\n{n}\n" for n in range(8)]

    # --- how it ends -------------------------------------------------------------------------

    @pytest.mark.parametrize("code", [1, 42, 255])
    def test_the_exit_code_is_told(self, workbench: Workbench, code: int) -> None:
        assert workbench.sh(f"exit {code}").outcome.exit_code == code

    def test_a_missing_command_is_an_outcome(self, workbench: Workbench) -> None:
        for name in ("no-such-command", "/no/such/command"):
            ran = workbench.run(name, "argument")
            assert ran.outcome.exit_code == _NOT_FOUND
            assert name in ran.outcome.reason
            assert name in ran.log

    def test_a_command_that_cannot_be_executed_is_an_outcome(self, workbench: Workbench) -> None:
        ran = workbench.run("/pfs/in/plain", inputs={"in": {"plain": "not executable"}})
        assert ran.outcome.exit_code == _NOT_EXECUTABLE
        assert "/pfs/in/plain" in ran.outcome.reason
        assert "/pfs/in/plain" in ran.log

    def test_death_by_signal_is_named(self, workbench: Workbench) -> None:
        for name, number in (("TERM", 15), ("KILL", 9), ("SEGV", 11)):
            outcome = workbench.sh(f"kill -{name} $$").outcome
            assert outcome.exit_code == 128 + number
            assert f"SIG{name}" in outcome.reason

    def test_a_timeout_kills_everything(self, workbench: Workbench) -> None:
        mark = unique_duration()
        ran = workbench.sh(
            f"trap '' TERM; echo begun; (setsid sleep {mark} &) ; sleep {mark}", timeout_s=1.0
        )
        assert ran.outcome.exit_code == _KILLED
        assert "timed out" in ran.outcome.reason
        assert 1.0 <= ran.outcome.seconds < _PROMPTLY_S
        assert ran.log == "begun\n"
        assert processes_with(mark) == []

    def test_a_timeout_ends_a_command_that_never_stops_printing(self, workbench: Workbench) -> None:
        ran = workbench.sh("while :; do echo again; done", timeout_s=1.0)
        assert "timed out" in ran.outcome.reason
        assert ran.outcome.seconds < _PROMPTLY_S

    def test_a_timeout_ends_a_command_that_has_closed_its_output(
        self, workbench: Workbench
    ) -> None:
        ran = workbench.sh("exec >&- 2>&-; sleep 60", timeout_s=1.0)
        assert "timed out" in ran.outcome.reason
        assert ran.outcome.seconds < _PROMPTLY_S

    def test_a_timeout_that_is_not_reached_changes_nothing(self, workbench: Workbench) -> None:
        ran = workbench.sh(f"exit {_ODD}", timeout_s=50.0)
        assert (ran.outcome.exit_code, ran.outcome.reason) == (_ODD, "")

    def test_nothing_outlives_the_command(self, workbench: Workbench) -> None:
        mark = unique_duration()
        ran = workbench.sh(f"setsid sleep {mark} & sleep 0.1; echo done")
        assert (ran.outcome.exit_code, ran.log) == (0, "done\n")
        assert processes_with(mark) == []

    # --- what it may use ---------------------------------------------------------------------

    def test_too_little_memory_is_named(
        self, runner: Runner, image: str | None, tmp_path: Path
    ) -> None:
        confined = Confinement(memory_limit=64 * _MIB)
        with runner.session(image, scratch=tmp_path, confinement=confined) as session:
            workbench = Workbench(session, tmp_path)
            outcome = workbench.sh("x=x; while :; do x=$x$x; done", timeout_s=20.0).outcome
            assert outcome.exit_code != 0
            # One that cannot limit it for all processes together cannot be sure of the reason.
            assert "out of memory" in outcome.reason or "64 MiB" in outcome.remark
            assert workbench.sh("echo enough").log == "enough\n"

    def test_the_network_can_be_cut(
        self, runner: Runner, image: str | None, tmp_path: Path
    ) -> None:
        confined = Confinement(network=False)
        with runner.session(image, scratch=tmp_path, confinement=confined) as session:
            log = Workbench(session, tmp_path).sh("cat /proc/net/dev").log
        assert [line.split(":")[0].strip() for line in log.splitlines() if ":" in line] == ["lo"]

    def test_more_processors_than_there_are_may_be_had(
        self, runner: Runner, image: str | None, tmp_path: Path
    ) -> None:
        confined = Confinement(cpu_limit=4096.0)
        with runner.session(image, scratch=tmp_path, confinement=confined) as session:
            assert Workbench(session, tmp_path).run("true").outcome.exit_code == 0

    def test_it_may_be_run_by_somebody_else(
        self, runner: Runner, image: str | None, tmp_path: Path
    ) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can be somebody else")
        confined = Confinement(user="1234:5678")
        with runner.session(image, scratch=tmp_path, confinement=confined) as session:
            ran = Workbench(session, tmp_path).sh(
                "cat /pfs/in/f > /pfs/out/result; grep -E '^[UG]id' /proc/self/status;"
                "kill -9 1; kill -9 -1; test -d /proc/1",
                inputs={"in": {"f": "given"}},
            )
        assert [line.split()[1] for line in ran.log.splitlines() if "id:" in line] == [
            *("1234", "5678")
        ]
        assert ran.wrote() == "given"
        status = (ran.out / "result").stat()
        assert (status.st_uid, status.st_gid) == (1234, 5678)

    def test_closing_leaves_nothing(self, own_session: Session, tmp_path: Path) -> None:
        before = mounts_below(tmp_path)
        assert Workbench(own_session, tmp_path).sh("echo > /pfs/out/result").outcome.exit_code == 0
        own_session.close()
        own_session.close()
        assert mounts_below(tmp_path) == before
        assert list((tmp_path / "scratch").iterdir()) == []
        with pytest.raises(RunnerError):
            Workbench(own_session, tmp_path / "after").run("true")

    def test_closing_ends_what_runs(self, own_session: Session, tmp_path: Path) -> None:
        mark = unique_duration()
        errors: list[RunnerError] = []

        def attempt() -> None:
            try:
                Workbench(own_session, tmp_path).sh(f"setsid sleep {mark} & sleep {mark}")
            except RunnerError as error:
                errors.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        assert wait_until(lambda: len(processes_with(mark)) > 1)
        own_session.close()
        thread.join(_PROMPTLY_S)
        assert not thread.is_alive()
        assert len(errors) == 1
        assert processes_with(mark) == []
