"""A container that stays: its shell runs one attempt after another, in 5 ms instead of 400.

The shell takes orders from a FIFO in a directory that the container sees as ``/.pfs``, read-only,
and tells through another how each ended, having first killed whatever the attempt left running. It
ends, and the container with it, when its owner does.
`docker_graft` shows it the attempt's data. Between attempts of one session the container's own
files stay as the last attempt left them, as in Pachyderm's workers.
"""

from __future__ import annotations

import contextlib
import enum
import marshal
import math
import os
import secrets
import select
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

from pfslib.model.errors import RunnerError
from pfslib.runners.bare_process import BareProcess
from pfslib.runners.control_groups import group_of
from pfslib.runners.docker_script import script_of
from pfslib.runners.docker_stream import write_all
from pfslib.runners.runner import Attempt

CONTROL = "/.pfs"

# The init of the container is not this shell, so "everybody else" of kill -1 is all the attempt
# left behind; the init reaps them, until there is nobody to kill. The word is known to nobody else:
# with it, the shell's answer cannot be mistaken for something that the command wrote there. Nor can
# what a command wrote be mistaken for an order: an order is a file, which only the owner can make,
# of a name that nobody can know before, and is carried out once. An image without shell or env ends
# at once, and is not used in this way.
#
# Both FIFOs that are read end when the owner does, killed or not. Between attempts the shell
# notices that; while one runs a second process does, and kills everybody: so the container ends.
LOOP = f"""
command -v env >/dev/null || exit 127
exec 2>/dev/null 8<{CONTROL}/go 9<{CONTROL}/life
unset order last word code
echo ready >{CONTROL}/done
while read -r order word <&8; do
    [ -f "{CONTROL}/order-$order" ] && [ "$order" != "$last" ] || continue
    last=$order
    (read -r _ <&9; kill -9 -1) &
    (exec 8<&- 9<&-; . "{CONTROL}/order-$order") <{CONTROL}/stdin >{CONTROL}/output 2>&1
    code=$?
    while kill -9 -1; do :; done
    echo "
$word $code" >{CONTROL}/done
done
"""

_START_TIMEOUT_S = 60.0
_GRAFT_TIMEOUT_S = 60.0
_DEATH_MS = 10_000
_READ_BYTES = 1 << 18


class Ended(enum.Enum):
    """How an attempt ended that has no exit code."""

    BY_DEADLINE = enum.auto()
    BY_DEATH = enum.auto()
    """Its container was killed: from outside, by the attempt itself, or for lack of memory."""


