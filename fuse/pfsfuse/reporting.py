"""Tells whoever started the server how it went: once when it is up, in a log afterwards."""

from __future__ import annotations

import logging
import os
import syslog
from typing import Final

from pfslib import PfsError

_STDERR: Final = 2


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
        self._is_up = False
        self._send(f"{os.getpid()}\n")

    def ready(self) -> bool:
        """Say that the mount is up, and turn from standard error to the log.

        Returns:
            Whether anybody still wanted to know.
        """
        self._open_log()
        self._is_up = True
        return self._send("ready\n")

    def failed(self, error: PfsError) -> None:
        """Say in a sentence why the mount is not up, or, if it was, put that in the log."""
        if self._is_up:
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

    def _open_log(self) -> None:
        handler: logging.Handler
        if self._log_fd is None:
            handler = _SyslogHandler()
            self._log_fd = os.open(os.devnull, os.O_WRONLY)
        else:
            handler = logging.StreamHandler()
        if self._log_fd != _STDERR:
            os.dup2(self._log_fd, _STDERR)
            os.close(self._log_fd)
        handler.setFormatter(logging.Formatter(f"pfs mount {self._name}: %(message)s"))
        logging.getLogger().addHandler(handler)


class _SyslogHandler(logging.Handler):
    """The syslog of the C library: quietly nothing where no syslog runs."""

    def emit(self, record: logging.LogRecord) -> None:
        syslog.syslog(syslog.LOG_ERR, self.format(record))
