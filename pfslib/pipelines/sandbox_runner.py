"""SandboxRunner: commands on this host, each in namespaces of its own, without images or root.

A command sees the host's file system as it is, plus ``/pfs``, less what is hidden; it shares the
host's network. That keeps a command from treading on others, from seeing the store, and from
leaving processes behind. It is no wall against a hostile command run as root: that is what Docker
is for.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from pfslib.model.errors import RunnerError
from pfslib.pipelines.runner import Attempt, Outcome
from pfslib.pipelines.sandbox_attempt import Conversation, judge, memory_file, zygote_gone
from pfslib.pipelines.sandbox_order import Order, View

_PACKAGE = Path(__file__).parent.parent

# The packages' own __init__ modules are kept from running: the zygote needs two modules of the
# standard library's weight, and starts in half the time without the rest.
_START_ZYGOTE = """\
import sys
for name in ("pfslib", "pfslib.pipelines"):
    package = type(sys)(name)
    package.__path__ = [sys.argv[3] + name.removeprefix("pfslib").replace(".", "/")]
    sys.modules[name] = package
from pfslib.pipelines.sandbox_zygote import main
main()
"""

_CLOSE_TIMEOUT_S = 10.0

_CONTAINER_ENGINES = (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd",
    "/run/podman",
)


class SandboxRunner:
    """Runs commands on this host. The store's own runner when a spec names no image.

    Args:
        hidden: Host files and directories no command may see: the store, above all. Container
            engines' sockets and the session's scratch directory are always hidden.
        overlays: Image name to a host directory whose files are laid over the host's, read-only.
        digests: Image name to what identifies its content.
    """

    name = "local"

    def __init__(
        self,
        *,
        hidden: Sequence[Path] = (),
        overlays: Mapping[str, Path] | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> None:
        self._hidden = [*hidden, *map(Path, _engine_sockets())]
        self._overlays = dict(overlays or {})
        self._digests = dict(digests or {})

    def session(self, image: str | None, *, scratch: Path) -> SandboxSession:
        """Start the session's process; about 40 ms.

        Args:
            image: A name among the overlays; any other, and None, mean the bare host.
            scratch: Private host directory; an empty directory is made in it, and removed.

        Raises:
            RunnerError: The kernel does not allow it, or the image does not go with the host.
        """
        overlay = self._overlays.get(image) if image is not None else None
        return SandboxSession(
            image=str(overlay.resolve()) if overlay else "",
            image_digest=self._digests.get(image, "") if image is not None else "",
            hidden=[*self._hidden, scratch],
            scratch=scratch,
        )


def sandbox_available() -> str:
    """Empty when sandboxes can be made here, else a sentence saying why not; about 50 ms."""
    with tempfile.TemporaryDirectory(prefix="pfs-sandbox-") as scratch:
        try:
            SandboxRunner().session(None, scratch=Path(scratch)).close()
        except RunnerError as error:
            return f"{error}; {error.hint}"
    return ""


class SandboxSession:
    """A warm zygote process and the attempts it runs. Made by `SandboxRunner.session`."""

    def __init__(
        self, *, image: str, image_digest: str, hidden: Sequence[Path], scratch: Path
    ) -> None:
        self.image_digest = image_digest
        self._image = image
        # Real, for a symbolic link on the way could lead past the cover; and each of them once.
        self._hidden = sorted({str(path.resolve()) for path in hidden})
        self._sending = threading.Lock()
        with contextlib.ExitStack() as made:
            self._root = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
            made.callback(self._root.rmdir)
            self._control, self._guard = _start_guard()
            made.callback(self._end_guard)
            self._rehearse()
            self._made = made.pop_all()

    def run(self, attempt: Attempt) -> Outcome:
        """Run one attempt; the runner's part of it takes about 4 ms.

        Raises:
            RunnerError: The view could not be built, or the session was closed meanwhile.
        """
        order = Order(
            view=self._view(attempt.inputs, str(attempt.out)),
            cmd=list(attempt.cmd),
            env=_base_environment() | dict(attempt.env),
            working_dir=attempt.working_dir or "/",
        )
        started = time.monotonic()
        deadline = None if attempt.timeout_s is None else started + attempt.timeout_s
        with _runner_errors(), attempt.log.open("ab", buffering=0) as log:
            answers = self._carry_out(order, attempt.stdin, log, deadline)
            seconds = time.monotonic() - started
            outcome = judge(answers, attempt, seconds)
            if "no-exec" in answers or "no-directory" in answers:
                log.write(f"{outcome.reason}\n".encode(errors="surrogateescape"))
        return outcome

    def close(self) -> None:
        """Kill every attempt that still runs, and the zygote. Idempotent."""
        self._made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _end_guard(self) -> None:
        with self._sending:
            # Not just closed: a fork of this process may hold the socket as well.
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            self._control.close()
        try:
            self._guard.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        if self._guard.stderr:
            self._guard.stderr.close()

    def _view(self, inputs: Mapping[str, Path], out: str) -> View:
        return View(
            root=str(self._root),
            inputs={name: str(directory) for name, directory in inputs.items()},
            out=out,
            image=self._image,
            hidden=self._hidden,
        )

    def _rehearse(self) -> None:
        """Build a view for nobody, so that what is not allowed here is said before any datum."""
        order = Order(view=self._view({}, ""), cmd=[], env={}, working_dir="/")
        with Path(os.devnull).open("ab", buffering=0) as log:
            try:
                answers = self._carry_out(order, b"", log, None)
            except RunnerError as error:
                raise _not_here(self._last_words()) from error
        if "failed" in answers:
            raise _not_here(answers["failed"])

    def _last_words(self) -> str:
        """Why the zygote ended: in its own words, else in its interpreter's."""
        with contextlib.suppress(OSError):
            if words := os.fsdecode(self._control.recv(4096, socket.MSG_DONTWAIT)):
                return words
        complaint = self._guard.stderr.read() if self._guard.stderr else b""
        return os.fsdecode(complaint).strip().rpartition("\n")[2] or "its process ended at once"

    def _carry_out(
        self, order: Order, stdin: bytes, log: FileIO, deadline: float | None
    ) -> dict[str, str]:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            line, their_line = socket.socketpair()
            ours.enter_context(line)
            theirs.enter_context(their_line)
            output, their_output = os.pipe()
            ours.callback(os.close, output)
            theirs.callback(os.close, their_output)
            order_file = memory_file(marshal.dumps(cast("dict[str, Any]", order)))
            theirs.callback(os.close, order_file)
            stdin_file = memory_file(stdin)
            theirs.callback(os.close, stdin_file)
            self._send([order_file, stdin_file, their_output, their_line.fileno()])
            theirs.close()
            return Conversation(line, output, log).until_reaped(deadline)

    def _send(self, descriptors: list[int]) -> None:
        with self._sending:
            try:
                socket.send_fds(self._control, [b"!"], descriptors)
            except OSError as error:
                raise zygote_gone() from error


