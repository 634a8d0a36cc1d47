"""A container that stays: its shell runs one attempt after another, in 5 ms instead of 400.

The shell takes orders from a FIFO in a directory that the container sees as ``/.pfs``, read-only,
and tells through another how each ended, having first killed whatever the attempt left running.
`docker_graft` shows it the attempt's data. Between attempts of one session the container's own
files stay as the last attempt left them, as in Pachyderm's workers.
"""

from __future__ import annotations

import contextlib
import marshal
import math
import os
import select
import shlex
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

from pfslib.model.errors import RunnerError
from pfslib.pipelines.bare_process import BareProcess
from pfslib.pipelines.runner import Attempt

CONTROL = "/.pfs"

# The init of the container is not this shell, so "everybody else" of kill -1 is all the attempt
# left behind; the init reaps them, until there is nobody to kill. A shell without env, or an image
# without shell, ends at once, and is not used in this way.
LOOP = f"""
command -v env >/dev/null || exit 127
exec 2>/dev/null
echo ready >{CONTROL}/done
while read -r number <{CONTROL}/go; do
    (. {CONTROL}/order) <{CONTROL}/stdin >{CONTROL}/output 2>&1
    code=$?
    while kill -9 -1; do :; done
    echo "$number $code" >{CONTROL}/done
done
"""

_START_TIMEOUT_S = 60.0
_READ_BYTES = 1 << 18


class Grafter:
    """Mounts into containers; for all workers of a session."""

    def __init__(self) -> None:
        self._process = BareProcess("pfslib.pipelines.docker_graft")

    def show(self, namespace: int, inputs: Mapping[str, Path], out: Path) -> None:
        """Mount an attempt's directories at ``/pfs``.

        Raises:
            RunnerError: It was refused.
        """
        directories = {name: str(path.absolute()) for name, path in inputs.items()}
        self._ask(namespace, (directories, str(out.absolute())))

    def take_away(self, namespace: int) -> None:
        """Unmount what was shown last."""
        self._ask(namespace, ({}, ""))

    def end(self) -> None:
        """End the process."""
        self._process.end()

    def _ask(self, namespace: int, message: tuple[dict[str, str], str]) -> None:
        control = self._process.control
        with self._process.lock:
            socket.send_fds(control, [marshal.dumps(message)], [namespace])
            answer = os.fsdecode(control.recv(4096)) or self._process.last_words()
        if problem := answer.strip():
            raise RunnerError(
                f"an attempt's data cannot be shown to its container: {problem}",
                hint="run without containers: --runner local",
            )


class ControlDirectory:
    """The directory of FIFOs and files by which a shell is ruled; the container's ``/.pfs``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        path.chmod(0o755)  # for the image's user; the directory above keeps others out
        for name in ("go", "done", "output"):
            os.mkfifo(path / name)
            (path / name).chmod(0o666)
        # Held open for both, so that neither side ever waits for the other to open them.
        self.go, self.done, self.output = (
            os.open(path / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            for name in ("go", "done", "output")
        )

    def put(self, attempt: Attempt) -> None:
        """Lay out what the shell is to run, and on what."""
        for name, content in (("order", _script(attempt)), ("stdin", attempt.stdin)):
            (self.path / name).write_bytes(content)
            (self.path / name).chmod(0o644)

    def remove(self) -> None:
        """Close and delete everything."""
        for descriptor in (self.go, self.done, self.output):
            os.close(descriptor)
        shutil.rmtree(self.path)


class Worker:
    """One running container and the shell in it; runs one attempt at a time.

    Args:
        container: Its id.
        pid: The process, as seen here, that is its init.
        control: What it was started with as ``/.pfs``.
        grafter: What shows it data.

    Raises:
        RunnerError: The shell does not come up, or not in reach.
    """

    def __init__(
        self, container: str, pid: int, control: ControlDirectory, grafter: Grafter
    ) -> None:
        self.container = container
        self._control = control
        self._grafter = grafter
        self._number = 0
        with contextlib.ExitStack() as made:
            made.callback(control.remove)
            self._pidfd = os.pidfd_open(pid)
            made.callback(os.close, self._pidfd)
            self._namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            made.callback(os.close, self._namespace)
            self._events = select.poll()
            for source in (self._pidfd, control.done, control.output):
                self._events.register(source, select.POLLIN)
            self._come_up(pid)
            self._made = made.pop_all()

    def _come_up(self, pid: int) -> None:
        """Wait for the shell, and make sure that it is the process we think it is.

        A shell that shared our PID namespace would kill us along with what it is to kill.
        """
        ready = self._hear(time.monotonic() + _START_TIMEOUT_S) == "ready\n"
        with contextlib.suppress(OSError):
            theirs, ours = (Path("/proc", who, "ns", "pid") for who in (str(pid), "self"))
            reached = Path(f"/proc/{pid}/root{CONTROL}/go").samefile(self._control.path / "go")
            if ready and reached and theirs.readlink() != ours.readlink():
                return
        raise RunnerError("the image has no shell that could run one attempt after another")

    def run(self, attempt: Attempt, log: FileIO, deadline: float | None) -> int | None:
        """Run an attempt to its end; its exit code, or None when the deadline came first.

        After None, or an error, the worker is of no further use and is to be ended.

        Raises:
            RunnerError: The container has ended.
            OSError: The log cannot be written.
        """
        self._control.put(attempt)
        self._grafter.show(self._namespace, attempt.inputs, attempt.out)
        self._number += 1
        os.write(self._control.go, b"%d\n" % self._number)
        while (heard := self._hear(deadline, log)) is not None:
            number, _, code = heard.partition(" ")
            if number == str(self._number):
                self._relay(log)
                self._grafter.take_away(self._namespace)
                return int(code)
        return None

    def kill(self) -> None:
        """Kill all that runs in the container, and wait for the end of it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        death = select.poll()
        death.register(self._pidfd, select.POLLIN)
        death.poll()

    def end(self) -> None:
        """Kill the container and let go of it; removing it is the engine's part. Idempotent."""
        self.kill()
        self._made.close()

    def _hear(self, deadline: float | None, log: FileIO | None = None) -> str | None:
        """The shell's next word, None when the deadline came first; relays output meanwhile."""
        while deadline is None or time.monotonic() < deadline:
            wait_ms = None if deadline is None else math.ceil(1000 * (deadline - time.monotonic()))
            ready = {source for source, _ in self._events.poll(wait_ms)}
            if log and self._control.output in ready:
                self._relay(log)
            if self._control.done in ready:
                return os.read(self._control.done, 64).decode()
            if self._pidfd in ready:
                raise RunnerError("the container has ended", hint="see the log of the job")
        return None

    def _relay(self, log: FileIO) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._control.output, _READ_BYTES):
                log.write(data)


def _script(attempt: Attempt) -> bytes:
    """What the shell does: env, for names that are no shell's names; exec, for the exit code."""
    words = ["exec", "env", *(f"{name}={value}" for name, value in attempt.env.items())]
    lines = [shlex.join([*words, *attempt.cmd])]
    if attempt.working_dir is not None:
        lines.insert(0, f"cd {shlex.quote(attempt.working_dir)} || exit 126")
    return os.fsencode("\n".join(lines) + "\n")
