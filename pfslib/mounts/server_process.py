"""The child process that serves a mount: started, listened to until it is up, and reaped."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from select import POLLIN, poll
from threading import Lock
from typing import IO, Final

from pfslib.model.errors import MountError

_MODULE: Final = "pfsfuse"
_EXIT_S: Final = 2.0
_LAST_WORDS_S: Final = 0.2
_ANSWER_MAX: Final = 65_536
_TAIL_MAX: Final = 2_000

_lingering: list[subprocess.Popen[bytes]] = []
"""Servers that outlive their `Mounted`, or were meant to; reaped when the next one is started."""

_lingering_lock: Final = Lock()


def start_server(options: Sequence[str], *, tied: bool, timeout_s: float) -> ServerProcess:
    """Start a server and wait until its mount is up.

    Args:
        options: Its command line, but for what only this module knows.
        tied: Whether the server ends when this process does, and may write to its standard error.
        timeout_s: How long to wait.

    Raises:
        MountError: It does not come up; the error says why, in the server's words.
    """
    _reap()
    ready, theirs = os.pipe()
    log = _stderr_copy() if tied else None
    command = [*_interpreter(), "-m", _MODULE, *options, f"--ready-fd={theirs}"]
    inherited = [theirs]
    if tied:
        command.append(f"--owner-pid={os.getpid()}")
    if log is not None:
        command.append(f"--log-fd={log}")
        inherited.append(log)
    with tempfile.TemporaryFile() as errors:
        try:
            server = ServerProcess(_spawn(command, inherited, errors))
        except OSError as error:
            os.close(ready)
            message = f"the mount server cannot be started: {error}"
            raise MountError(message) from error
        finally:
            for fd in inherited:
                os.close(fd)
        try:
            server.check_up(_read_answer(ready, timeout_s), errors, timeout_s)
        except BaseException:
            server.end()
            raise
        finally:
            os.close(ready)
    return server


def _spawn(
    command: Sequence[str], inherited: Sequence[int], errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=inherited,
        env=_environment(),
        cwd="/",
        # A Ctrl-C in the owner's terminal is the owner's to handle: it may want to read on.
        start_new_session=True,
    )


class ServerProcess:
    """A server whose mount is up."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check_up(self, answer: str, errors: IO[bytes], timeout_s: float) -> None:
        """See that the mount is up.

        Args:
            answer: What the server said.
            errors: Its standard error.
            timeout_s: How long it had.

        Raises:
            MountError: It is not up, for the reason it gave, or that its remains tell.
        """
        if answer.startswith("ready"):
            return
        sentence, _, rest = answer.partition("\n")
        sentence = sentence.removeprefix("error: ")
        hint = rest.partition("hint: ")[2].strip()
        if not sentence and self.wait(_LAST_WORDS_S):
            sentence = f"the mount server ended with exit code {self._process.returncode}"
        errors.seek(0)
        tail = os.fsdecode(errors.read())[-_TAIL_MAX:].strip()
        sentence = sentence or f"the mount server was not up after {timeout_s:g} seconds"
        raise MountError(f"{sentence}: {tail}" if tail else sentence, hint=hint)

    def wait(self, timeout_s: float) -> bool:
        """Whether it ends within the time; then it is reaped."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Ask it to unmount and exit; make it, if it does not."""
        self._process.terminate()
        if not self.wait(_EXIT_S):
            self._process.kill()
            self._process.wait()

    def let_go(self) -> None:
        """Leave it to end when it is done, and keep it from becoming a zombie then."""
        with _lingering_lock:
            _lingering.append(self._process)


def _reap() -> None:
    with _lingering_lock:
        _lingering[:] = [process for process in _lingering if process.poll() is None]


def _interpreter() -> list[str]:
    """This interpreter, told not to import from the directory it happens to be started in."""
    if not sys.executable:
        message = "this Python cannot name its own interpreter, which is to run the mount server"
        raise MountError(message, hint="set sys.executable to a Python that has pfslib")
    return [sys.executable, "-P"]


def _environment() -> dict[str, str]:
    """The environment, with a search path that means the same from another directory.

    Where this process found the packages is added if only its own `sys.path` led there, as in a
    script beside them. Never the site's directories: what stands in PYTHONPATH goes before the
    standard library.
    """
    wanted = [
        os.path.abspath(part)  # noqa: PTH100 - may not exist
        for part in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if part
    ]
    searched = {os.path.abspath(part) for part in sys.path}  # noqa: PTH100 - may not exist
    searched -= {*site.getsitepackages(), site.getusersitepackages()}
    for module in ("pfslib", _MODULE):
        spec = find_spec(module)
        if spec is not None and spec.origin is not None:
            folder = str(Path(spec.origin).parent.parent)
            wanted += [folder] if folder in searched else []
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(wanted))}


def _stderr_copy() -> int | None:
    """A second descriptor of standard error; None for a process that has none."""
    with suppress(OSError):
        return os.dup(2)
    return None


def _read_answer(ready: int, timeout_s: float) -> str:
    """What the server has to say; empty if it ended, or said nothing in time."""
    deadline = time.monotonic() + timeout_s
    waiting = poll()
    waiting.register(ready, POLLIN)
    answer = b""
    while not answer.startswith(b"ready\n"):
        left = max(0.0, deadline - time.monotonic())
        if not waiting.poll(left * 1000):
            break
        said = os.read(ready, _ANSWER_MAX)
        if not said:
            break
        answer += said
    return os.fsdecode(answer)
