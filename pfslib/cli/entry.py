"""Where the process begins: signals first, because importing the rest takes a while.

Until then an interrupt is shown as the traceback of whatever was being imported, so nothing is
imported here that can wait.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import NoReturn

    Handler = Callable[[int, FrameType | None], object]


def main() -> NoReturn:
    """Run `pfs` as a process of its own."""
    _handle(_leave, _leave)
    if sys.argv[1:2] == ["complete-words"]:  # no command, for somebody waits for a key's effect
        from pfslib.cli.completing import main as complete

        complete(sys.argv[2:])
        sys.exit()
    from pfslib.cli.failures import terminate
    from pfslib.cli.main import main as run

    _handle(signal.default_int_handler, terminate)
    run()


def _handle(interrupt: Handler, terminate: Handler) -> None:
    """Set what signals do; one that whoever started this process has ignored stays so."""
    for number, handler in ((signal.SIGINT, interrupt), (signal.SIGTERM, terminate)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    """Nothing has been begun, so nothing needs to be undone."""
    word = "interrupted" if number == signal.SIGINT else "terminated"
    os.write(2, f"pfs: {word}\n".encode())
    os._exit(128 + number)
