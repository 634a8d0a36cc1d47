"""The owner's end of one sandboxed attempt: its answers, its output, its outcome."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import signal
import socket
import time
from io import FileIO

from pfslib.model.errors import RunnerError
from pfslib.runners.runner import Attempt, Outcome

_RELAY_BYTES = 1 << 18
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127


def zygote_gone() -> RunnerError:
    """The error for an attempt that lost the process it depends on."""
    return RunnerError(
        "the sandbox session has ended: it was closed, or its process was killed",
        hint="open a new session",
    )


_WAIT_MAX_MS = 60_000
"""poll(2) takes 32 bits of milliseconds; whoever waits longer looks up now and then."""


class Conversation:
    """Follows one attempt: takes the answers from its line, and its output into the log."""

    def __init__(self, line: socket.socket, output: int, log: FileIO) -> None:
        self._line = line
        self._output = output
        self._log = log
        self._answers = bytearray()
        self._events = select.poll()
        self._events.register(line, select.POLLIN)
        self._events.register(output, select.POLLIN)
        os.set_blocking(output, False)

    def until_reaped(self, deadline: float | None) -> dict[str, str]:
        """The answers by their first word; killing the attempt when the deadline has passed.

        Raises:
            RunnerError: The zygote is gone.
            OSError: The log cannot be written; the attempt is dead by then.
        """
        try:
            while not self._reaped:
                if deadline is not None and time.monotonic() >= deadline:
                    self._hang_up()
                    deadline = None
                self._step(deadline)
        except BaseException:
            self._hang_up()
            while not self._reaped and self._listen():
                pass
            raise
        while self._relay():
            pass
        words = (answer.partition(" ") for answer in os.fsdecode(bytes(self._answers)).splitlines())
        return {word: rest for word, _, rest in words}

    @property
    def _reaped(self) -> bool:
        return self._answers.endswith(b"reaped\n")

    def _step(self, deadline: float | None) -> None:
        wait_ms = None
        if deadline is not None:
            wait_ms = min(math.ceil(1000 * (deadline - time.monotonic())), _WAIT_MAX_MS)
        for descriptor, _ in self._events.poll(wait_ms):
            if descriptor == self._output:
                if not self._relay():
                    self._events.unregister(self._output)
            elif not self._listen():
                raise zygote_gone()

    def _listen(self) -> bool:
        heard = self._line.recv(4096)
        self._answers += heard
        return bool(heard)

    def _relay(self) -> bool:
        """Move some output to the log; False when there is none, now or any more."""
        try:
            data = os.read(self._output, _RELAY_BYTES)
        except BlockingIOError:
            return False
        _write_all(self._log, data)
        return bool(data)

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)


def judge(answers: dict[str, str], attempt: Attempt, seconds: float) -> Outcome:
    """What the answers mean.

    Raises:
        RunnerError: The sandbox could not be made.
    """
    if "failed" in answers:
        message = f"the sandbox of an attempt could not be made: {answers['failed']}"
        raise RunnerError(message)
    code, reason = _verdict(answers, attempt, seconds)
    return Outcome(exit_code=code, reason=reason, seconds=seconds)


def _verdict(answers: dict[str, str], attempt: Attempt, seconds: float) -> tuple[int, str]:
    if "no-exec" in answers:
        number = int(answers["no-exec"])
        code = _NOT_FOUND if number == errno.ENOENT else _NOT_EXECUTABLE
        return code, f"the command {attempt.cmd[0]} could not be started: {os.strerror(number)}"
    if "no-directory" in answers:
        return (
            _NOT_EXECUTABLE,
            f"working directory {attempt.working_dir}: {answers['no-directory']}",
        )
    if "status" in answers:
        code = os.waitstatus_to_exitcode(int(answers["status"]))
        return (code, "") if code >= 0 else (128 - code, f"killed by {_signal_name(-code)}")
    killed = 128 + signal.SIGKILL  # its init never got to tell
    if attempt.timeout_s is not None and seconds >= attempt.timeout_s:
        return killed, f"timed out after {attempt.timeout_s:g} s"
    return killed, "killed from outside, perhaps for lack of memory"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def memory_file(content: bytes) -> int:
    """An open file in memory, nameless, at its beginning; to be closed by the caller."""
    descriptor = os.memfd_create("pfs", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", buffering=0, closefd=False) as file:
            _write_all(file, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
