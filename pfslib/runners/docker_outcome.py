"""What the end of a container's command means."""

from __future__ import annotations

import contextlib
import os
import signal
from io import FileIO

from pfslib.runners.docker_script import NO_SHELL
from pfslib.runners.docker_worker import Ended
from pfslib.runners.runner import Attempt, Outcome

_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_TAIL_BYTES = 4096

# How those that start the command begin when they say that they cannot: the engine's init for a
# container of the attempt's own, env for one that stays.
_STARTERS = ("[FATAL tini", "env: ")


def outcome(
    attempt: Attempt, end: int | Ended, *, seconds: float, log: FileIO, begin: int
) -> Outcome:
    """The outcome of an attempt.

    Args:
        attempt: What was attempted.
        end: The exit code, or what there was instead.
        seconds: How long it ran.
        log: Its log, open for reading.
        begin: Where in the log its output begins.
    """
    killed = 128 + signal.SIGKILL
    if end is Ended.BY_DEADLINE:
        reason = f"timed out after {attempt.timeout_s:g} s"
        return Outcome(exit_code=killed, reason=reason, seconds=seconds)
    if isinstance(end, Ended):
        reason = "killed from outside, perhaps for lack of memory"
        return Outcome(exit_code=killed, reason=reason, seconds=seconds)
    if end and (problem := _not_started(attempt.cmd[0], _last_line(log, begin))):
        code = end if end == _NOT_FOUND else _NOT_EXECUTABLE
        return Outcome(exit_code=code, reason=problem, seconds=seconds)
    reason = ""
    # Whoever waits for the command in there tells of signals in this way.
    with contextlib.suppress(ValueError):
        reason = f"killed by {signal.Signals(end - 128).name}"
    return Outcome(exit_code=end, reason=reason, seconds=seconds)


def _not_started(command: str, last_line: str) -> str:
    if last_line.startswith(_STARTERS) and command in last_line:
        return f"the command {command} could not be started: {last_line.rpartition(': ')[2]}"
    if last_line.startswith(_STARTERS) and NO_SHELL in last_line:
        return "a name that is not UTF-8 can be given to it by a shell only, and the image has none"
    return ""


def _last_line(log: FileIO, begin: int) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(begin, size - _TAIL_BYTES))
    return log.read().rstrip(b"\n").rpartition(b"\n")[2].decode(errors="replace")
