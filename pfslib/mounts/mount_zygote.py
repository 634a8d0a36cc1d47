"""The warm process that mount servers are forked from: one a process, started with the first mount.

Starting Python and importing takes 70 ms and more; forking takes three. The zygote belongs to the
process that started it, and ends with it.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Final

from pfslib.model.errors import MountError

_MODULE: Final = "pfsfuse"
_ORDER: Final = b"!"
"""What an order says; all that matters are the descriptors that come with it."""

_END_S: Final = 2.0
_TRIES: Final = 2
_LAST_WORDS_S: Final = 0.2
_SAID_MAX: Final = 2_000

# Without site-packages, and told where to look: half of the time that Python takes to start. The
# library's own path goes first, so that nothing else of that name is found; then ours.
_START: Final = """\
import sys
sys.path += sys.argv[2:]
from pfsfuse.zygote import Zygote
Zygote(int(sys.argv[1])).run()
"""

_lock = Lock()
_current: MountZygote | None = None


def prepare() -> None:
    """Start the zygote of this process, without waiting for it, if there is none yet.

    Raises:
        MountError: It cannot be started.
    """
    with _lock:
        _ready()


def order(settings: bytes, descriptors: Sequence[int]) -> None:
    """Have a server forked.

    Args:
        settings: What it is told.
        descriptors: What it inherits.

    Raises:
        MountError: There is no zygote, and it cannot be started.
    """
    global _current  # noqa: PLW0603 - one a process is the point
    failure = ""
    with _lock:
        for _ in range(_TRIES):
            zygote = _ready()
            try:
                zygote.send(settings, descriptors)
            except OSError as error:  # it has died, or somebody closed all descriptors
                failure = _reason(zygote, error)
                zygote.end()
                _current = None
            else:
                return
    raise MountError(failure)


def _reason(zygote: MountZygote, error: OSError) -> str:
    """Why an order could not be given."""
    with suppress(OSError):
        said = zygote.last_words()
        if said:
            return f"the mount server ended before the mount was up: {said}"
    return f"the process that starts mount servers cannot be told to: {error}"


def end() -> None:
    """End the zygote of this process, if there is one; mounts stay."""
    global _current
    with _lock:
        zygote, _current = _current, None
        if zygote is not None:
            zygote.end()


def last_words() -> str:
    """What the zygote of this process has complained of; empty as long as all is well."""
    return _current.last_words() if _current is not None else ""


def zygote_pid() -> int | None:
    """Process id of the zygote of this process; None while there is none."""
    return _current.pid if _current is not None else None


def _ready() -> MountZygote:
    """The zygote, as it would be if it were started now."""
    global _current  # noqa: PLW0603 - one a process is the point
    circumstances = _circumstances()
    if _current is not None and _current.is_fit(circumstances):
        return _current
    if _current is not None:
        _current.end()
        _current = None
    _current = MountZygote(circumstances)
    return _current


def _circumstances() -> tuple[object, ...]:
    """What a forked server would inherit, and must not be what the zygote had long ago."""
    user = (*os.getresuid(), *os.getresgid(), *os.getgroups())
    return sys.executable, user, _namespace(), *_root()


def _namespace() -> int | None:
    with suppress(OSError):  # without /proc there is nothing to mount either
        return os.stat("/proc/thread-self/ns/mnt").st_ino  # noqa: PTH116 - a link's own target
    return None


def _root() -> tuple[object, ...]:
    """Which directory is /: a chroot changes that, maybe to the same one, mounted elsewhere."""
    fd = os.open("/", os.O_PATH)
    try:
        status = os.fstat(fd)
        with suppress(OSError):
            said = Path(f"/proc/self/fdinfo/{fd}").read_text().partition("mnt_id:")[2].split()[:1]
            return status.st_dev, status.st_ino, *said
        return status.st_dev, status.st_ino
    finally:
        os.close(fd)


class MountZygote:
    """A zygote that was started, and the socket to it.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, circumstances: tuple[object, ...]) -> None:
        """Start one.

        Raises:
            MountError: It cannot be started.
        """
        self._circumstances = circumstances
        self._errors = open(os.memfd_create("pfs"), "r+b")  # noqa: SIM115, PTH123 - as long as it runs
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # to know whose an order is
        command = [*_interpreter(), "-c", _START, str(theirs.fileno()), *_search_path()]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                cwd="/",
                # A Ctrl-C in the owner's terminal is the owner's to handle: it may want to read on.
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            self._errors.close()
            message = f"the mount server cannot be started: {error}"
            raise MountError(message) from error
        finally:
            theirs.close()
        self.pid = self._process.pid

    def is_fit(self, circumstances: tuple[object, ...]) -> bool:
        """Whether it runs, in the circumstances that servers are to run in."""
        return self._process.poll() is None and self._circumstances == circumstances

    def send(self, settings: bytes, descriptors: Sequence[int]) -> None:
        """Give an order; the settings go by a file, for a message cannot be of any length."""
        with open(os.memfd_create("pfs"), "wb", buffering=0) as file:  # noqa: PTH123 - no path
            file.write(settings)
            socket.send_fds(self._control, [_ORDER], [file.fileno(), *descriptors])

    def last_words(self) -> str:
        """What it has complained of, and with which exit code it has ended, if it has."""
        size = os.fstat(self._errors.fileno()).st_size
        said = os.pread(self._errors.fileno(), _SAID_MAX, max(0, size - _SAID_MAX))
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_LAST_WORDS_S)
            return f"exit code {code}: {os.fsdecode(said).strip()}"
        return os.fsdecode(said).strip()

    def end(self) -> None:
        """Close the socket, upon which it ends; if it does not, kill it."""
        self._control.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def forget(self) -> None:
        """Let go of it, unawaited: in a forked child, since it is the parent's; and at the end."""
        self._control.close()
        self._errors.close()
        self._process.returncode = 0  # not ours to wait for, nor to be warned of


def _interpreter() -> list[str]:
    if not sys.executable:
        message = "this Python cannot name its own interpreter, which is to run the mount server"
        raise MountError(message, hint="set sys.executable to a Python that has pfslib")
    flags = ["-S", "-E", "-P"]
    return [sys.executable, *flags, *(["-B"] if sys.dont_write_bytecode else [])]


def _search_path() -> list[str]:
    """Where the server finds its modules: where this process has found them, and then as it does.

    Not in the directory it happens to be in, which an empty path means.
    """
    folders = []
    for module in ("pfslib", _MODULE):
        spec = find_spec(module)
        if spec is not None and spec.origin is not None:
            folders.append(str(Path(spec.origin).parent.parent))
    folders += [os.path.abspath(part) for part in sys.path if part]  # noqa: PTH100 - may not exist
    return list(dict.fromkeys(folders))


def _leave() -> None:
    """At the end of this process: the zygote ends by itself, and nobody waits for that."""
    if _current is not None:
        _current.forget()


def _forget_in_child() -> None:
    global _current, _lock  # noqa: PLW0603 - one a process is the point
    _lock = Lock()  # another thread of the parent may have held it
    zygote, _current = _current, None
    if zygote is not None:
        zygote.forget()


os.register_at_fork(after_in_child=_forget_in_child)
atexit.register(_leave)
