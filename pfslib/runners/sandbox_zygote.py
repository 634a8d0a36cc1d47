"""The sandbox's own process: warm, single-threaded, forking one small family per attempt.

::

    owner                the process that uses pfslib
      guard              has no work but to end when the owner ends, and to end all below; what
                         control groups are left then it removes
        zygote           PID 1 of the session's PID namespace; takes orders, reports deaths
          init           PID 1 of the attempt's own PID namespace; builds the view, reaps
            command      what the attempt asked for, and whatever it starts

When a PID 1 ends, the kernel kills everything in its namespace and in those below. So an attempt
is over when its init is reaped, a session when its zygote is, and no order of killing leaves any
process or mount behind. `sandbox_order` describes the orders and the answers.

Imports the standard library only, and the cheap part of it: the start of this program is part of
every job's latency.
"""

# ruff: noqa: PTH106, PTH110, PTH112, PTH118, PTH123, PTH208 - pathlib would cost 10 ms

from __future__ import annotations

import contextlib
import errno
import gc
import marshal
import os
import resource
import select
import signal
import socket
import time

from pfslib.runners import sandbox_root
from pfslib.runners.linux_calls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    die_with_parent,
    forbid_new_privileges,
    setns,
    shield_from_children,
    unshare,
)

TYPE_CHECKING = False  # that of typing costs 5 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from pfslib.runners.sandbox_order import Order

_MESSAGE_BYTES = 1 << 16
_REMOVE_TRIES = 100
_REMOVE_WAIT_S = 0.002
_HANG_UP = select.POLLIN | select.POLLHUP | select.POLLERR


def main(control_descriptor: int, owner: int) -> NoReturn:
    """Guard, then zygote; as for `bare_process`."""
    control = socket.socket(fileno=control_descriptor)
    gc.disable()  # a collection in a fork touches, hence copies, every page
    groups = os.fsdecode(control.recv(_MESSAGE_BYTES)).splitlines()[1:]
    try:
        _reset_signals()
        os.umask(0o022)
        _enter_session_namespaces()
        shield_from_children()
        forbid_new_privileges()
        zygote = os.fork()
    except OSError as error:
        control.send(f"{error.filename}: {error.strerror}".encode())
        os._exit(1)
    if zygote == 0:
        os.close(owner)
        die_with_parent(signal.SIGKILL)
        _Zygote(control).serve()
    control.close()
    _guard(owner, zygote, groups)


def _reset_signals() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _enter_session_namespaces() -> None:
    try:
        unshare(CLONE_NEWPID)
    except PermissionError:
        user, group = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER | CLONE_NEWPID)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _guard(owner: int, zygote: int, groups: list[str]) -> NoReturn:
    # PR_SET_PDEATHSIG would not do between owner and guard: it fires at the end of the *thread*
    # that started the guard. Nor would the end of the control socket: a fork of the owner holds it.
    deaths = select.poll()
    deaths.register(owner, select.POLLIN)
    deaths.register(os.pidfd_open(zygote), select.POLLIN)
    deaths.poll()
    os.kill(zygote, signal.SIGKILL)
    os.waitpid(zygote, 0)
    for beginning in groups:
        _remove_groups(beginning)
    os._exit(0)


def _remove_groups(beginning: str) -> None:
    """Remove the control groups whose paths begin so, of which the owner has not."""
    directory, name = os.path.split(beginning)
    for _ in range(_REMOVE_TRIES):  # the kernel may be a moment behind
        with contextlib.suppress(OSError):
            found = [entry for entry in os.listdir(directory) if entry.startswith(name)]
            if not found:
                return
            for entry in found:
                os.rmdir(os.path.join(directory, entry))
        time.sleep(_REMOVE_WAIT_S)


# --- the zygote ------------------------------------------------------------------------------


