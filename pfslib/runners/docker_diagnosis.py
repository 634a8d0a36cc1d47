"""Whether an engine is there at all, and what was really wrong when it fails."""

from __future__ import annotations

import socket


def knock(url: str) -> None:
    """See whether anybody listens; the SDK leaves a socket open when it finds nobody there.

    Raises:
        OSError: Nobody does, or it is not for this user.
    """
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(url.removeprefix("unix://"))


def cause(error: BaseException) -> str:
    """What the engine said, or else the first of the errors that led to this one."""
    while not (said := getattr(error, "explanation", None)):
        earlier = error.__cause__ or error.__context__
        if earlier is None:
            said = getattr(error, "strerror", None) or str(error)
            break
        error = earlier
    return str(said).strip()
