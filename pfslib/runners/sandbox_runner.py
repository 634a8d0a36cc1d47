"""SandboxRunner: commands on this host, each in namespaces of its own, without images or root.

A command sees the host's file system as it is, plus ``/pfs``, less what is hidden; it shares the
host's network. That keeps a command from treading on others, from seeing the store, and from
leaving processes behind. It is no wall against a hostile command run as root: that is what Docker
is for.
"""

from __future__ import annotations

import contextlib
import itertools
import marshal
import math
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import msgspec

from pfslib.model.errors import RunnerError
from pfslib.runners.bare_process import BareProcess
from pfslib.runners.bounded_log import BoundedLog
from pfslib.runners.control_groups import ControlGroups, Group, Limits
from pfslib.runners.runner import UNCONFINED, Attempt, Confinement, Outcome, out_of_memory
from pfslib.runners.sandbox_attempt import Conversation, judge, memory_file, zygote_gone
from pfslib.runners.sandbox_order import Order, View
from pfslib.runners.sandbox_user import User, user_of

_CONTAINER_ENGINES = (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd",
    "/run/podman",
)

_turns = itertools.count()
"""Of all sessions here, so that attempts at the same time are on different processors."""


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

    def digest_of(self, image: str | None) -> str:
        """What identifies the content of an image; empty for the bare host."""
        return self._digests.get(image, "") if image is not None else ""

    def session(
        self, image: str | None, *, scratch: Path, confinement: Confinement = UNCONFINED
    ) -> SandboxSession:
        """Start the session's process; about 40 ms.

        Args:
            image: A name among the overlays; any other, and None, mean the bare host.
            scratch: Private host directory; an empty directory is made in it, and removed.
            confinement: What its attempts may use.

        Raises:
            RunnerError: The kernel does not allow it, or the image does not go with the host.
        """
        overlay = self._overlays.get(image) if image is not None else None
        return SandboxSession(
            image=str(overlay.resolve()) if overlay else "",
            image_digest=self.digest_of(image),
            hidden=[*self._hidden, scratch],
            scratch=scratch,
            confinement=confinement,
            user=user_of(confinement.user) if confinement.user else None,
        )


def sandbox_available() -> str:
    """Empty when sandboxes can be made here, else a sentence saying why not; about 50 ms."""
    with tempfile.TemporaryDirectory(prefix="pfs-sandbox-") as scratch:
        try:
            SandboxRunner().session(None, scratch=Path(scratch)).close()
        except RunnerError as error:
            return f"{error}; {error.hint}"
    return ""


_REHEARSAL_S = 60.0


