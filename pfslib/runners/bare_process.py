"""A process of a few modules: Python without site-packages and without pfslib's own imports.

For programs that must be single-threaded and ready within milliseconds, as those that change
namespaces. Such a program is a module with ``main(control, owner)``, given the descriptors of its
end of a socket and of a pidfd of the process that started it; it imports little.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_END_TIMEOUT_S = 10.0

# The packages' own __init__ modules are kept from running, whatever they import.
_START = """\
import sys
for name in ("pfslib", "pfslib.runners"):
    package = type(sys)(name)
    package.__path__ = [sys.argv[1] + name.removeprefix("pfslib").replace(".", "/")]
    sys.modules[name] = package
__import__(sys.argv[2], fromlist=["main"]).main(int(sys.argv[3]), int(sys.argv[4]))
"""


class BareProcess:
    """A program that was started, and the socket to talk to it by. Safe for several threads.

    Args:
        module: Full name of a module of ``pfslib.runners``.

    Raises:
        OSError: It could not be started.
    """

    def __init__(self, module: str) -> None:
        self.lock = threading.Lock()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        owner = os.pidfd_open(os.getpid())
        command = [sys.executable or "python3", "-I", "-S", "-E", "-c", _START]
        try:
            self._process = subprocess.Popen(
                [*command, str(_PACKAGE), module, str(theirs.fileno()), str(owner)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                pass_fds=(theirs.fileno(), owner),
                start_new_session=True,  # the terminal's Ctrl-C is for its owner
            )
        except OSError:
            self.control.close()
            raise
        finally:
            theirs.close()
            os.close(owner)

    def last_words(self) -> str:
        """Why it ended: in its own words, sent over the control socket, else its interpreter's."""
        with contextlib.suppress(OSError):
            if words := os.fsdecode(self.control.recv(4096, socket.MSG_DONTWAIT)):
                return words
        complaint = self._process.stderr.read() if self._process.stderr else b""
        return os.fsdecode(complaint).strip().rpartition("\n")[2] or "its process ended at once"

    def end(self) -> None:
        """End the control socket, upon which the program ends; if it does not, kill it."""
        with self.lock:
            # Not just closed: a fork of this process may hold the socket as well.
            with contextlib.suppress(OSError):
                self.control.shutdown(socket.SHUT_RDWR)
            self.control.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
