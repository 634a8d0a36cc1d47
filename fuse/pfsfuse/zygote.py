"""The warm process that mount servers are forked from: a mount takes milliseconds instead of 100.

It has imported everything and opened nothing, and has one thread, so that forking is safe. It ends
when whoever started it does, or closes the socket; the servers go on by themselves.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from array import array
from struct import Struct
from typing import Final, NoReturn

import pfslib
from pfsfuse.reporting import Reports
from pfsfuse.server import serve
from pfsfuse.settings import Settings, parse_settings
from pfslib import PfsError

_ORDER_MAX: Final = 16
_DESCRIPTORS: Final = 4
"""That come with an order: for the settings, for reports, for what goes wrong until it is up, for
the log."""

_CREDENTIALS: Final = Struct("iII")
"""Process, user and group, in the words of the kernel, of whoever sent an order."""

_EXTRAS_MAX: Final = socket.CMSG_SPACE(_DESCRIPTORS * 4) + socket.CMSG_SPACE(_CREDENTIALS.size)


class Zygote:
    """Forks servers, for its own user: whoever started it may have dropped its privileges since.

    Args:
        control: A SOCK_SEQPACKET socket with SO_PASSCRED. An order is whatever comes with
            descriptors: a file with `Settings` as msgpack, a pipe for reports, a file for standard
            error and, if there is to be one, the log.
    """

    def __init__(self, control: int) -> None:
        self._control = socket.socket(fileno=control)

    def run(self) -> None:
        """Take orders until there will be no more."""
        _ = pfslib.open_catalog  # imports what reading a store needs
        gc.collect()
        gc.freeze()  # or the servers' collections would copy all of it
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # servers need not be waited for
        while self._take_order():
            pass

    def _take_order(self) -> bool:
        order, extras, _, _ = self._control.recvmsg(_ORDER_MAX, _EXTRAS_MAX)
        if not order:
            return False
        descriptors, users = array("i"), []
        for _, kind, data in extras:
            if kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
            else:
                users.append(_CREDENTIALS.unpack(data)[1:])
        if descriptors and users == [(os.getuid(), os.getgid())] and os.fork() == 0:
            self._become_server(*descriptors)
        for fd in descriptors:
            os.close(fd)
        return True

    def _become_server(self, settings: int, *descriptors: int) -> NoReturn:
        code = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._control.detach())
            # Out of the zygote's session, and with it out of reach of what is sent to that.
            os.setsid()
            with open(settings, "rb", buffering=0) as file:
                file.seek(0)
                order = parse_settings(file.readall())
            code = _serve(order, *descriptors)
        finally:
            # The thread that serves may be stuck in a request that is never answered.
            os._exit(code)


def _serve(settings: Settings, report: int, errors: int, log: int | None = None) -> int:
    os.dup2(errors, sys.stderr.fileno())
    os.close(errors)
    reports = Reports(report, log, name=os.fsdecode(settings.mountpoint))
    try:
        serve(settings, reports)
    except PfsError as error:
        reports.failed(error)
        return 1
    except BaseException:
        traceback.print_exc()  # whoever started it shows the end of that
        sys.stderr.flush()
        return 1
    finally:
        reports.close()
    return 0