class _Zygote:
    """Starts, kills and reaps the inits of attempts, any number of them at a time."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._events = select.poll()
        self._events.register(control, _HANG_UP)
        self._by_pidfd: dict[int, tuple[int, socket.socket]] = {}
        self._by_line: dict[int, int] = {}

    def serve(self) -> NoReturn:
        while True:
            ready = {descriptor for descriptor, _ in self._events.poll()}
            for descriptor in ready:
                if descriptor in self._by_line:
                    self._kill(descriptor)
            for descriptor in ready:
                if descriptor in self._by_pidfd:
                    self._reap(descriptor)
            # Last, for it opens descriptors under the numbers that were closed just now.
            if self._control.fileno() in ready:
                self._receive()

    def _kill(self, line: int) -> None:
        os.kill(self._by_line.pop(line), signal.SIGKILL)
        self._events.unregister(line)

    def _reap(self, pidfd: int) -> None:
        init, line = self._by_pidfd.pop(pidfd)
        os.waitpid(init, 0)
        self._events.unregister(pidfd)
        os.close(pidfd)
        if self._by_line.pop(line.fileno(), None):
            self._events.unregister(line)
        _answer(line, "reaped")
        line.close()

    def _receive(self) -> None:
        message, received, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 4)
        if not message:
            os._exit(0)
        if not received:  # control groups to join, with all that is forked from here on
            for door in os.fsdecode(message).splitlines():
                with contextlib.suppress(OSError):
                    _write(door, "0")
            return
        for descriptor in received:  # recv_fds overlooks MSG_CMSG_CLOEXEC
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - its signature
        line = socket.socket(fileno=received[3])
        try:
            init = self._fork_init(received, line)
        except OSError as error:
            _answer(line, f"failed {error.filename or 'fork'}: {error.strerror}")
            line.close()
            return
        finally:
            for descriptor in received[:3]:
                os.close(descriptor)
        pidfd = os.pidfd_open(init)
        self._by_pidfd[pidfd] = (init, line)
        self._by_line[line.fileno()] = init
        self._events.register(pidfd, select.POLLIN)
        self._events.register(line, _HANG_UP)

    def _fork_init(self, received: list[int], line: socket.socket) -> int:
        unshare(CLONE_NEWPID)
        try:
            init = os.fork()
            if init == 0:
                self._forget_others()
                _run_as_init(received, line)
        finally:
            # The next unshare is refused while the children's namespace is not one's own.
            setns(self._own_pid_namespace, CLONE_NEWPID)
        return init

    def _forget_others(self) -> None:
        self._control.close()
        os.close(self._own_pid_namespace)
        for pidfd, (_, line) in self._by_pidfd.items():
            os.close(pidfd)
            line.close()


def _answer(line: socket.socket, text: str) -> None:
    with contextlib.suppress(OSError):  # the owner may have hung up: nobody wants to know
        line.send(f"{text}\n".encode(errors="surrogateescape"))


# --- the init of an attempt ------------------------------------------------------------------


def _run_as_init(received: list[int], line: socket.socket) -> NoReturn:
    order_file, stdin, output, _ = received
    try:
        with open(order_file, "rb", buffering=0, closefd=False) as file:
            order: Order = marshal.loads(file.read())  # noqa: S302 - from the owner
        for door in order["groups"]:
            _write(door, "0")
        unshare(CLONE_NEWNS | CLONE_NEWIPC | (0 if order["network"] else CLONE_NEWNET))
        sandbox_root.enter(order["view"])
        if order["user"]:
            _become(*order["user"])
        for answer in _carry_out(order, stdin, output):
            _answer(line, answer)
    except OSError as error:
        _answer(line, f"failed {error.filename or 'sandbox'}: {error.strerror}")
    except Exception as error:
        _answer(line, f"failed {error!r}")
    finally:
        os._exit(0)


def _become(user: int, group: int) -> None:
    """Be another user from here on; this process, too, which has nothing left to do as root."""
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    shield_from_children()


def _carry_out(order: Order, stdin: int, output: int) -> Iterator[str]:
    if not order["cmd"]:
        return
    try:
        os.chdir(order["working_dir"])
    except OSError as error:
        yield f"no-directory {error.strerror}"
        return
    _limit(order)
    try:
        command = _spawn(order["cmd"], order["env"], stdin, output)
    except OSError as error:
        yield f"no-exec {error.errno}"
    except ValueError:  # a NUL byte in an argument or a variable
        yield f"no-exec {errno.EINVAL}"
    else:
        yield f"status {_reap_until(command)}"


def _limit(order: Order) -> None:
    """Limit this process and, with it, the command."""
    if order["memory"]:
        resource.setrlimit(resource.RLIMIT_AS, (order["memory"], order["memory"]))
    if order["processors"]:
        allowed = sorted(os.sched_getaffinity(0))
        first = order["turn"] * order["processors"] % len(allowed)
        os.sched_setaffinity(0, (allowed[first:] + allowed[:first])[: order["processors"]])


def _spawn(cmd: list[str], env: dict[str, str], stdin: int, output: int) -> int:
    # A fork would copy the page tables of an interpreter only to throw them away.
    return os.posix_spawn(
        _find(cmd[0], env["PATH"]),
        cmd,
        env,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGPIPE],
    )


def _find(name: str, path: str) -> str:
    """The executable that a name means; when there is none, the likeliest to tell why."""
    if "/" in name:
        return name
    found = ""
    for directory in path.split(":"):
        place = os.path.join(directory, name)
        if os.access(place, os.X_OK) and not os.path.isdir(place):
            return place
        if not found and os.path.exists(place):
            found = place
    return found or name


def _reap_until(command: int) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == command:
            return status
