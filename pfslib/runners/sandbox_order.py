"""What the sandbox runner tells its zygote about one attempt, and the words it answers with.

An order is marshalled into a memory file, whose descriptor travels with three others over the
control socket: standard input, the pipe for the command's output, and the attempt's own *line*, a
stream socket. Answers come back along the line, one per text line, a word and what belongs to it.
The first message of all names, a line each, how the paths of the session's control groups begin.
Another message without descriptors names groups that the zygote itself is to join, a line each.
Whatever happens on the owner's end of the line, the end of the owner included, means: kill it.
"""

from __future__ import annotations

from typing import TypedDict


class View(TypedDict):
    """What the command sees of the host. Paths are the host's."""

    root: str
    """An existing empty directory, on which the new root is mounted."""

    inputs: dict[str, str]
    """Input name to the directory that is seen, read-only, as ``/pfs/<name>``."""

    out: str
    """The directory that is seen, writable, as ``/pfs/out``; none if empty."""

    image: str
    """The directory whose files are laid over the host's; none if empty."""

    hidden: list[str]
    """What is covered up: real paths of files and directories. Those that do not exist are passed
    over."""


class Order(TypedDict):
    """One attempt."""

    view: View
    cmd: list[str]
    """Argument vector. If empty, the view is built and that is all: a rehearsal."""

    env: dict[str, str]
    working_dir: str
    network: bool
    """Whether the command shares the host's network, or has none."""

    user: list[int]
    """Numbers of the user and the group that it runs as; empty for those of the session."""

    groups: list[str]
    """Files of control groups, to which a process writes 0 to join them."""

    memory: int
    """Bytes of address space that each of its processes may have; 0 for no limit."""

    processors: int
    """On how many it runs at most; 0 for no limit."""

    turn: int
    """Which of them those are: the next ones for the next turn."""