class SandboxSession:
    """A warm zygote process and the attempts it runs. Made by `SandboxRunner.session`."""

    def __init__(
        self,
        *,
        image: str,
        image_digest: str,
        hidden: Sequence[Path],
        scratch: Path,
        confinement: Confinement,
        user: User | None,
    ) -> None:
        self._confinement = confinement
        self._user = user if user and user[:2] != (os.geteuid(), os.getegid()) else None
        self.image_digest = image_digest
        self._image = image
        # Real, for a symbolic link on the way could lead past the cover; and each of them once.
        self._hidden = sorted({str(path.resolve()) for path in hidden})
        with contextlib.ExitStack() as made:
            self._root = Path(tempfile.mkdtemp(prefix="root-", dir=scratch.absolute()))
            made.callback(self._root.rmdir)
            limits = Limits(confinement.memory_limit, confinement.cpu_limit)
            self._control_groups = ControlGroups(limits)
            made.callback(self._control_groups.close)
            self._guard = _start_guard(self._control_groups.names)
            made.callback(self._guard.end)
            if self._control_groups.shared is not None and self._control_groups.shared.doors:
                self._join(self._control_groups.shared.doors)
            self._rehearse()
            self._made = made.pop_all()

    def run(self, attempt: Attempt) -> Outcome:
        """Run one attempt; the runner's part of it takes about 4 ms.

        Raises:
            RunnerError: The view could not be built, or the session was closed meanwhile.
        """
        if not attempt.cmd:
            return Outcome(exit_code=127, reason="there is no command to run")
        with (
            _runner_errors(),
            BoundedLog(attempt.log) as log,
            self._control_groups.group() as group,
        ):
            order = self._order(
                self._view(attempt.inputs, str(attempt.out.absolute())),
                list(attempt.cmd),
                self._base_environment() | dict(attempt.env),
                attempt.working_dir or "/",
                group,
            )
            self._give(attempt.out)
            started = time.monotonic()
            deadline = None if attempt.timeout_s is None else started + attempt.timeout_s
            answers = self._carry_out(order, attempt.stdin, log, deadline)
            seconds = time.monotonic() - started
            outcome = self._explained(judge(answers, attempt, seconds), group)
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

    def _view(self, inputs: Mapping[str, Path], out: str) -> View:
        return View(
            root=str(self._root),
            inputs={name: str(directory.absolute()) for name, directory in inputs.items()},
            out=out,
            image=self._image,
            hidden=self._hidden,
        )

    def _order(
        self, view: View, cmd: list[str], env: dict[str, str], working_dir: str, group: Group
    ) -> Order:
        return Order(
            view=view,
            cmd=cmd,
            env=env,
            working_dir=working_dir,
            network=self._confinement.network,
            user=[self._user.user, self._user.group] if self._user else [],
            groups=group.doors,
            memory=self._address_space,
            processors=self._processors,
            turn=next(_turns),
        )

    @property
    def _address_space(self) -> int:
        """What each process may have where memory cannot be limited for all of them together."""
        return 0 if self._control_groups.memory else self._confinement.memory_limit

    @property
    def _processors(self) -> int:
        """On how many it runs, where their time cannot be limited for all processes together."""
        return 0 if self._control_groups.processors else math.ceil(self._confinement.cpu_limit)

    def _explained(self, outcome: Outcome, group: Group) -> Outcome:
        """An outcome that says when memory was the reason, or may have been."""
        if not outcome.exit_code or not self._confinement.memory_limit:
            return outcome
        if group.memory_kills:
            return out_of_memory(outcome, self._confinement)
        if self._address_space:
            limit = f"{self._address_space >> 20} MiB"
            remark = f"each of its processes may have {limit} of address space"
            return msgspec.structs.replace(outcome, remark=remark)
        return outcome

    def _give(self, *things: Path | int) -> None:
        """Make files the command's own, if it runs as somebody else."""
        if self._user is not None:
            for thing in things:
                os.chown(thing, self._user.user, self._user.group)

    def _base_environment(self) -> dict[str, str]:
        """What a command finds when its attempt does not say otherwise: no secrets of the owner."""
        home = os.environ.get("HOME", "/") if self._user is None else self._user.home
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": home, "LANG": "C.UTF-8"}

    def _rehearse(self) -> None:
        """Build a view for nobody, so that what is not allowed here is said before any datum."""
        with (
            Path(os.devnull).open("ab", buffering=0) as log,
            self._control_groups.group() as group,
        ):
            order = self._order(self._view({}, ""), [], {}, "/", group)
            deadline = time.monotonic() + _REHEARSAL_S
            try:
                answers = self._carry_out(order, b"", log, deadline)
            except RunnerError as error:
                raise _not_here(self._guard.last_words()) from error
        if time.monotonic() >= deadline:
            raise _not_here(f"it was not there after {_REHEARSAL_S:g} s")
        if "failed" in answers:
            raise _not_here(answers["failed"])

    def _carry_out(
        self, order: Order, stdin: bytes, log: FileIO, deadline: float | None
    ) -> dict[str, str]:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            line, their_line = socket.socketpair()
            ours.enter_context(line)
            theirs.enter_context(their_line)
            output, their_output = os.pipe()
            self._give(their_output)  # for those that open /dev/stdout
            ours.callback(os.close, output)
            theirs.callback(os.close, their_output)
            order_file = memory_file(marshal.dumps(cast("dict[str, Any]", order)))
            theirs.callback(os.close, order_file)
            stdin_file = memory_file(stdin)
            theirs.callback(os.close, stdin_file)
            self._send([order_file, stdin_file, their_output, their_line.fileno()])
            theirs.close()
            return Conversation(line, output, log).until_reaped(deadline)

    def _join(self, doors: Sequence[str]) -> None:
        with self._guard.lock, contextlib.suppress(OSError):  # the rehearsal will tell
            self._guard.control.send("\n".join(doors).encode())

    def _send(self, descriptors: list[int]) -> None:
        with self._guard.lock:
            try:
                socket.send_fds(self._guard.control, [b"!"], descriptors)
            except OSError as error:
                raise zygote_gone() from error


# --- starting --------------------------------------------------------------------------------


def _start_guard(groups: Sequence[str]) -> BareProcess:
    try:
        guard = BareProcess("pfslib.runners.sandbox_zygote")
    except OSError as error:
        raise _not_here(str(error)) from error
    with contextlib.suppress(OSError):  # the rehearsal will tell
        guard.control.send(os.fsencode("\n".join(["", *groups])))
    return guard


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