class Grafter:
    """Mounts into containers; for all workers of a session."""

    def __init__(self) -> None:
        self._process = BareProcess("pfslib.runners.docker_graft")

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
            control.settimeout(_GRAFT_TIMEOUT_S)
            try:
                socket.send_fds(control, [marshal.dumps(message)], [namespace])
                answer = os.fsdecode(control.recv(4096)) or self._process.last_words()
            except TimeoutError as error:
                control.shutdown(socket.SHUT_RDWR)  # its next answer would be taken for another's
                answer = str(error)
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
        names = ("go", "life", "done", "output")
        for name in names:
            os.mkfifo(path / name)
            (path / name).chmod(0o666)
        # Held open for both, so that neither side ever waits for the other to open them.
        self.go, self.life, self.done, self.output = (
            os.open(path / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC) for name in names
        )

    def put(self, attempt: Attempt) -> str:
        """Lay out what the shell is to run, and on what; how it is to be told of it."""
        for former in self.path.glob("order-*"):
            former.unlink()
        order = secrets.token_hex(8)
        for name, content in ((f"order-{order}", script_of(attempt)), ("stdin", attempt.stdin)):
            (self.path / name).write_bytes(content)
            (self.path / name).chmod(0o644)
        return order

    def tell(self, line: str) -> None:
        """Write a line to the shell: of its own, whatever attempts have written there before."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.go, _READ_BYTES):
                pass
        os.write(self.go, f"\n{line}\n".encode())

    def remove(self) -> None:
        """Close and delete everything."""
        for descriptor in (self.go, self.life, self.done, self.output):
            os.close(descriptor)
        shutil.rmtree(self.path)


class Worker:
    """One running container and the shell in it; runs one attempt at a time.

    Args:
        pid: The process, as seen here, that is the container's init.
        control: What it was started with as ``/.pfs``.
        grafter: What shows it data.
        held: What is to be let go of with the worker; if all goes well, taken over.

    Raises:
        RunnerError: The shell does not come up, or not in reach.
    """

    def __init__(
        self,
        pid: int,
        control: ControlDirectory,
        grafter: Grafter,
        held: contextlib.ExitStack,
    ) -> None:
        self._group = group_of(pid)
        self._kills_before = 0
        self._control = control
        self._grafter = grafter
        self._heard = bytearray()
        try:
            self._pidfd = os.pidfd_open(pid)
            held.callback(os.close, self._pidfd)
            self._namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            held.callback(os.close, self._namespace)
        except OSError as error:  # the container has ended already
            raise _no_shell() from error
        self._events = select.poll()
        for source in (self._pidfd, control.done, control.output):
            self._events.register(source, select.POLLIN)
        self._come_up(pid)
        # A rehearsal, for the kernel may be too old.
        grafter.show(self._namespace, {}, control.path)
        grafter.take_away(self._namespace)
        self._held = held.pop_all()

    def _come_up(self, pid: int) -> None:
        """Wait for the shell, and make sure that it is the process we think it is.

        A shell that shared our PID namespace would kill us along with what it is to kill.
        """
        ready = self._hear(time.monotonic() + _START_TIMEOUT_S) == b"ready"
        with contextlib.suppress(OSError):
            theirs, ours = (Path("/proc", who, "ns", "pid") for who in (str(pid), "self"))
            reached = Path(f"/proc/{pid}/root{CONTROL}/go").samefile(self._control.path / "go")
            if ready and reached and theirs.readlink() != ours.readlink():
                return
        raise _no_shell()

    def run(self, attempt: Attempt, log: FileIO, deadline: float | None) -> int | Ended:
        """Run an attempt to its end; its exit code, or what came before it had one.

        Without an exit code, or after an error, the container is of no further use.

        Raises:
            RunnerError: The attempt's data cannot be shown to it.
            OSError: The log cannot be written.
        """
        self._kills_before = self._group.memory_kills
        order = self._control.put(attempt)
        self._grafter.show(self._namespace, attempt.inputs, attempt.out)
        word = secrets.token_hex(8)
        self._control.tell(f"{order} {word}")
        try:
            while isinstance(line := self._hear(deadline, log), bytes):
                first, _, code = line.partition(b" ")
                if first == word.encode():
                    self._grafter.take_away(self._namespace)
                    return int(code)
            self.kill()
            return line
        finally:
            while self._relay(log):
                pass

    @property
    def lacked_memory(self) -> bool:
        """Whether the kernel killed something of the last attempt for want of memory."""
        return self._group.memory_kills > self._kills_before

    @property
    def alive(self) -> bool:
        """Whether its container runs."""
        death = select.poll()
        death.register(self._pidfd, select.POLLIN)
        return not death.poll(0)

    def kill(self) -> None:
        """Kill all that runs in the container, and wait for the end of it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        death = select.poll()
        death.register(self._pidfd, select.POLLIN)
        # Not for ever: what waits for a file system inside the kernel does not even die.
        death.poll(_DEATH_MS)

    def end(self) -> None:
        """Kill the container and let go of all that was made for it."""
        self.kill()
        self._held.close()

    def _hear(self, deadline: float | None, log: FileIO | None = None) -> bytes | Ended:
        """The shell's next line, or what came before it; relays output meanwhile."""
        while b"\n" not in self._heard:
            if deadline is not None and time.monotonic() >= deadline:
                return Ended.BY_DEADLINE
            wait_ms = None if deadline is None else math.ceil(1000 * (deadline - time.monotonic()))
            ready = {source for source, _ in self._events.poll(wait_ms)}
            if log and self._control.output in ready:
                self._relay(log)
            if self._control.done in ready:
                self._heard += os.read(self._control.done, _READ_BYTES)
            elif self._pidfd in ready:
                return Ended.BY_DEATH
        line, _, self._heard = self._heard.partition(b"\n")
        return bytes(line)

    def _relay(self, log: FileIO) -> bool:
        """Move some output to the log; False when there is none."""
        try:
            write_all(log, os.read(self._control.output, _READ_BYTES))
        except BlockingIOError:
            return False
        return True


def _no_shell() -> RunnerError:
    return RunnerError("the image has no shell that could run one attempt after another")
