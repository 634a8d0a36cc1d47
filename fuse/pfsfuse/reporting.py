"""Tells whoever started the server how it went: once when it is up, in a log afterwards."""

from __future__ import annotations

import faulthandler
import logging
import os
import syslog
from select import POLLOUT, poll
from typing import Final

from pfsfuse.log_queue import QueuedLog
from pfslib import PfsError

_STDERR: Final = 2

_LAST_WORDS_S: Final = 0.2
"""How long a server that ends waits for somebody to read its log."""


class Reports:
    """The two ways out of the server.

    Args:
        report_fd: Pipe for the process id, then for the one word that the mount is up, or why it is
            not. It stays open until the server ends, which is how whoever reads it learns of that.
        log_fd: Where the log goes once the mount is up; None for syslog, since a server that
            outlives its starter must not hold on to the starter's terminal or pipe.
        name: The mount, for the log.
    """

    def __init__(self, report_fd: int, log_fd: int | None, *, name: str) -> None:
        self._report_fd = report_fd
        self._log_fd = log_fd
        self._name = name
        self._log: QueuedLog | None = None
        self._send(f"{os.getpid()}\n")

    def ready(self, device: str) -> bool:
        """Say that the mount is up, and turn from standard error to the log.

        Args:
            device: The number by which the mount is told from others.

        Returns:
            Whether anybody still wanted to know.
        """
        self._open_log()
        return self._send(f"ready {device}\n")

    def failed(self, error: PfsError) -> None:
        """Say in a sentence why the mount is not up, or, if it was, put that in the log."""
        if self._log is not None:
            logging.getLogger("pfsfuse").error("%s", error)
            return
        hint = f"hint: {error.hint}\n" if error.hint else ""
        self._send(f"error: {error}\n{hint}")

    def _send(self, text: str) -> bool:
        try:
            os.write(self._report_fd, os.fsencode(text))
        except BrokenPipeError:
            return False
        return True

    def close(self) -> None:
        """Let the last lines of the log be read, though not for long."""
        if self._log is not None:
            self._log.drain(_LAST_WORDS_S)

    def _open_log(self) -> None:
        if self._log_fd is None:
            self._log_fd = os.open(os.devnull, os.O_WRONLY)
            self._log = QueuedLog(_to_syslog)
        else:
            self._log = QueuedLog(_to_stderr)
        if self._log_fd != _STDERR:
            os.dup2(self._log_fd, _STDERR)
            os.close(self._log_fd)
        faulthandler.enable(_STDERR)  # a store cut short in the middle of a read kills by SIGBUS
        self._log.setFormatter(logging.Formatter(f"pfs mount {self._name}: %(message)s"))
        logging.getLogger().addHandler(self._log)


def _to_syslog(line: str) -> None:
    """The syslog of the C library: quietly nothing where no syslog runs."""
    syslog.syslog(syslog.LOG_ERR, line)


def _to_stderr(line: str) -> None:
    data = f"{line}\n".encode()
    while data:
        try:
            data = data[os.write(_STDERR, data) :]
        except BlockingIOError:  # somebody has made the owner's pipe non-blocking
            waiting = poll()
            waiting.register(_STDERR, POLLOUT)
            waiting.poll()
