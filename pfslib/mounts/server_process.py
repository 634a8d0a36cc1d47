"""The process that serves a mount: ordered, listened to until it is up, and ended."""

from __future__ import annotations

import os
import signal
import time
import weakref
from contextlib import suppress
from select import POLLIN, poll
from typing import IO, Any, Final

import msgspec

from pfslib.model.errors import MountError
from pfslib.mounts import mount_zygote

_EXIT_S: Final = 2.0
_ANSWER_MAX: Final = 65_536
_TAIL_MAX: Final = 2_000


def start_server(
    settings: dict[str, Any], *, tied: bool, timeout_s: float
) -> tuple[ServerProcess, str]:
    """Start a server and wait until its mount is up.

    Args:
        settings: What it is told: see `pfsfuse.settings`.
        tied: Whether the server ends when this process does, and may write to its standard error.
        timeout_s: How long to wait.

    Returns:
        The server, and the device number of its mount.

    Raises:
        MountError: It does not come up; the error says why, in the server's words.
    """
    if tied:
        settings = {**settings, "owner_pid": os.getpid()}
    with open(os.memfd_create("pfs"), "r+b") as errors:  # noqa: PTH123 - no path
        report, theirs = os.pipe()
        log = _stderr_copy() if tied else None
        server = ServerProcess(report)
        try:
            try:
                inherited = [theirs, errors.fileno(), *([log] if log is not None else [])]
                mount_zygote.order(msgspec.msgpack.encode(settings), inherited)
            finally:
                os.close(theirs)
                if log is not None:
                    os.close(log)
            device = server.await_mount(errors, timeout_s)
        except BaseException:
            server.end()
            raise
    return server, device


class ServerProcess:
    """A server: ordered, and after `await_mount` with its mount up.

    Attributes:
        pid: Its process id; 0 until it has told.
    """

    def __init__(self, report: int) -> None:
        """Listen to a server.

        Args:
            report: Pipe that it writes to, and keeps open as long as it lives.
        """
        self.pid = 0
        self._report: int | None = report
        self._closing = weakref.finalize(self, os.close, report)

    def await_mount(self, errors: IO[bytes], timeout_s: float) -> str:
        """Wait until the mount is up; its device number.

        Args:
            errors: The server's standard error.
            timeout_s: How long to wait.

        Raises:
            MountError: It is not up, for the reason the server gave, or that its remains tell.
        """
        answer, ended = self._read_answer(timeout_s)
        if answer.startswith("ready "):
            return answer.split()[1]
        sentence, _, rest = answer.partition("\n")
        sentence = sentence.removeprefix("error: ")
        hint = rest.partition("hint: ")[2].strip()
        errors.seek(0)
        tail = os.fsdecode(errors.read())[-_TAIL_MAX:].strip()
        if not sentence and ended:
            sentence = "the mount server ended before the mount was up"
        if self.pid == 0:
            tail = mount_zygote.last_words()
        sentence = sentence or f"the mount server was not up after {timeout_s:g} seconds"
        raise MountError(f"{sentence}: {tail}" if tail else sentence, hint=hint)

    def _read_answer(self, timeout_s: float) -> tuple[str, bool]:
        """What the server has to say behind its process id, and whether it has ended then."""
        deadline = time.monotonic() + timeout_s
        said = b""
        ended = False
        while not (b"\nready " in said and said.endswith(b"\n")) and not ended:
            if not self._has_word(max(0.0, deadline - time.monotonic())):
                break
            word = os.read(self._report or 0, _ANSWER_MAX)
            ended = not word
            said += word
            self._note_pid(said)
        return os.fsdecode(said.partition(b"\n")[2]), ended

    def _hear_pid(self) -> None:
        if self._has_word(0.0):
            self._note_pid(os.read(self._report or 0, _ANSWER_MAX))

    def _note_pid(self, said: bytes) -> None:
        pid, found, _ = said.partition(b"\n")
        if found:
            self.pid = int(pid)

    def _has_word(self, timeout_s: float) -> bool:
        assert self._report is not None
        waiting = poll()
        waiting.register(self._report, POLLIN)
        return bool(waiting.poll(timeout_s * 1000))

    def wait(self, timeout_s: float) -> bool:
        """Whether it ends within the time."""
        if self._report is None:
            return True
        if not self._has_word(timeout_s) or os.read(self._report, 1):
            return False
        self.let_go()
        return True

    def end(self) -> None:
        """Ask it to unmount and exit; make it, if it does not."""
        if self.pid == 0:
            mount_zygote.end()  # it has not even forked, or nobody has listened
            self._hear_pid()
        if self.pid == 0:
            self.let_go()  # which a server that was just forked takes for its end
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.wait(0.0):
                return
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if self.wait(_EXIT_S):
                return
        self.let_go()

    def let_go(self) -> None:
        """Listen no more."""
        self._closing()
        self._report = None


def _stderr_copy() -> int | None:
    """A second descriptor of standard error; None for a process that has none."""
    with suppress(OSError):
        return os.dup(2)
    return None