# --- starting --------------------------------------------------------------------------------


def _start_guard() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        owner = os.pidfd_open(os.getpid())
        try:
            # fmt: off
            command = [
                sys.executable or "python3", "-I", "-S", "-E", "-c", _START_ZYGOTE,
                str(theirs.fileno()), str(owner), str(_PACKAGE),
            ]
            # fmt: on
            guard = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                pass_fds=(theirs.fileno(), owner),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise _not_here(f"{sys.executable}: {error.strerror}") from error
        finally:
            os.close(owner)
    return ours, guard


def _base_environment() -> dict[str, str]:
    """What a command finds when its attempt does not say otherwise: never the owner's secrets."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
    }


def _engine_sockets() -> Iterable[str]:
    yield from _CONTAINER_ENGINES
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield from (f"{runtime}/docker.sock", f"{runtime}/podman")
    host = os.environ.get("DOCKER_HOST", "")
    if host.startswith("unix://"):
        yield host.removeprefix("unix://")


# --- what can be wrong -----------------------------------------------------------------------

_KNOBS = (
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
)


def _not_here(problem: str) -> RunnerError:
    cures = []
    for knob, bad, cure in _KNOBS:
        with contextlib.suppress(OSError):
            if Path("/proc/sys", knob).read_text().strip() == bad:
                cures.append(f"sysctl -w {cure}")
    allow = f"as root: {'; '.join(cures)}" if cures else "let this user make user namespaces"
    return RunnerError(
        f"the local sandbox cannot be made here: {problem}",
        hint=f"{allow}; or run in containers: --runner docker",
    )


@contextlib.contextmanager
def _runner_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the sandbox could not be worked: {error}"
        raise RunnerError(message) from error
